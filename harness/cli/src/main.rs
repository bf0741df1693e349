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
mod tests {
    use clap::{Command, CommandFactory};

    include!("../tests/desk/every_verb.rs");

    /// The words of each verb that has no verbs below it, hidden ones included.
    fn leaves(command: &Command, above: &str, all: &mut Vec<String>) {
        for verb in command.get_subcommands() {
            let path = format!("{above} {}", verb.get_name()).trim().to_owned();
            if verb.has_subcommands() {
                leaves(verb, &path, all);
            } else {
                all.push(path);
            }
        }
    }

    #[test]
    fn every_option_of_every_verb_judges_a_negative_number_itself() {
        let mut verbs = Vec::new();
        leaves(&super::Cli::command(), "", &mut verbs);
        for verb in &verbs {
            let mut command = super::Cli::command();
            for word in verb.split(' ') {
                command = command.find_subcommand(word).unwrap().clone();
            }
            for option in command.get_opts().filter_map(clap::Arg::get_long) {
                let words = ["handoff"].into_iter().chain(verb.split(' ')).map(str::to_owned);
                let words = words.chain([format!("--{option}"), "-1".to_owned()]).map(std::ffi::OsString::from);
                let Err(error) = super::Cli::command().try_get_matches_from(super::negative::joined(words)) else {
                    continue;
                };
                assert_ne!(error.kind(), clap::error::ErrorKind::UnknownArgument, "{verb} --{option} -1: {error}");
            }
        }
    }

    #[test]
    fn every_verb_is_in_the_list_by_which_writing_is_tested() {
        let mut verbs = Vec::new();
        leaves(&super::Cli::command(), "", &mut verbs);
        let listed: Vec<&str> = VERBS.iter().map(|v| v.path).collect();
        assert_eq!(listed, verbs, "tests/desk/every_verb.rs is not what the binary has");
        assert!(VERBS.iter().all(|v| v.calls.is_empty() != v.silent.is_empty()));
    }
}
