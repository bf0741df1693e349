//! Reads files that end: a device or a pipe in the place of a file may go on for ever.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// Reads a regular file as text.
///
/// # Errors
/// Those of the system, text that is not UTF-8, and anything that is no regular file: a directory, a device, a pipe.
pub fn read_to_string(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads a regular file as bytes.
///
/// # Errors
/// Those of the system, and anything that is no regular file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // Asked before opening, for to open a pipe waits for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "a device or a pipe" };
        return Err(Error::new(ErrorKind::InvalidInput, format!("it is {what}: name a regular file")));
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_and_directory_are_refused_unread() {
        for (path, what) in [("/dev/full", "a device"), ("/dev/zero", "a device"), ("/", "a directory")] {
            let error = read_to_string(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("name a regular file"), "{path}: {error}");
        }
        assert_eq!(read(Path::new("/no/such/file")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
