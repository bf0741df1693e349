//! Exit codes, and the one line that a failure prints.

use std::process::ExitCode;

use clap::error::ErrorKind;
use handoff_docker::EngineError;
use handoff_experiment::ExperimentError;
use handoff_fixtures::FixtureError;
use handoff_github::GithubError;
use handoff_records::JournalError;
use handoff_runner::RunError;

use crate::{files, out};

/// Success.
pub const OK: u8 = 0;
/// The run ended, but some trials are not completed.
pub const TRIALS_FAILED: u8 = 1;
/// Input that makes no sense or cannot be read; also clap's code for a wrong command line.
pub const BAD_INPUT: u8 = 2;
/// This machine lacks something.
pub const MISSING: u8 = 3;
/// Failure that the user did not cause.
pub const BROKEN: u8 = 4;
/// Unusable rows in a results folder; the output uses the others.
pub const DAMAGED: u8 = 5;
/// Ctrl-C.
pub const CANCELLED: u8 = 130;

/// The codes, for `--help`.
pub const HELP: &str = "Exit codes:
  0    done, every trial completed
  1    done, but some trials failed (their rows name the reason), or `compare --fail-on` found its verdict
  2    bad input: a wrong option, size, name or results folder
  3    this machine lacks something (`handoff doctor` lists it with the fix)
  4    another failure, for example a full disk or another run on this machine
  5    results are damaged: stderr names the unusable rows by file and line; the output uses the others
  124  `receive --wait` ended before the image was there
  130  cancelled with Ctrl-C: finished trials are kept, `handoff run --resume` continues
A closed pipe (`| head`) does not change the exit code.";

/// Unusable rows of results folders, which warnings have named.
#[derive(Debug, thiserror::Error)]
#[error(
    "rows of {0} cannot be used, the warnings above name them: restore the files, for example with `git checkout -- {0}`"
)]
pub struct Damaged(pub String);

/// Error in the user's input.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// Wraps an error as bad input.
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

/// Prints the line of a failure and returns its exit code. Each error names its cause, so the chain is not printed.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error}").lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    out::talk(&format!("error: {line}"));
    ExitCode::from(code(error))
}

/// Prints clap's error in one line with a fix; help and version, which clap treats as errors, as they are.
pub fn wrong_command_line(error: &clap::Error, program: &clap::Command) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    if !error.use_stderr() {
        let text = error.render();
        out::data(&if out::color() { text.ansi().to_string() } else { text.to_string() });
        return out::written().map_or_else(|failed| report(&failed.into()), |()| ExitCode::from(OK));
    }
    out::talk(&handoff_relay::usage::line(error, program));
    ExitCode::from(BAD_INPUT)
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Damaged>() {
        return DAMAGED;
    }
    if is_full_disk(error) {
        return BROKEN;
    }
    if let Some(relay) = error.downcast_ref::<handoff_relay::Error>() {
        return relay.code();
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
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(handoff_model::is_full_disk))
}
