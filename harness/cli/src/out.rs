//! The only place that prints. stdout is data, stderr is talk.
//!
//! The first write to stdout that fails is kept, as C's `ferror` keeps it, and `main` turns it into the error of the verb: so no
//! verb can forget to look. A reader that went away (`| head`) is no failure: what is left to print is dropped.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

/// The first failure.
static FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// The first failure to print a warning.
static WARNING_FAILED: OnceLock<std::io::Error> = OnceLock::new();

/// Prints data. What fails is found by [`written`].
pub fn data(text: &str) {
    if FAILED.get().is_some() {
        return;
    }
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        let _ = FAILED.set(error);
    }
}

/// Data, or a warning that belongs to it, could not be printed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard {stream}: {source}: free some space, or send the {stream} elsewhere")]
pub struct NotWritten {
    stream: &'static str,
    source: &'static std::io::Error,
}

/// Checks that all data so far has been printed. Verbs that go on for long after printing ask for themselves.
///
/// # Errors
/// [`NotWritten`]; a reader that went away is none.
pub fn written() -> Result<(), NotWritten> {
    for (stream, failed) in [("output", &FAILED), ("error", &WARNING_FAILED)] {
        if let Some(source) = failed.get().filter(|e| e.kind() != ErrorKind::BrokenPipe) {
            return Err(NotWritten { stream, source });
        }
    }
    Ok(())
}

/// Prints a warning about the data: without it the data would say more than is so. What fails is found by [`written`].
pub fn warn(text: &str) {
    if let Err(error) = writeln!(std::io::stderr().lock(), "warning: {text}") {
        let _ = WARNING_FAILED.set(error);
    }
}

/// Prints talk. Where that fails nobody is left to be told.
pub fn talk(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether data may be coloured.
pub fn color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal()
}

/// Columns of the terminal, or a width that fits a log.
pub fn width() -> u16 {
    const LOG: u16 = 160;
    let out = std::io::stdout();
    if !out.is_terminal() {
        return LOG;
    }
    rustix::termios::tcgetwinsize(out).ok().map(|size| size.ws_col).filter(|w| *w > 0).unwrap_or(LOG)
}
