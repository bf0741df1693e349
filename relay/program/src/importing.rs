//! Import of images into the engine's store, or the reason why the engine pulls them.

use handoff_registry::PullRegistry;

use crate::report::Report;
use crate::transfer::Arrival;
use crate::{Error, docker};

/// Value of `--import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// Import where it is possible, else pull.
    Auto,
    /// Pull.
    Never,
    /// Fail where the import is not possible.
    Require,
}

impl std::str::FromStr for Import {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            "require" => Ok(Self::Require),
            other => Err(format!("unknown word `{other}`: use auto, never or require")),
        }
    }
}

/// Result of an import that did not fail.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// All images are in the engine, under their names.
    #[expect(dead_code, reason = "the import is wired in by the hook below")]
    Imported,
    /// Nothing is visible in the engine, which has to pull; with the reason in one line.
    LeftToEngine(String),
}

/// Writes the images into the engine's store.
///
/// Hook: the helper's gate and the import of each image. A refusal of the gate or of a layer is [`Attempt::LeftToEngine`], a
/// failed transfer an error. The helper's spans go into the report, and its bytes count as the receiver's.
///
/// # Errors
/// The transfer failed.
pub(crate) async fn import(
    _receiver: &PullRegistry,
    _images: &[Arrival],
    _report: &mut Report,
) -> Result<Attempt, Error> {
    let _socket = match docker::engine_socket().await {
        Ok(socket) => socket,
        Err(why) => return Ok(Attempt::LeftToEngine(why)),
    };
    Ok(Attempt::LeftToEngine("this build cannot import images".to_owned()))
}

/// Serves an import as root, over standard input and output.
///
/// Hook: `handoff_import`'s helper.
pub(crate) fn serve_helper() -> Result<(), Error> {
    Err(Error::Missing("this build cannot import images: use --import never".to_owned()))
}

/// Removes what killed imports left.
///
/// Hook: leases and staging folders of `handoff_import`.
pub(crate) fn clean() -> Result<(), Error> {
    Err(Error::Missing("this build cannot import images, so there is nothing to remove: use --import never".to_owned()))
}
