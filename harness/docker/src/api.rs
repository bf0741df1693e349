//! Client of an engine's API.

use std::path::Path;

use bollard::Docker;

use crate::{EngineError, timeouts};

/// Client of the API behind a socket.
pub(crate) fn api(socket: &Path) -> Result<Docker, EngineError> {
    let path = socket.display().to_string();
    Ok(Docker::connect_with_unix(&path, timeouts::API_CALL.as_secs(), bollard::API_DEFAULT_VERSION)?)
}

/// Whether the engine behind a socket answers.
pub(crate) fn answers(socket: &Path, runtime: &tokio::runtime::Runtime) -> bool {
    socket.exists() && api(socket).is_ok_and(|api| runtime.block_on(api.ping()).is_ok())
}

/// Runtime of an API client, on the calling thread.
///
/// # Errors
/// The runtime cannot be created.
pub fn runtime() -> Result<tokio::runtime::Runtime, EngineError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(EngineError::io("start", "the API client's runtime"))
}
