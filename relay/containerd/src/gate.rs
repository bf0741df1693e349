//! Gate of the import: is it sure that this store is understood? If not, one line says why, and the image is pulled.

mod info;
pub(crate) mod mounts;
pub(crate) mod owner;
pub(crate) mod peer;

use std::path::{Path, PathBuf};

pub use info::EngineInfo;

/// Snapshotter that an import writes for.
pub(crate) const SNAPSHOTTER: &str = "overlayfs";

/// Reason why an image is pulled instead of imported. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Engine that does not describe itself, with the reason.
    #[error("{} does not answer `docker info`: {why}", socket.display())]
    NoInfo {
        /// Socket of the engine.
        socket: PathBuf,
        /// Reason.
        why: String,
    },
    /// Engine with another image store, by its driver.
    #[error("the engine stores images with {0:?}, not in containerd's overlayfs")]
    Store(String),
    /// Engine whose containers have other users than it, by its security option.
    #[error("the engine maps users ({0})")]
    MappedUsers(String),
    /// Engine of another system.
    #[error("the engine runs on {0:?}, not on Linux")]
    System(String),
    /// Socket of containerd that does not answer.
    #[error("containerd does not answer: {0}")]
    NoContainerd(String),
    /// Version of containerd that is not known.
    #[error("containerd {0} is not among the known versions 1.7 to 2.x")]
    Version(String),
    /// Snapshotter that is missing or has failed, with the reason.
    #[error("containerd has no working overlayfs: {0}")]
    Snapshotter(String),
    /// Daemon in other namespaces than this process.
    #[error("containerd sees other files or users than this process: {0}")]
    Elsewhere(String),
    /// Mount that is not of a known kind, with the reason.
    #[error("containerd prepared a mount that is not understood: {0}")]
    Mount(String),
    /// Folder of a snapshot that this process does not share with the daemon.
    #[error("the snapshot's folder {} is not usable: {why}", path.display())]
    Folder {
        /// Folder.
        path: PathBuf,
        /// Reason.
        why: String,
    },
}

impl Refusal {
    /// Refusal of a folder.
    pub(crate) fn folder(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Folder { path: path.to_owned(), why: why.to_string() }
    }
}

/// Checks a version such as `2.1.9+unknown` or `v1.7.24`.
pub(crate) fn check_version(text: &str) -> Result<(), Refusal> {
    let mut numbers = text.trim_start_matches('v').split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(7..))) | (Some(Ok(2)), Some(Ok(_))) => Ok(()),
        _ => Err(Refusal::Version(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_1_7_to_2_are_known() {
        for good in ["1.7.0", "v1.7.24", "2.0.0-rc.3", "2.1.9+unknown", "v2.3.7"] {
            assert_eq!(check_version(good), Ok(()), "{good}");
        }
        for bad in ["", "1.6.36", "3.0.0", "v3.0.0-beta.0", "2", "dev", "0.2.1"] {
            assert_eq!(check_version(bad), Err(Refusal::Version(bad.to_owned())));
        }
    }
}
