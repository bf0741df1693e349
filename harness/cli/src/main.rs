//! `handoff`: measures how a Docker image built in one job should reach the jobs that need it.
//!
//! This crate is the only one that prints: data to stdout, talk to stderr. One file a verb below `verbs/`.

mod advice;
mod analysed;
mod args;
mod exit;
mod files;
mod formats;
mod log_check;
mod negative;
mod out;
mod paths;
mod progress;
mod random_id;
mod revision;
mod spike_page;
mod user_image;
mod verbs;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::verbs::Verb;

/// Measures how a Docker image built in one CI job should reach the jobs that need it, without a registry.
///
/// Five strategies that teams use or think of, one of our own (relay) and the baseline of building again bring the same image
/// from one fresh Docker engine to another, through GitHub's artifact and cache services on loopback, driven by the clients
/// that GitHub's own actions use. Every image is proven to have arrived, every
/// time lands in a CSV, and a report compares them.
#[derive(Debug, Parser)]
#[command(name = "handoff", version = revision::VERSION, max_term_width = 110, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(negative::joined(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return exit::wrong_command_line(&error, &Cli::command()),
    };
    let ended = cli.verb.run().and_then(|code| Ok(out::written().map(|()| ExitCode::from(code))?));
    ended.unwrap_or_else(|error| exit::report(&error))
}

#[cfg(test)]
mod tests;
