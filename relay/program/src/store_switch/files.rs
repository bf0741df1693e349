//! Configuration file on the disk: reading it whole, and replacing it in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::error::{Refusal, SwitchError};

/// Largest configuration file in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OldFile {
    /// Bytes. They are UTF-8, because a file that is not is refused.
    pub text: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions.
    pub mode: u32,
}

impl OldFile {
    /// Owner and permissions of a file that did not exist.
    pub(crate) fn of_root(text: String) -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { text, uid, gid, mode: 0o644 }
    }
}

/// Reads the configuration file; none if it does not exist.
///
/// A symbolic link is refused: a rename would replace the link, and the file behind it may belong to another program.
pub(crate) fn read(path: &Path) -> Result<Option<OldFile>, SwitchError> {
    let refuse = |why: &str| Err(Refusal::config(path, why).into());
    let open = OpenOptions::new().read(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path);
    let mut file = match open {
        Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => return Ok(None),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink()) => {
            return refuse("is a symbolic link; replace it by the file that it names");
        }
        other => other.map_err(SwitchError::io("open", path))?,
    };
    let meta = file.metadata().map_err(SwitchError::io("read", path))?;
    if !meta.is_file() || meta.nlink() != 1 {
        return refuse("is not a file of one name; replace it by a plain file");
    }
    let mut bytes = Vec::new();
    (&mut file).take(MAX_CONFIG + 1).read_to_end(&mut bytes).map_err(SwitchError::io("read", path))?;
    if bytes.len() as u64 > MAX_CONFIG {
        return refuse("is larger than 1 MiB; use a smaller file");
    }
    let Ok(text) = String::from_utf8(bytes) else { return refuse("is not UTF-8; save it as UTF-8") };
    Ok(Some(OldFile { text, uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777 }))
}

/// File beside the configuration file that becomes it by a rename. The name is known, so that undoing finds the file.
pub(crate) fn staged(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.handoff"))
}

/// Writes the [staged](staged) file, synced.
pub(crate) fn stage(path: &Path, file: &OldFile) -> Result<(), SwitchError> {
    let staged = staged(path);
    remove(&staged)?;
    let write = || {
        let mut out = new_file(&staged)?;
        out.write_all(file.text.as_bytes())?;
        fchown(&out, Some(file.uid), Some(file.gid))?;
        // After the owner: a change of it clears some permissions.
        out.set_permissions(fs::Permissions::from_mode(file.mode))?;
        out.sync_all()
    };
    write().map_err(SwitchError::io("write", &staged))
}

/// Makes the staged file the configuration file.
pub(crate) fn commit(path: &Path) -> Result<(), SwitchError> {
    fs::rename(staged(path), path).map_err(SwitchError::io("replace", path))?;
    sync_folder(path)
}

/// Removes a file that may not exist.
pub(crate) fn remove(path: &Path) -> Result<(), SwitchError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SwitchError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// New file that only its owner reads, never through a link.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW)).open(path)
}

/// Syncs the folder of a file, so that a rename or removal is on the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), SwitchError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let sync = File::open(folder).and_then(|f| f.sync_all());
    match sync {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(SwitchError::io("sync", folder)),
    }
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
