//! Staging folder of a layer while entries are written into it.
//!
//! Every path is resolved from the folder's descriptor, beneath it and without symbolic links. The folder belongs to root
//! alone, so nobody else moves anything in it meanwhile.

mod beneath;
mod metadata;
mod remove;
mod space;
mod undescribed;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Refusal};
use crate::rules::Rules;
use crate::tar::{Entry, EntryKind, EntryPath};
pub(crate) use beneath::{Beneath, open_beneath};
pub(crate) use metadata::{Times, set_times_at};
pub(crate) use remove::remove_all;
pub(crate) use space::Space;
pub use undescribed::UndescribedFolders;
pub(crate) use undescribed::{Folder, ParentState};

/// Prefix of a name that removes an entry of the layers below.
const WHITEOUT: &[u8] = b".wh.";
/// Prefix of names with a special meaning.
const WHITEOUT_META: &[u8] = b".wh..wh.";
/// Name that hides everything which the layers below have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Bytes of paths that are kept until the end of a layer.
const MAX_PATH_BYTES: usize = 8 << 20;
/// Bytes that a kept path costs beside its own.
const PATH_OVERHEAD: usize = 96;

/// Tree that a layer's entries become.
pub(crate) struct Tree {
    root: Rc<OwnedFd>,
    /// Last folder that was opened, because neighbours follow each other.
    folder: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Times of described folders, which the entries in them change.
    folder_times: BTreeMap<EntryPath, Times>,
    undescribed: UndescribedFolders,
    kept_bytes: usize,
    is_lowest: bool,
    rules: Rules,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd, is_lowest: bool, rules: Rules) -> Self {
        Self {
            root: Rc::new(root),
            folder: None,
            folder_times: BTreeMap::new(),
            undescribed: UndescribedFolders::default(),
            kept_bytes: 0,
            is_lowest,
            rules,
        }
    }

    /// Makes an entry. Returns the open file if its data follows.
    pub(crate) fn make(&mut self, entry: &Entry) -> Result<Option<OwnedFd>, Error> {
        let Some(path) = &entry.path else {
            if !self.rules.ignore_root {
                metadata::apply_to_fd(&self.root, entry, self.rules, b".")?;
            }
            return Ok(None);
        };
        let (parent, name) = path.split();
        let folder = self.parent(parent)?;
        if name.starts_with(WHITEOUT) {
            self.whiteout(entry, path, &folder)?;
            return Ok(None);
        }
        self.undescribed.touch(parent);
        if let EntryKind::Folder = entry.kind {
            self.make_folder(entry, path, &folder)?;
            return Ok(None);
        }
        let made = match self.try_make(entry, &folder, name) {
            Err(Failure::Exists) => {
                self.remove(path, &folder)?;
                self.try_make(entry, &folder, name)
            }
            made => made,
        };
        let file = made.map_err(|f| f.into_error(path))?;
        if file.is_none() {
            metadata::apply_at(&folder, name, entry, self.rules, path.as_bytes())?;
        }
        Ok(file)
    }

    /// Sets what a file's data would change.
    pub(crate) fn finish_file(&mut self, file: &OwnedFd, entry: &Entry) -> Result<(), Error> {
        let name = entry.path.as_ref().map_or(&b"."[..], EntryPath::as_bytes);
        metadata::apply_to_fd(file, entry, self.rules, name)
    }

    /// Sets the times of folders, and returns the folders that the layer does not describe.
    pub(crate) fn finish(mut self) -> Result<UndescribedFolders, Error> {
        for (path, times) in std::mem::take(&mut self.folder_times) {
            let (parent, name) = path.split();
            // containerd sets the times of whatever has the folder's name at the end, but follows links to it.
            let folder = match self.open(parent) {
                Ok(folder) => folder,
                Err(Beneath::Failed(errno)) => return Err(system("opening", parent, errno)),
                Err(_) => return Err(Error::refused(path.as_bytes(), Refusal::Replaced)),
            };
            let found = rustix::fs::statat(&*folder, name, AtFlags::SYMLINK_NOFOLLOW);
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Err(Errno::NOENT) | Ok(FileType::Symlink) => {
                    return Err(Error::refused(path.as_bytes(), Refusal::Replaced));
                }
                Err(errno) => return Err(system("reading", path.as_bytes(), errno)),
                Ok(_) => {}
            }
            set_times_at(&folder, name, times).map_err(|e| system("setting the times of", path.as_bytes(), e))?;
        }
        Ok(self.undescribed)
    }

    /// Opens the folder of an entry, and makes the folders on the way that the layer has not described.
    fn parent(&mut self, parent: &[u8]) -> Result<Rc<OwnedFd>, Error> {
        match self.open(parent) {
            Ok(folder) => return Ok(folder),
            Err(Beneath::Missing) => {}
            Err(other) => return Err(other.into_error(parent)),
        }
        let mut folder = Rc::clone(&self.root);
        let mut end = 0;
        for component in parent.split(|&b| b == b'/') {
            let above = &parent[..end];
            end = if end == 0 { component.len() } else { end + 1 + component.len() };
            let path = &parent[..end];
            folder = match open_beneath(&folder, component) {
                Ok(opened) => Rc::new(opened),
                Err(Beneath::Missing) => Rc::new(self.make_undescribed(&folder, above, path, component)?),
                Err(other) => return Err(other.into_error(path)),
            };
        }
        self.folder = Some((parent.to_vec(), Rc::clone(&folder)));
        Ok(folder)
    }

    fn make_undescribed(&mut self, folder: &OwnedFd, above: &[u8], path: &[u8], name: &[u8]) -> Result<OwnedFd, Error> {
        let failed = |errno| system("making folder", path, errno);
        rustix::fs::mkdirat(folder, name, Mode::from(0o755)).map_err(failed)?;
        let made = open_beneath(folder, name).map_err(|e| e.into_error(path))?;
        // Takes the setgid of the folder above away, and the mask of the process.
        rustix::fs::fchmod(&made, Mode::from(0o755)).map_err(failed)?;
        self.keep(path.len())?;
        self.undescribed.touch(above);
        self.undescribed.insert(above, path);
        Ok(made)
    }

    fn open(&mut self, path: &[u8]) -> Result<Rc<OwnedFd>, Beneath> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((_, folder)) = self.folder.as_ref().filter(|(last, _)| last == path) {
            return Ok(Rc::clone(folder));
        }
        let folder = Rc::new(open_beneath(&self.root, path)?);
        self.folder = Some((path.to_vec(), Rc::clone(&folder)));
        Ok(folder)
    }

    fn make_folder(&mut self, entry: &Entry, path: &EntryPath, folder: &OwnedFd) -> Result<(), Error> {
        let (_, name) = path.split();
        let failed = |errno| system("making folder", path.as_bytes(), errno);
        match rustix::fs::mkdirat(folder, name, Mode::from(0o700)) {
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    self.remove(path, folder)?;
                    rustix::fs::mkdirat(folder, name, Mode::from(0o700)).map_err(failed)?;
                }
            }
            made => made.map_err(failed)?,
        }
        let made = open_beneath(folder, name).map_err(|e| e.into_error(path.as_bytes()))?;
        metadata::apply_to_fd(&made, entry, self.rules, path.as_bytes())?;
        self.undescribed.describe(path.as_bytes());
        let times = Times::of(entry, self.rules);
        if self.folder_times.insert(path.clone(), times).is_none() {
            self.keep(path.as_bytes().len())?;
        }
        self.folder = Some((path.as_bytes().to_vec(), Rc::new(made)));
        Ok(())
    }

    fn try_make(&self, entry: &Entry, folder: &OwnedFd, name: &[u8]) -> Result<Option<OwnedFd>, Failure> {
        let device = |kind, major, minor| {
            rustix::fs::mknodat(folder, name, kind, Mode::from(0o600), rustix::fs::makedev(major, minor))
        };
        match &entry.kind {
            EntryKind::File(_) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                return Ok(Some(rustix::fs::openat(folder, name, flags, Mode::from(0o600))?));
            }
            EntryKind::Symlink(target) => rustix::fs::symlinkat(&target[..], folder, name)?,
            EntryKind::Character(major, minor) => device(FileType::CharacterDevice, *major, *minor)?,
            EntryKind::Block(major, minor) => device(FileType::BlockDevice, *major, *minor)?,
            EntryKind::Fifo => device(FileType::Fifo, 0, 0)?,
            EntryKind::HardLink(target) => {
                let (parent, target) = target.split();
                let parent = if parent.is_empty() { None } else { Some(open_beneath(&self.root, parent)?) };
                let parent = parent.as_ref().unwrap_or(&self.root);
                match rustix::fs::linkat(parent, target, folder, name, AtFlags::empty()) {
                    Err(Errno::NOENT | Errno::PERM | Errno::XDEV) => return Err(Failure::Refused(Refusal::LinkTarget)),
                    linked => linked?,
                }
            }
            // `make_folder` makes folders, because an existing one stays.
            EntryKind::Folder => return Err(Failure::System(Errno::ISDIR)),
        }
        Ok(None)
    }

    /// Writes a whiteout as overlayfs reads it. The lowest layer has nothing below it: containerd unpacks it without
    /// overlayfs, where a whiteout removes what earlier entries of the same layer made.
    fn whiteout(&mut self, entry: &Entry, path: &EntryPath, folder: &OwnedFd) -> Result<(), Error> {
        let (parent, name) = path.split();
        let refused = |why| Err(Error::refused(path.as_bytes(), Refusal::Whiteout(why)));
        if name == OPAQUE {
            if !self.is_lowest {
                return metadata::set_opaque(folder).map_err(|e| system("making opaque", parent, e));
            }
            // containerd removes what has no entry of its own, with everything in it.
            if self.undescribed.has_below(parent) {
                return refused("hides folders of its own layer");
            }
            return Ok(());
        }
        let hidden = &name[WHITEOUT.len()..];
        if name.starts_with(WHITEOUT_META) || matches!(hidden, b"" | b"." | b"..") {
            return refused("has an invalid name");
        }
        self.undescribed.touch(parent);
        let hidden_path = [parent, if parent.is_empty() { b"" } else { b"/" }, hidden].concat();
        if self.is_lowest {
            let hidden_path = EntryPath::parse(&hidden_path).map_err(|r| Error::refused(path.as_bytes(), r))?;
            return hidden_path.map_or(Ok(()), |hidden_path| self.remove(&hidden_path, folder));
        }
        match rustix::fs::mknodat(folder, hidden, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => return refused("hides an entry of its own layer"),
            made => made.map_err(|e| system("making whiteout", &hidden_path, e))?,
        }
        metadata::change_owner_at(folder, hidden, entry).map_err(|e| system("changing the owner of", &hidden_path, e))
    }

    fn remove(&mut self, path: &EntryPath, folder: &OwnedFd) -> Result<(), Error> {
        remove_all(folder, path.split().1).map_err(|e| system("removing", path.as_bytes(), e))?;
        // An open folder may be one of those that are gone.
        self.folder = None;
        self.undescribed.forget(path.as_bytes());
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), Error> {
        self.kept_bytes += bytes + PATH_OVERHEAD;
        if self.kept_bytes > MAX_PATH_BYTES {
            return Err(Error::refused(b"", Refusal::TooManyFolders));
        }
        Ok(())
    }
}

/// Reason for which an entry was not made.
enum Failure {
    Exists,
    Refused(Refusal),
    System(Errno),
    Beneath(Beneath),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        if errno == Errno::EXIST { Self::Exists } else { Self::System(errno) }
    }
}

impl From<Beneath> for Failure {
    fn from(failure: Beneath) -> Self {
        if let Beneath::Missing = failure { Self::Refused(Refusal::LinkTarget) } else { Self::Beneath(failure) }
    }
}

impl Failure {
    fn into_error(self, path: &EntryPath) -> Error {
        match self {
            Self::Exists => system("making", path.as_bytes(), Errno::EXIST),
            Self::Refused(refusal) => Error::refused(path.as_bytes(), refusal),
            Self::System(errno) => system("making", path.as_bytes(), errno),
            Self::Beneath(beneath) => beneath.into_error(path.as_bytes()),
        }
    }
}

/// Error of a system call on an entry.
pub(crate) fn system(what: &'static str, entry: &[u8], errno: Errno) -> Error {
    Error::system(what, crate::error::printable(entry))(errno)
}
