//! Owner, attributes, mode and times of an entry, in the order of containerd's `createTarFile`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::system;
use crate::error::{Error, Refusal, printable};
use crate::rules::Rules;
use crate::tar::{Entry, EntryKind, Time};

/// Seconds of the last time that fits into nanoseconds of 64 bits, Go's `maxTime`.
const MAX_TIME: Time = Time { seconds: i64::MAX / 1_000_000_000, nanos: (i64::MAX % 1_000_000_000) as u32 };

/// Times of an entry as containerd sets them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
}

impl Times {
    /// Times from the headers: the time of access is never before that of the change (`latestTime`).
    pub(crate) fn of(entry: &Entry, rules: Rules) -> Self {
        let bound = |time: Time| {
            let out = time < Time::default() && rules.bound_times || time > MAX_TIME;
            if out { Time::default() } else { time }
        };
        let accessed = entry.accessed.map_or(entry.modified, |accessed| accessed.max(entry.modified));
        Self { accessed: bound(accessed), modified: bound(entry.modified) }
    }

    fn timestamps(self) -> Timestamps {
        let spec = |time: Time| Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) };
        Timestamps { last_access: spec(self.accessed), last_modification: spec(self.modified) }
    }
}

/// Sets the times of an entry that may be a symbolic link.
pub(crate) fn set_times_at(folder: impl AsFd, name: &[u8], times: Times) -> Result<(), Errno> {
    rustix::fs::utimensat(folder, name, &times.timestamps(), AtFlags::SYMLINK_NOFOLLOW)
}

/// Changes the owner of an entry that may be a symbolic link.
pub(crate) fn change_owner_at(folder: impl AsFd, name: &[u8], entry: &Entry) -> Result<(), Errno> {
    let (uid, gid) = owner(entry);
    rustix::fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// Marks a folder as one that hides what the layers below have in it.
pub(crate) fn set_opaque(folder: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsetxattr(folder, "trusted.overlay.opaque", b"y", XattrFlags::empty())
}

fn owner(entry: &Entry) -> (Uid, Gid) {
    (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid))
}

fn changes_owner(entry: &Entry, rules: Rules) -> bool {
    rules.chown_always || entry.uid != 0 || entry.gid != 0
}

/// Sets everything on an open file or folder.
pub(crate) fn apply_to_fd(file: impl AsFd, entry: &Entry, rules: Rules, name: &[u8]) -> Result<(), Error> {
    let file = file.as_fd();
    let set_attributes =
        || for_each_attribute(entry, name, |key, value| rustix::fs::fsetxattr(file, key, value, XattrFlags::empty()));
    if !rules.attributes_last {
        set_attributes()?;
    }
    if changes_owner(entry, rules) {
        let (uid, gid) = owner(entry);
        rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(|e| system("changing the owner of", name, e))?;
    }
    if rules.attributes_last {
        set_attributes()?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(|e| system("changing the mode of", name, e))?;
    rustix::fs::futimens(file, &Times::of(entry, rules).timestamps())
        .map_err(|e| system("setting the times of", name, e))
}

/// Sets everything on an entry that cannot be opened, or that is another name of an earlier entry.
pub(crate) fn apply_at(folder: impl AsFd, leaf: &[u8], entry: &Entry, rules: Rules, name: &[u8]) -> Result<(), Error> {
    let folder = folder.as_fd();
    let set_attributes = || set_attributes_at(folder, leaf, entry, name);
    if !rules.attributes_last {
        set_attributes()?;
    }
    if changes_owner(entry, rules) {
        change_owner_at(folder, leaf, entry).map_err(|e| system("changing the owner of", name, e))?;
    }
    if rules.attributes_last {
        set_attributes()?;
    }
    let is_symlink = match entry.kind {
        EntryKind::Symlink(_) => true,
        EntryKind::HardLink(_) => {
            let stat = rustix::fs::statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(|e| system("reading", name, e))?;
            FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
        }
        _ => false,
    };
    if !is_symlink {
        rustix::fs::chmodat(folder, leaf, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .map_err(|e| system("changing the mode of", name, e))?;
    }
    set_times_at(folder, leaf, Times::of(entry, rules)).map_err(|e| system("setting the times of", name, e))
}

/// Sets attributes through `/proc`: before Linux 6.13, no call takes a folder and a name.
fn set_attributes_at(folder: BorrowedFd<'_>, leaf: &[u8], entry: &Entry, name: &[u8]) -> Result<(), Error> {
    if entry.attributes.is_empty() {
        return Ok(());
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = rustix::fs::openat(folder, leaf, flags, Mode::empty()).map_err(|e| system("opening", name, e))?;
    // The link of a descriptor leads to the entry itself, also if that is a symbolic link.
    let link = format!("/proc/self/fd/{}", node.as_raw_fd());
    for_each_attribute(entry, name, |key, value| rustix::fs::setxattr(&link, key, value, XattrFlags::empty()))
}

/// Calls `set` for each attribute that containerd would set, and treats errors as containerd does.
fn for_each_attribute(
    entry: &Entry,
    name: &[u8],
    mut set: impl FnMut(&[u8], &[u8]) -> Result<(), Errno>,
) -> Result<(), Error> {
    let takes_user_attributes = matches!(entry.kind, EntryKind::File(_) | EntryKind::Folder);
    for (key, value) in &entry.attributes {
        if key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.") {
            return Err(Error::refused(name, Refusal::OverlayAttribute(printable(key))));
        }
        // Lists of access rights change the mode, and files made in such a folder inherit them.
        if key.starts_with(b"system.") || key.contains(&0) {
            return Err(Error::refused(name, Refusal::Attribute(printable(key))));
        }
        // containerd warns and goes on.
        if key.starts_with(b"trusted.") {
            continue;
        }
        match set(key, value) {
            Err(Errno::OPNOTSUPP) => {}
            Err(Errno::PERM) if key.starts_with(b"user.") && !takes_user_attributes => {}
            result => result.map_err(|e| system("setting an attribute of", name, e))?,
        }
    }
    Ok(())
}
