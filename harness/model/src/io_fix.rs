//! The fix for a file operation that failed.

use std::io::{Error, ErrorKind};

/// Whether an error says that a disk, or a share of it, is full.
pub fn is_full_disk(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// End of a message about a file: what the user can do about the error.
pub fn io_fix(error: &Error) -> &'static str {
    match error.kind() {
        _ if is_full_disk(error) => ": free some space, or name another place",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ": give yourself the right to use it, or name another place"
        }
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            ": something else has this name, or that of a folder above: move it away, or name another place"
        }
        ErrorKind::NotFound => ": check the path",
        // Errors of `regular_file` name their own.
        ErrorKind::InvalidInput => "",
        _ => ": name another place",
    }
}
