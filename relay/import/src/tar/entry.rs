//! Entry of a layer, with everything that its headers say.

use super::path::EntryPath;

/// Point in time since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    /// Below one thousand million, counted forwards also before 1970.
    pub(crate) nanos: u32,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Regular file with its size. Its bytes follow in the stream.
    File(u64),
    Folder,
    /// Symbolic link with its target.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry.
    HardLink(EntryPath),
    /// Character device with major and minor number.
    Character(u32, u32),
    /// Block device with major and minor number.
    Block(u32, u32),
    Fifo,
}

/// Entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path below the layer's root. The root itself has none.
    pub(crate) path: Option<EntryPath>,
    pub(crate) kind: EntryKind,
    /// Permissions with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: Time,
    pub(crate) accessed: Option<Time>,
    /// Names and values of the extended attributes.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}
