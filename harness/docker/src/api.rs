//! The client of an engine's API.

use std::path::Path;

use bollard::Docker;

use crate::EngineError;

/// Moving gigabytes through one API call takes longer than bollard's two minutes.
pub(crate) const API_TIMEOUT_S: u64 = 3_600;

/// Runs a program off every clock: what it wrote to standard output, or, where it failed, to standard error.
///
/// # Errors
/// It cannot be started.
pub fn capture(
    line: &duct::Expression,
    what: impl Into<std::path::PathBuf>,
) -> Result<Result<String, String>, EngineError> {
    let out = line.stdin_null().stdout_capture().stderr_capture().unchecked().run();
    let out = out.map_err(EngineError::io("run", what))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) })
}

/// A client of the API behind a socket.
pub(crate) fn api(socket: &Path) -> Result<Docker, EngineError> {
    let path = socket.display().to_string();
    Ok(Docker::connect_with_unix(&path, API_TIMEOUT_S, bollard::API_DEFAULT_VERSION)?)
}
