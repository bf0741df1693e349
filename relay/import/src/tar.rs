//! Reader of a layer's tar stream: ustar, GNU and pax headers become checked entries.
//!
//! The reader understands what Go's `archive/tar` understands, because containerd reads layers with it. Where the two
//! could read one header differently, the reader refuses.

mod entry;
mod header;
mod path;
mod pax;
mod reader;

pub(crate) use entry::{Entry, EntryKind, Time};
pub(crate) use path::{EntryPath, is_below};
pub(crate) use reader::TarReader;
