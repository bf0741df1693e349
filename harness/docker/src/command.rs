//! Programs that run to their end off every clock, and their output.

use std::io::{BufRead, BufReader, pipe};
use std::process::ExitStatus;

use duct::Expression;
use handoff_model::shell::last_lines;

use crate::EngineError;

/// Output of a program that has ended, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// Whether the program succeeded.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Last lines of standard error in one line; those of standard output if standard error is empty.
    pub fn last_words(&self) -> String {
        let text = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        let last = last_lines(text, 4, 2_000);
        if last.is_empty() { "no reason given".to_owned() } else { last }
    }
}

/// Runs a command without input and captures its output.
///
/// # Errors
/// The program cannot be started.
pub fn run(command: &Expression) -> std::io::Result<CommandOutput> {
    let out = command.stdin_null().stdout_capture().stderr_capture().unchecked().run()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(CommandOutput { success: out.status.success(), stdout: text(&out.stdout), stderr: text(&out.stderr) })
}

/// Standard output of a command that must succeed; `what` names the command in an error.
///
/// # Errors
/// The program cannot be started, or it fails: then the error quotes its last lines.
pub fn capture(command: &Expression, what: &str) -> Result<String, EngineError> {
    let out = run(command).map_err(EngineError::io("run", what))?;
    if out.success {
        return Ok(out.stdout);
    }
    Err(EngineError::Command { command: what.to_owned(), error: out.last_words() })
}

/// First line that a command prints, which for most programs is their version.
///
/// # Errors
/// As for [`capture`].
pub fn first_line(command: &Expression, what: &str) -> Result<String, EngineError> {
    let text = capture(&command.stderr_to_stdout(), what)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Runs a command to its end. Returns the first line of its output, trimmed, the time of that line by `now`, and its status.
///
/// # Errors
/// The command does not start, or its first line is not text.
pub fn first_answer(command: &Expression, now: impl FnOnce() -> u64) -> std::io::Result<(String, u64, ExitStatus)> {
    let (reader, writer) = pipe()?;
    // The expression holds the pipe's write end, which must close before the reader sees the end.
    let handle = command.stdin_null().stdout_file(writer).unchecked().start()?;
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let at = now();
    std::io::copy(&mut reader, &mut std::io::sink())?;
    Ok((line.trim().to_owned(), at, handle.wait()?.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_command_is_reported_with_its_last_lines() {
        let shell = |script: &str| duct::cmd!("sh", "-c", script);
        let failed = capture(&shell("echo out; echo one >&2; echo two >&2; exit 3"), "docker load").unwrap_err();
        assert_eq!(failed.to_string(), "docker load failed: one | two; run it by hand for its whole output");
        let silent = capture(&shell("exit 1"), "x").unwrap_err().to_string();
        assert!(silent.starts_with("x failed: no reason given; "), "{silent}");
        assert_eq!(first_line(&shell("echo 1.2 >&2; echo more"), "x").unwrap(), "1.2");
    }

    #[test]
    fn first_answer_is_timed_before_the_rest_of_the_output() {
        let script = duct::cmd!("sh", "-c", "echo first; echo second; exit 3");
        let (line, at, status) = first_answer(&script, || 7).unwrap();
        assert_eq!((line.as_str(), at, status.code()), ("first", 7, Some(3)));
    }

    #[test]
    fn missing_program_is_reported_with_the_command() {
        let error = capture(&duct::cmd!("/no/such/program"), "docker load").unwrap_err().to_string();
        assert!(error.starts_with("cannot run docker load: "), "{error}");
    }
}
