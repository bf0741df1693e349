//! Free space of a file system.

use std::path::Path;

use crate::error::FileError;

/// Free bytes of the file system that holds a folder, or would hold it once the folder exists.
///
/// # Errors
/// The file system does not report its free space.
pub fn free_bytes(dir: &Path) -> Result<u64, FileError> {
    let existing = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(existing).map_err(std::io::Error::from);
    stat.map(|s| s.f_bavail * s.f_frsize).map_err(FileError::on("read the free space of", existing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folder_has_the_free_space_of_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/there/yet")).unwrap() > 0);
    }
}
