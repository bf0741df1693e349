//! Scripted daemon, which reads its configuration file when it starts.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::config::{turns_on, with_containerd_store};
use super::super::error::SwitchError;
use super::super::files;
use super::super::ledger::{Entry, Ledger};
use super::super::machine::{Machine, Restart, Step, Store};
use super::super::steps;

/// What a restart does.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Behaviour {
    Works,
    /// The command fails, and the daemon goes on as it was.
    FailsAtOnce,
    /// The daemon does not come up with the containerd store.
    NeedsOldStore,
    /// The command succeeds, and the daemon goes on as it was.
    DoesNothing,
    /// The daemon never comes up.
    Down,
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub config: PathBuf,
    pub behaviour: Cell<Behaviour>,
    pub store: RefCell<Option<Store>>,
    pub restarts: RefCell<Vec<Option<String>>>,
    pub kill_at: Cell<Option<Step>>,
    pub invalid: Cell<bool>,
    pub edit: Cell<Option<&'static str>>,
    clock: Cell<Duration>,
}

/// Text, owner and permissions of a file; none if there is none.
pub type Seen = Option<(Vec<u8>, u32)>;

fn driver() -> Store {
    Store::Driver("overlay2".to_owned())
}

impl Rig {
    /// Engine with overlay2 and this configuration file.
    pub fn new(old: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("etc/docker/daemon.json");
        fs::create_dir(dir.path().join("etc")).unwrap();
        if let Some(text) = old {
            fs::create_dir(config.parent().unwrap()).unwrap();
            fs::write(&config, text).unwrap();
            fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
        }
        Self {
            dir,
            config,
            behaviour: Cell::new(Behaviour::Works),
            store: RefCell::new(Some(driver())),
            restarts: RefCell::default(),
            kill_at: Cell::new(None),
            invalid: Cell::new(false),
            edit: Cell::new(None),
            clock: Cell::default(),
        }
    }

    pub fn ledgers(&self) -> PathBuf {
        self.dir.path().join("lib/handoff-relay/store-switch")
    }

    pub fn lock(&self) -> Ledger {
        Ledger::lock(&self.ledgers(), &self.config, Duration::ZERO).unwrap()
    }

    pub fn switch(&self) -> Result<f64, SwitchError> {
        let old = files::read(&self.config)?;
        let new = with_containerd_store(&self.config, old.as_ref().map(|o| o.text.as_str()))?;
        let restart = Restart { command: Some("restart".to_owned()), user: None };
        let entry = Entry::new(&self.config, Path::new("/docker.sock"), old, new, restart);
        steps::switch(self, &self.lock(), &entry)
    }

    /// Undoes what the ledger has; false if it has nothing.
    pub fn undo(&self) -> Result<bool, SwitchError> {
        let ledger = self.lock();
        let Some(entry) = ledger.read()? else { return Ok(false) };
        steps::undo(self, &ledger, &entry, &entry.restart).map(|()| true)
    }

    /// Whether the work was killed at the step. A kill runs no more code, as unwinding shows: nothing undoes in `Drop`.
    pub fn killed_at<T>(&self, step: Step, work: impl FnOnce() -> T) -> bool {
        self.kill_at.set(Some(step));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        self.kill_at.set(None);
        ended.is_err()
    }

    pub fn seen(&self) -> Seen {
        let meta = fs::metadata(&self.config).ok()?;
        Some((fs::read(&self.config).unwrap(), meta.mode() & 0o7777))
    }

    pub fn has_containerd(&self) -> bool {
        *self.store.borrow() == Some(Store::Containerd)
    }

    /// Checks that nothing tells of the switch any more.
    #[track_caller]
    pub fn assert_as_before(&self, before: &Seen) {
        assert_eq!(self.seen(), *before);
        assert_eq!(*self.store.borrow(), Some(driver()));
        assert!(!self.ledgers().exists(), "the ledger is left");
        assert!(!files::staged(&self.config).exists(), "the staged file is left");
        if before.is_none() {
            assert!(!self.config.parent().unwrap().exists(), "the created folder is left");
        }
    }
}

impl Machine for Rig {
    fn store(&self) -> Result<Store, String> {
        self.store.borrow().clone().ok_or_else(|| "connection refused".to_owned())
    }

    fn restart(&self, restart: &Restart, _log: &Path) -> Result<(), String> {
        self.restarts.borrow_mut().push(restart.command.clone());
        let is_on = fs::read_to_string(&self.config).is_ok_and(|text| turns_on(&text));
        let store = if is_on { Store::Containerd } else { driver() };
        let started = match self.behaviour.get() {
            Behaviour::Works => Some(store),
            Behaviour::NeedsOldStore if !is_on => Some(store),
            Behaviour::NeedsOldStore | Behaviour::Down => None,
            Behaviour::DoesNothing => return Ok(()),
            Behaviour::FailsAtOnce => return Err("exit status 1".to_owned()),
        };
        *self.store.borrow_mut() = started;
        Ok(())
    }

    fn validate(&self, file: &Path, _log: &Path) -> Result<(), String> {
        assert!(turns_on(&fs::read_to_string(file).unwrap()));
        if let Some(text) = self.edit.take() {
            fs::write(&self.config, text).unwrap();
        }
        if self.invalid.get() { Err("unable to configure".to_owned()) } else { Ok(()) }
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }

    fn sleep(&self, time: Duration) {
        self.clock.set(self.clock.get() + time);
    }

    fn passed(&self, step: Step) {
        if self.kill_at.get() == Some(step) {
            std::panic::resume_unwind(Box::new(step));
        }
    }
}
