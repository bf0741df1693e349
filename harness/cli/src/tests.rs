//! The command line as a whole: its verbs, options and help.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};

include!("../tests/offline/every_verb.rs");

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
fn negative_number_is_rejected_by_the_option_that_got_it() {
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
fn every_verb_is_listed_in_every_verb_rs() {
    let mut verbs = Vec::new();
    leaves(&super::Cli::command(), "", &mut verbs);
    let listed: Vec<&str> = VERBS.iter().map(|v| v.path).collect();
    assert_eq!(listed, verbs, "tests/offline/every_verb.rs is not what the binary has");
    assert!(VERBS.iter().all(|v| v.calls.is_empty() != v.silent.is_empty()));
}

/// Writes the help of a command and of those below it as texts by name: `recommend`, `relay-receive`.
fn help_of(command: &Command, name: &str, all: &mut Vec<(String, String)>) {
    let help = command.clone().bin_name(name.replace('-', " ")).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    all.push((name.to_owned(), lines.join("\n") + "\n"));
    for verb in command.get_subcommands() {
        help_of(verb, &format!("{name}-{}", verb.get_name()), all);
    }
}

/// Values of variables are this machine's.
fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_environment).term_width(110)
}

#[test]
fn help_of_every_verb_is_the_golden_text() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help");
    let mut all = Vec::new();
    help_of(&without_environment(super::Cli::command()), "handoff", &mut all);
    let write = std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write");
    if write {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
    }
    for (name, help) in &all {
        let file = dir.join(format!("{name}.txt"));
        if write {
            fs::write(&file, help).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert!(*help == expected, "{name}.txt differs; HANDOFF_GOLDEN=write rewrites it. It is now:\n{help}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), all.len(), "a verb is gone: HANDOFF_GOLDEN=write removes its file");
}
