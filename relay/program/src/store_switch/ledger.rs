//! Ledger of a switch: what undoes it, on the disk before anything changes, and a lock.
//!
//! Each configuration file has a ledger of its own, so that private engines do not wait for each other.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::error::{Refusal, SwitchError};
use super::files::{self, OldFile};
use super::machine::Restart;

/// Version of the ledger's format.
const VERSION: u32 = 1;
const NAME: &str = "ledger.json";
const STAGED: &str = ".ledger.json";
const LOG: &str = "command.log";
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What undoes a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Version of the format.
    pub version: u32,
    /// Configuration file.
    pub config: PathBuf,
    /// Socket of the engine.
    pub socket: PathBuf,
    /// The file before the switch; none if there was none.
    pub old: Option<OldFile>,
    /// Text that the switch writes.
    pub new: String,
    /// Whether the switch creates the file's folder.
    pub creates_folder: bool,
    /// Restart of the daemon.
    pub restart: Restart,
}

impl Entry {
    /// Entry of a new switch.
    pub(crate) fn new(config: &Path, socket: &Path, old: Option<OldFile>, new: String, restart: Restart) -> Self {
        let creates_folder = config.parent().is_some_and(|folder| !folder.exists());
        let (config, socket) = (config.to_owned(), socket.to_owned());
        Self { version: VERSION, config, socket, old, new, creates_folder, restart }
    }
}

/// Locked folder of a ledger. The folder goes with the lock unless it holds an entry.
#[derive(Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    _lock: File,
}

/// Folder of the ledger of a configuration file.
fn folder(ledgers: &Path, config: &Path) -> PathBuf {
    let name = config.to_string_lossy().replace('%', "%25").replace('/', "%2F");
    ledgers.join(name)
}

/// Configuration files that have a ledger.
pub(crate) fn all(ledgers: &Path) -> Result<Vec<PathBuf>, SwitchError> {
    let entries = match fs::read_dir(ledgers) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SwitchError::io("read", ledgers))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(SwitchError::io("read", ledgers))?.file_name();
        found.push(PathBuf::from(name.to_string_lossy().replace("%2F", "/").replace("%25", "%")));
    }
    found.sort();
    Ok(found)
}

/// Entry of a configuration file's ledger, which another process may be about to remove.
pub(crate) fn peek(ledgers: &Path, config: &Path) -> Option<Entry> {
    serde_json::from_slice(&fs::read(folder(ledgers, config).join(NAME)).ok()?).ok()
}

impl Ledger {
    /// Locks the ledger of a configuration file; waits for another process that has it.
    pub(crate) fn lock(ledgers: &Path, config: &Path, timeout: Duration) -> Result<Self, SwitchError> {
        let folder = folder(ledgers, config);
        let deadline = Instant::now() + timeout;
        loop {
            // Readable by all, so that users without root see whether there is a ledger. Its file is not.
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder);
            let opened = made.and_then(|()| File::open(&folder));
            let lock = match opened {
                // The owner before us has just removed it.
                Err(e) if e.kind() == io::ErrorKind::NotFound && Instant::now() < deadline => continue,
                other => other.map_err(SwitchError::io("create", &folder))?,
            };
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_same(&lock, &folder) => return Ok(Self { folder, _lock: lock }),
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(Refusal::Busy(folder).into()),
                Err(e) => return Err(SwitchError::io("lock", &folder)(e.into())),
            }
        }
    }

    /// File of the entry.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// File for the output of the commands that are run.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Entry of a switch that was begun and not undone.
    pub(crate) fn read(&self) -> Result<Option<Entry>, SwitchError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(SwitchError::io("read", &path))?,
        };
        let broken = |why: String| SwitchError::Ledger { path: path.clone(), why };
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        if entry.version != VERSION {
            return Err(broken(format!("it has version {}, this program writes {VERSION}", entry.version)));
        }
        Ok(Some(entry))
    }

    /// Writes the entry, synced: the file, its folder, and the folders above, which may be new.
    pub(crate) fn write(&self, entry: &Entry) -> Result<(), SwitchError> {
        let (staged, path) = (self.folder.join(STAGED), self.path());
        files::remove(&staged)?;
        let text = serde_json::to_vec_pretty(entry).map_err(|e| SwitchError::io("write", &path)(e.into()))?;
        let write = || {
            let mut out = files::new_file(&staged)?;
            out.write_all(&text)?;
            out.sync_all()?;
            fs::rename(&staged, &path)
        };
        write().map_err(SwitchError::io("write", &path))?;
        files::sync_folder(&path)?;
        for folder in self.folder.ancestors().take(3) {
            files::sync_folder(folder)?;
        }
        Ok(())
    }

    /// Removes the entry.
    pub(crate) fn clear(&self) -> Result<(), SwitchError> {
        files::remove(&self.path())?;
        files::sync_folder(&self.path())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // An entry keeps the folder, and the folder of another engine keeps the one above.
        if !self.path().exists() {
            let leftovers = [self.folder.join(STAGED), self.log()];
            for file in leftovers {
                let _ = fs::remove_file(file);
            }
            if let (Ok(()), Some(above)) = (fs::remove_dir(&self.folder), self.folder.parent()) {
                let _ = fs::remove_dir(above);
            }
        }
    }
}

/// Whether the locked folder is still the one of its path.
fn is_same(lock: &File, folder: &Path) -> bool {
    let both = lock.metadata().and_then(|ours| Ok((ours, fs::metadata(folder)?)));
    both.is_ok_and(|(ours, theirs)| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}
