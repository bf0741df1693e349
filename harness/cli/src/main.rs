//! Command line of `handoff`, a benchmark of ways to hand a Docker image from one CI job to others.
//!
//! This crate is the only one that prints: data to stdout, progress and errors to stderr. Each verb has one file below `verbs/`.

mod advice;
mod analysed;
mod args;
mod disk_check;
mod exit;
mod files;
mod formats;
mod log_check;
mod negative;
mod out;
mod paths;
mod progress;
mod random_id;
mod readme;
mod revision;
mod spike_page;
mod user_image;
mod verbs;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::verbs::Verb;

/// Benchmark ways to hand a Docker image from one CI job to others, without a registry.
///
/// Each strategy moves the same image between two fresh Docker engines, through GitHub's artifact and cache services on
/// loopback. It uses the client libraries of GitHub's own actions. The baseline rebuilds the image in every job.
/// Every transfer is verified by content digest; every time is a row of a CSV file, and a report compares the rows.
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
