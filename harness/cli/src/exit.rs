//! Exit codes, and the one line that goes with a failure.

use std::process::ExitCode;

use clap::error::ErrorKind;
use handoff_docker::EngineError;
use handoff_experiment::ExperimentError;
use handoff_fixtures::FixtureError;
use handoff_github::GithubError;
use handoff_records::JournalError;
use handoff_runner::RunError;

use crate::{files, out};

/// All went well.
pub const OK: u8 = 0;
/// The run ended, but some trials are not completed.
pub const TRIALS_FAILED: u8 = 1;
/// What was asked makes no sense or cannot be read; also clap's code for a wrong command line.
pub const BAD_INPUT: u8 = 2;
/// This machine lacks something.
pub const MISSING: u8 = 3;
/// Something broke that is not the user's doing.
pub const BROKEN: u8 = 4;
/// A results folder holds rows that cannot be used; what can be used was shown.
pub const DAMAGED: u8 = 5;
/// Ctrl-C.
pub const CANCELLED: u8 = 130;

/// The codes, for `--help`.
pub const HELP: &str = "Exit codes:
  0    done, every trial completed
  1    done, but some trials failed: they are rows with a reason; or `compare --fail-on` found its verdict
  2    bad input: a wrong option, size, name or results folder
  3    this machine lacks something (`handoff doctor` lists it with the mend)
  4    something else broke, for example a disk is full; or another run measures on this machine
  5    results are damaged: rows exist that cannot be used. stderr names them by file and line; what can be used is shown
  130  ended by Ctrl-C; finished trials are kept, `handoff run --resume` goes on
A reader of the output that goes away (`| head`) changes no exit code.";

/// Rows of results folders could not be used. Each has been named on stderr by then.
#[derive(Debug, thiserror::Error)]
#[error(
    "rows of {0} cannot be used, the warnings above name them: restore the files, for example with `git checkout -- {0}`"
)]
pub struct Damaged(pub String);

/// An error of the user's input.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// Wraps any error as bad input.
pub fn bad_input(error: impl std::fmt::Display) -> anyhow::Error {
    BadInput(error.to_string()).into()
}

/// Returns an error of the user's input, whose text is written as for `format!`.
macro_rules! bail_input {
    ($($text:tt)*) => {
        return Err($crate::exit::bad_input(format!($($text)*)))
    };
}

pub(crate) use bail_input;

/// Prints the line of a failure and picks its code. Every error names its cause itself, so the chain is not repeated.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error}").lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    out::talk(&format!("error: {line}"));
    ExitCode::from(code(error))
}

/// Prints clap's error in one line, with the help that mends it; help and version, which clap treats as errors, as they are.
pub fn wrong_command_line(error: &clap::Error, program: &clap::Command) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    if !error.use_stderr() {
        let text = error.render();
        out::data(&if out::color() { text.ansi().to_string() } else { text.to_string() });
        return out::written().map_or_else(|failed| report(&failed.into()), |()| ExitCode::from(OK));
    }
    let mut text = error.render().to_string();
    // What the standard library says of a text that is no number does not say what to write.
    for (said, meant) in [
        ("invalid digit found in string", "use a whole number from 0 on"),
        ("number would be zero for non-zero type", "use 1 or more"),
        ("number too large to fit in target type", "the number is too large"),
        ("invalid float literal", "use a number, for example 1.5"),
    ] {
        text = text.replace(said, meant);
    }
    let verb = std::env::args().nth(1).filter(|word| program.find_subcommand(word).is_some());
    let verb = verb.map(|v| format!(" {v}")).unwrap_or_default();
    out::talk(&format!("{} (`handoff{verb} --help` lists what there is)", one_line(&text)));
    ExitCode::from(BAD_INPUT)
}

/// What clap says before it repeats the usage: paragraphs joined with `;`, the lines of one with blanks.
fn one_line(text: &str) -> String {
    let before = text.lines().take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"));
    let mut line = String::new();
    let mut gap = "";
    for part in before.map(str::trim) {
        if part.is_empty() {
            gap = "; ";
        } else {
            line.push_str(if line.is_empty() { "" } else { gap });
            line.push_str(part);
            gap = " ";
        }
    }
    line
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Damaged>() {
        return DAMAGED;
    }
    if is_full_disk(error) {
        return BROKEN;
    }
    let (run, github) = (error.downcast_ref::<RunError>(), error.downcast_ref::<GithubError>());
    let journal = match (run, github) {
        (Some(RunError::Journal(journal)), _) | (_, Some(GithubError::Journal(journal))) => Some(journal),
        _ => error.downcast_ref::<JournalError>(),
    };
    if let Some(journal) = journal {
        return if journal.is_damage() { DAMAGED } else { BAD_INPUT };
    }
    let engine = match (run, github) {
        (Some(RunError::Engine(engine)), _) | (_, Some(GithubError::Engine(engine))) => Some(engine),
        _ => error.downcast_ref::<EngineError>(),
    };
    if let Some(engine) = engine {
        return match engine {
            EngineError::MissingProgram { .. }
            | EngineError::TooOld { .. }
            | EngineError::Unusable { .. }
            | EngineError::NotRoot
            | EngineError::NoDaemon { .. }
            | EngineError::NoImage { .. } => MISSING,
            // A daemon that was named and cannot serve.
            EngineError::NotLocal { .. }
            | EngineError::VirtualMachine { .. }
            | EngineError::ForeignStore { .. }
            | EngineError::OtherStore { .. } => BAD_INPUT,
            _ => BROKEN,
        };
    }
    let missing = matches!(run, Some(RunError::Missing(_)))
        // Outside of a job, without a service: nothing is broken.
        || matches!(error.downcast_ref(), Some(handoff_storage::Error::MissingVariable { .. }));
    let bad_input = error.is::<files::NotWritten>()
        || error.is::<BadInput>()
        || error.is::<ExperimentError>()
        || error.is::<FixtureError>()
        || matches!(run, Some(RunError::Fixture(_)))
        || github.is_some_and(GithubError::is_bad_input)
        || matches!(error.downcast_ref(), Some(handoff_storage::Error::BadVariable { .. }));
    match run {
        Some(RunError::Cancelled) => CANCELLED,
        _ if missing => MISSING,
        _ if bad_input => BAD_INPUT,
        _ => BROKEN,
    }
}

/// Whether a full disk is behind it, at whatever depth of the chain.
fn is_full_disk(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(files::is_full_disk))
}
