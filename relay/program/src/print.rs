//! The only place that prints. stdout is data, stderr is talk.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Length of the progress line that stands on the terminal without a line break.
static PROGRESS: Mutex<usize> = Mutex::new(0);

/// Prints a line of data. A reader that went away (`| head`) is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn data(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.or_else(|e| if e.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(e) }).map_err(|e| {
        Error::Failed(format!("cannot write to standard output: {e}: free some space, or send the output elsewhere"))
    })
}

/// Prints talk. Where that fails nobody is left to be told.
pub(crate) fn talk(text: &str) {
    let mut length = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
    let clear = clearing(*length);
    *length = 0;
    let _ = writeln!(std::io::stderr().lock(), "{clear}{text}");
}

/// Whether lines of progress overwrite each other.
pub(crate) fn is_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb") && std::io::stderr().is_terminal()
}

/// Prints the next state of a progress, over the one before on a terminal. It needs neither colours nor control sequences.
pub(crate) fn progress(line: &str) {
    if !is_terminal() {
        return talk(line);
    }
    let mut length = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
    let clear = clearing(*length);
    *length = line.chars().count();
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{clear}{line}").and_then(|()| err.flush());
}

/// Ends a progress: the terminal's line is free again.
pub(crate) fn end_progress() {
    let mut length = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
    let clear = clearing(*length);
    *length = 0;
    let _ = write!(std::io::stderr().lock(), "{clear}");
}

/// Overwrites a line of that length with blanks.
fn clearing(length: usize) -> String {
    if length == 0 { String::new() } else { format!("\r{}\r", " ".repeat(length)) }
}

/// Bytes for people.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
