//! Errors of an import, and which of them mean "leave this image to the engine".

use std::io;
use std::path::PathBuf;

/// Error of a layer. Nothing of that layer is visible to the engine then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Entry that this crate does not reproduce with certainty.
    #[error("layer entry {entry:?} is refused: {refusal}; pull this image with the engine")]
    Refused {
        /// Name of the entry, shortened and without control characters.
        entry: String,
        /// Reason.
        refusal: Refusal,
    },
    /// Media type that this crate does not decode.
    #[error("layers of type {0:?} are not decoded here: pull this image with the engine")]
    MediaType(String),
    /// Stream that its decoder refuses.
    #[error("the layer is no {encoding} stream: {reason}; build and send the image again")]
    Decode {
        /// Name of the encoding.
        encoding: &'static str,
        /// Message of the decoder.
        reason: String,
    },
    /// Digest that differs from the stated one.
    #[error("{what} is {got}, {expected} is stated: send the image again")]
    Digest {
        /// Digested bytes.
        what: &'static str,
        /// Stated digest.
        expected: String,
        /// Digest of the bytes that arrived.
        got: String,
    },
    /// Size that differs from the stated one.
    #[error("{what} has {got} bytes, {stated} are stated: send the image again")]
    Size {
        /// Sized bytes.
        what: &'static str,
        /// Stated bytes.
        stated: u64,
        /// Bytes that arrived, at least.
        got: u64,
    },
    /// File system without room for the layer.
    #[error("{} has {free} bytes to spare, the layer needs {needed}: free disk space", path.display())]
    NoSpace {
        /// Staging folder.
        path: PathBuf,
        /// Free bytes above the reserve.
        free: u64,
        /// Bytes to write.
        needed: u64,
    },
    /// Memory that the layer's decoder needs and the budget does not have.
    #[error("decoding the layer needs {needed} bytes of memory, {free} are left: pull this image with the engine")]
    Memory {
        /// Bytes to reserve.
        needed: usize,
        /// Bytes left in the budget.
        free: usize,
    },
    /// Failed source of the compressed bytes.
    #[error("reading the layer failed after {at} bytes: {source}; check the transfer")]
    Source {
        /// Bytes read before.
        at: u64,
        /// Error of the source.
        source: io::Error,
    },
    /// Failed sink of the compressed bytes.
    #[error("storing the layer's blob failed after {at} bytes: {source}; check the engine's content store")]
    Sink {
        /// Bytes stored before.
        at: u64,
        /// Error of the sink.
        source: io::Error,
    },
    /// Failed system call.
    #[error("{what} {} failed: {source}; check that this runs as root on the engine's file system", path.display())]
    System {
        /// Operation.
        what: &'static str,
        /// File.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Neighbour in the pipeline ended first, and its error says why.
    #[error("another thread of this layer ended first: report this, because its error is missing")]
    Stopped,
}

/// Reason for which an entry is left to the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Header block that is no tar header.
    #[error("its header has an invalid {0}")]
    Header(&'static str),
    /// Invalid or ambiguous extended header.
    #[error("its extended header has an invalid {0}")]
    Extended(&'static str),
    /// Archive that ends within an entry.
    #[error("the archive ends too early")]
    Truncated,
    /// Bytes other than zero after the end of the archive.
    #[error("there is data after the end of the archive")]
    TrailingData,
    /// Type of entry that the engine does not unpack, or that has several dialects.
    #[error("its type {0:?} is not supported")]
    Type(char),
    /// File with holes.
    #[error("it is a sparse file")]
    Sparse,
    /// Name that is empty, too long or too deep.
    #[error("its name is {0}")]
    Name(&'static str),
    /// Name with a component `..`.
    #[error("its name leads upwards")]
    Upwards,
    /// Name below a symbolic link of the same layer.
    #[error("its name leads through a symbolic link")]
    ThroughSymlink,
    /// Name below something that is no folder.
    #[error("its name leads through something that is no folder")]
    ThroughFile,
    /// Hard link whose target the layer does not have.
    #[error("its hard link leads out of the layer")]
    LinkTarget,
    /// Owner outside the range of the system.
    #[error("its owner is out of range")]
    Owner,
    /// Number of a device outside the range of the system.
    #[error("its device number is out of range")]
    Device,
    /// Attribute that would change how overlayfs reads the layer.
    #[error("its attribute {0:?} belongs to overlayfs")]
    OverlayAttribute(String),
    /// Attribute that new files inherit.
    #[error("its attribute {0:?} is not supported")]
    Attribute(String),
    /// Whiteout that the engine refuses, or whose effect depends on earlier entries.
    #[error("it is a whiteout that {0}")]
    Whiteout(&'static str),
    /// Folder that a later entry replaced, so that the engine fails to set its times.
    #[error("it is a folder that a later entry replaced")]
    Replaced,
    /// Layer with more folders than are kept in memory.
    #[error("the layer has too many folders")]
    TooManyFolders,
    /// Folder of a lower layer whose attributes cannot be read as the engine reads them.
    #[error("its folder in a lower layer is reached {0}")]
    LowerFolder(&'static str),
}

impl Error {
    /// Makes an error of a system call.
    pub(crate) fn system(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.into();
        move |errno| Self::System { what, path, source: errno.into() }
    }

    /// Makes the refusal of an entry.
    pub(crate) fn refused(entry: &[u8], refusal: Refusal) -> Self {
        Self::Refused { entry: printable(entry), refusal }
    }

    /// Whether the layer itself is the reason, so that the engine's own pull may succeed.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::MediaType(_) | Self::Memory { .. })
    }
}

/// Bytes of a name that a message shows.
const SHOWN_BYTES: usize = 120;

/// Name for a message: a layer's author must not control the terminal or the length of a line.
pub(crate) fn printable(name: &[u8]) -> String {
    let shown = &name[..name.len().min(SHOWN_BYTES)];
    let mut text: String =
        String::from_utf8_lossy(shown).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if name.len() > SHOWN_BYTES {
        text.push('…');
    }
    text
}
