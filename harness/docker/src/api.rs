//! The client of an engine's API.

use std::path::Path;

use bollard::Docker;

use crate::EngineError;

/// Moving gigabytes through one API call takes longer than bollard's two minutes.
pub(crate) const API_TIMEOUT_S: u64 = 3_600;

/// A client of the API behind a socket.
pub(crate) fn api(socket: &Path) -> Result<Docker, EngineError> {
    let path = socket.display().to_string();
    Ok(Docker::connect_with_unix(&path, API_TIMEOUT_S, bollard::API_DEFAULT_VERSION)?)
}
