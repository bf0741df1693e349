//! Room on the disk.

use std::path::Path;

use crate::error::MachineError;

/// Free bytes of the file system on which a folder is, or would be made.
///
/// # Errors
/// A file system that does not tell.
pub fn free_bytes(dir: &Path) -> Result<u64, MachineError> {
    let there = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(there).map_err(std::io::Error::from);
    stat.map(|s| s.f_bavail * s.f_frsize).map_err(MachineError::io("ask for the free space of", there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_where_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/there/yet")).unwrap() > 0);
    }
}
