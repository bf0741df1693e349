//! Atomic replacement of a file.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces a file atomically: it has either its old or its new content, even on a full disk. A path that is not a regular
/// file (`/dev/stdout`) is written to and not replaced.
///
/// # Errors
/// The file cannot be written: the old file stays.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A symbolic link stays: its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok();
    let Some(dir) = path.parent().filter(|_| old.as_ref().is_none_or(fs::Metadata::is_file)) else {
        return fs::write(&path, bytes);
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    // A new file gets the usual permissions, which the umask restricts.
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(dir)?;
    file.write_all(bytes)?;
    old.map_or(Ok(()), |old| file.as_file().set_permissions(old.permissions()))?;
    file.as_file().sync_all()?;
    file.persist(&path).map(drop).map_err(|e| e.error)
}
