//! Command line of `handoff-relay`.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::error::{self, BAD_INPUT, OK};
use crate::receive::ReceiveArgs;
use crate::send::SendArgs;
use crate::store_switch::{RestoreOptions, RestoreStoreArgs, StoreSwitchArgs, restore, serve_restore, serve_switch};
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
    RestoreStore(RestoreStoreArgs),
    /// Write an image into the engine's store as root, for `receive`
    #[command(hide = true)]
    ImportHelper,
    /// Switch the engine's store as root, for `receive`
    #[command(hide = true)]
    StoreSwitch(StoreSwitchArgs),
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
    command.run()
}

fn exit_code(result: Result<(), Error>) -> u8 {
    let Err(error) = result else { return OK };
    print::talk(&format!("error: {}", error.line()));
    error.code()
}

impl Verb {
    fn run(self) -> u8 {
        match self {
            Self::Send(args) => exit_code(args.run()),
            Self::Receive(args) => exit_code(args.run()),
            Self::Clean => exit_code(importing::clean()),
            Self::RestoreStore(args) if args.json => serve_restore(&args),
            Self::RestoreStore(args) => exit_code(restore_store(args)),
            Self::ImportHelper => serve_import(),
            Self::StoreSwitch(args) => serve_switch(&args),
        }
    }
}

/// Serves an import, for `receive`: the command that its helper runs as root.
pub fn serve_import() -> u8 {
    importing::serve()
}

fn restore_store(args: RestoreStoreArgs) -> Result<(), Error> {
    let options = RestoreOptions { program: importing::current_program()?, args };
    let restored = handoff_registry::session::runtime()?.block_on(restore(&options))?;
    print::data(&restored.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_every_command_fit_together() {
        Cli::command().debug_assert();
    }
}
