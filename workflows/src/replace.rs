//! Writing a file as a whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes a file as a whole: it has its old content or its new, never a part, however full the disk is. What is no regular
/// file (`/dev/stdout`) is written to, never replaced.
///
/// # Errors
/// What the system says of the write; nothing of it is left then.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link stays a link: the file that it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok();
    let Some(name) = path.file_name().filter(|_| old.as_ref().is_none_or(fs::Metadata::is_file)) else {
        return fs::write(&path, bytes);
    };
    let part = path.with_file_name(format!(".{}.part", name.to_string_lossy()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        old.map_or(Ok(()), |old| file.set_permissions(old.permissions()))?;
        file.sync_all()?;
        fs::rename(&part, &path)
    });
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}
