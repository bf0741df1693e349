//! `handoff`: measures how a Docker image built in one job should reach the jobs that need it.
//!
//! This crate is the only one that prints: data to stdout, talk to stderr. One file a verb below `verbs/`.

mod analysed;
mod args;
mod budget;
mod exit;
mod formats;
mod log_check;
mod matrix;
mod out;
mod own;
mod progress;
mod spike_page;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::verbs::Verb;

/// Measures how a Docker image built in one CI job should reach the jobs that need it, without a registry.
///
/// Five strategies that teams use or think of, one of our own (relay) and the baseline of building again bring the same image
/// from one fresh Docker engine to another, through GitHub's artifact and cache services on loopback, driven by the clients
/// that GitHub's own actions use. Every image is proven to have arrived, every
/// time lands in a CSV, and a report compares them.
#[derive(Debug, Parser)]
#[command(name = "handoff", version, max_term_width = 110, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::wrong_command_line(&error),
    };
    match cli.verb.run() {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
