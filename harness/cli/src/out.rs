//! The only place that prints. stdout is data, stderr is talk; a reader that went away ends nothing in a panic.

use std::io::{IsTerminal, Write};

/// Prints data.
pub fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
}

/// Prints talk.
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
