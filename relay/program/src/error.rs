//! Errors of the program, and its exit codes.

use handoff_model::shell;

use crate::store_switch::SwitchError;

/// Success.
pub const OK: u8 = 0;
/// Input that makes no sense; also clap's code for a wrong command line.
pub const BAD_INPUT: u8 = 2;
/// This machine lacks something.
pub const MISSING: u8 = 3;
/// Failure that the user did not cause.
pub const BROKEN: u8 = 4;
/// `--wait` ended before the image was there: the code of `timeout`.
pub const TIMED_OUT: u8 = 124;
/// Ctrl-C.
pub const CANCELLED: u8 = 130;

/// The codes, for `--help`.
pub const HELP: &str = "Exit codes:
  0    done
  2    bad input: a wrong option, name or folder
  3    this machine lacks something; with --import require: the image cannot be imported here
  4    another failure, for example a transfer that broke, or an image with another digest than --digest names
  124  --wait ended before the image was there
  130  cancelled with Ctrl-C";

/// Failure of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Error in the user's input.
    #[error("{0}")]
    BadInput(String),
    /// Something that this machine lacks.
    #[error("{0}")]
    Missing(String),
    /// Failure of a program, the engine or the transfer.
    #[error("{0}")]
    Failed(String),
    /// Failure of the relay or of the service.
    #[error(transparent)]
    Relay(#[from] handoff_registry::Error),
    /// End of `--wait` without the image.
    #[error("{0}")]
    TimedOut(String),
    /// Ctrl-C, or a job that was cancelled.
    #[error("cancelled before the transfer was complete: run the command again")]
    Cancelled,
}

impl From<SwitchError> for Error {
    fn from(error: SwitchError) -> Self {
        match error.exit_code() {
            BAD_INPUT => Self::BadInput(error.to_string()),
            MISSING => Self::Missing(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<handoff_storage::Error> for Error {
    fn from(error: handoff_storage::Error) -> Self {
        Self::Relay(error.into())
    }
}

impl Error {
    /// Exit code.
    pub fn code(&self) -> u8 {
        use handoff_registry::Error::Transport;
        use handoff_storage::Error::{BadProxy, BadVariable, MissingVariable};
        match self {
            Self::BadInput(_) | Self::Relay(Transport(BadVariable { .. } | BadProxy { .. })) => BAD_INPUT,
            // Outside of a job, without a service: nothing is broken.
            Self::Missing(_) | Self::Relay(Transport(MissingVariable(_))) => MISSING,
            Self::Failed(_) | Self::Relay(_) => BROKEN,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Cancelled => CANCELLED,
        }
    }

    /// Value of the output `outcome`.
    pub(crate) fn outcome(&self) -> &'static str {
        if matches!(self, Self::TimedOut(_)) { "timeout" } else { "failure" }
    }

    /// Message in one line without control characters, which a file of outputs could take for another output.
    pub(crate) fn line(&self) -> String {
        one_line(&self.to_string())
    }
}

/// Text in one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    shell::escaped(&lines.join("; "))
}

/// Returns an error of the user's input, whose text is written as for `format!`.
macro_rules! bail_input {
    ($($text:tt)*) => {
        return Err($crate::Error::BadInput(format!($($text)*)))
    };
}

pub(crate) use bail_input;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_variables_are_the_machine_s_lack_and_bad_ones_bad_input() {
        let missing = handoff_storage::Error::MissingVariable("X".to_owned());
        assert_eq!(Error::from(missing).code(), MISSING);
        let bad = handoff_storage::Error::BadVariable { name: "X", what: "blank" };
        assert_eq!(Error::from(bad).code(), BAD_INPUT);
        assert_eq!(Error::from(handoff_storage::Error::EmptyStream).code(), BROKEN);
    }

    #[test]
    fn reason_of_a_failure_cannot_add_a_line_to_the_outputs() {
        let line = Error::Failed("one\noutcome=success\r\u{1b}[31m".to_owned()).line();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
