//! Command line of `handoff-relay`.

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{self, BAD_INPUT, OK};
use crate::receive::ReceiveArgs;
use crate::send::SendArgs;
use crate::{Error, importing, print, usage};

/// Send Docker images to other jobs of a workflow run, without a registry.
///
/// `send` runs in the job that has or builds the image, `receive` in each job that needs it. In between, the layers are in
/// GitHub's artifact or cache service. Both need `ACTIONS_RESULTS_URL` and `ACTIONS_RUNTIME_TOKEN` of a job.
#[derive(Debug, Parser)]
#[command(name = "handoff-relay", version = env!("HANDOFF_VERSION"), max_term_width = 110, after_help = error::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send images to other jobs of a workflow run, through GitHub's artifact or cache service
    Send(SendArgs),
    /// Receive the images that another job sent
    Receive(ReceiveArgs),
    /// Remove what killed imports left on this machine; images and containers stay
    Clean,
    /// Undo `receive --store-switch`: restore the engine's configuration and restart the engine
    RestoreStore(RestoreArgs),
    /// Write an image into the engine's store as root, for `receive`
    #[command(hide = true)]
    ImportHelper,
    /// Switch the engine's store as root, for `receive`
    #[command(hide = true)]
    StoreSwitch(RestoreArgs),
}

/// Options of `restore-store`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// File of the engine's configuration [default: /etc/docker/daemon.json]
    #[arg(long, value_name = "FILE")]
    pub daemon_config: Option<PathBuf>,
    /// Command that restarts the engine [default: systemctl restart docker]
    #[arg(long, value_name = "CMD")]
    pub restart_command: Option<String>,
}

/// Runs the program with the arguments of its process; returns its exit code.
pub fn main() -> u8 {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) if error.use_stderr() => {
            print::talk(&usage::line(&error, &Cli::command()));
            return BAD_INPUT;
        }
        // Help and version are errors for clap.
        Err(text) => return exit_code(print::data(text.render().to_string().trim_end())),
    };
    exit_code(command.run())
}

fn exit_code(result: Result<(), Error>) -> u8 {
    let Err(error) = result else { return OK };
    print::talk(&format!("error: {}", error.line()));
    error.code()
}

impl Verb {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::Send(args) => args.run(),
            Self::Receive(args) => args.run(),
            Self::Clean => importing::clean(),
            Self::ImportHelper => importing::serve_helper(),
            // Hook: the two entries of `store_switch`.
            Self::RestoreStore(_) | Self::StoreSwitch(_) => {
                Err(Error::Missing("this build cannot switch stores: leave --store-switch out".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_every_command_fit_together() {
        Cli::command().debug_assert();
    }
}
