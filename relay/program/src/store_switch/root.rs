//! Part of the switch that needs root. It trusts no argument: see [`StoreSwitchArgs`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::answer::{Answer, Restored, Switched};
use super::args::{RestoreStoreArgs, StoreSwitchArgs};
use super::containers::Container;
use super::daemon::Daemon;
use super::engine::{self, Info};
use super::error::{Refusal, SwitchError};
use super::ledger::{self, Entry, Ledger};
use super::machine::{Machine, Restart, Step, Store};
use super::real::Real;
use super::{LEDGERS, config, containers, files, gate, steps};

/// A switch and its undoing wait longest for each other: a restart, and the undoing of a switch that failed.
const LOCK_TIMEOUT: Duration = Duration::from_mins(5);

/// The part with root, and where its ledgers are.
pub struct Root<'a> {
    /// Folder of the ledgers.
    pub ledgers: PathBuf,
    /// User and group that a restart command runs as; none for root.
    pub caller: Option<(u32, u32)>,
    /// Called at each point that a switch or its undoing passes.
    pub observe: &'a dyn Fn(Step),
}

impl Default for Root<'_> {
    fn default() -> Self {
        // sudo sets both, whatever the caller's environment has.
        let id = |name: &str| std::env::var(name).ok()?.parse().ok();
        let caller = id("SUDO_UID").zip(id("SUDO_GID")).filter(|(uid, _)| *uid != 0);
        Self { ledgers: LEDGERS.into(), caller, observe: &|_| {} }
    }
}

impl Root<'_> {
    /// Switches an engine to the containerd store.
    ///
    /// # Errors
    /// The engine is refused; or the switch failed, and was undone unless the error says otherwise.
    pub fn switch(&self, args: &StoreSwitchArgs) -> Result<Switched, SwitchError> {
        let socket = engine::socket(&args.endpoint)?;
        check_root()?;
        match self.try_switch(args, &socket) {
            // A switch that was killed may have left the engine down; one that runs has it down now.
            Err(SwitchError::Refused(_)) if self.undo_begun(&socket)? => self.try_switch(args, &socket),
            other => other,
        }
    }

    fn try_switch(&self, args: &StoreSwitchArgs, socket: &Path) -> Result<Switched, SwitchError> {
        if info(socket)?.store() == Store::Containerd {
            return Ok(Switched::Already);
        }
        let config = find(socket)?.config()?;
        if let Some(given) = args.daemon_config.clone().filter(|given| *given != config) {
            return Err(Refusal::OtherConfig { read: config, given }.into());
        }
        let ledger = Ledger::lock(&self.ledgers, &config, LOCK_TIMEOUT)?;
        if info(socket)?.store() == Store::Containerd {
            return Ok(Switched::Already);
        }
        if let Some(entry) = ledger.read()? {
            steps::undo(&self.machine(&entry.socket, None), &ledger, &entry, &entry.restart)?;
        }
        self.switch_locked(&ledger, socket, &config, args.restart_command.clone())
    }

    fn switch_locked(
        &self,
        ledger: &Ledger,
        socket: &Path,
        config: &Path,
        command: Option<String>,
    ) -> Result<Switched, SwitchError> {
        gate::check(&info(socket)?)?;
        let daemon = find(socket)?;
        daemon.check_options()?;
        if command.is_none() && !daemon.is_docker_service() {
            return Err(Refusal::NotSystemd(daemon.pid).into());
        }
        containers::check(&engine::containers(socket).map_err(|why| no_engine(socket, why))?, containers::programs)?;
        let old = files::read(config)?;
        let new = config::with_containerd_store(config, old.as_ref().map(|old| old.text.as_str()))?;
        let user = self.caller.filter(|_| command.is_some());
        let entry = Entry::new(config, socket, old, new, Restart { command, user });
        let restart_seconds = steps::switch(&self.machine(socket, Some(daemon)), ledger, &entry)?;
        Ok(Switched::Now { restart_seconds })
    }

    /// Undoes switches, whether they ended or were killed. Nothing to undo is success.
    ///
    /// # Errors
    /// A configuration file was changed after the switch, or an engine does not come back. All others are undone.
    pub fn restore(&self, args: &RestoreStoreArgs) -> Result<Restored, SwitchError> {
        check_root()?;
        let mut restored = Restored::default();
        let mut failed = None;
        for config in ledger::all(&self.ledgers)? {
            if args.daemon_config.as_ref().is_none_or(|given| *given == config)
                && let Err(error) = self.restore_one(&config, args, &mut restored)
            {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(restored), Err)
    }

    fn restore_one(&self, config: &Path, args: &RestoreStoreArgs, restored: &mut Restored) -> Result<(), SwitchError> {
        let ledger = Ledger::lock(&self.ledgers, config, LOCK_TIMEOUT)?;
        let Some(entry) = ledger.read()? else { return Ok(()) };
        let machine = self.machine(&entry.socket, None);
        let store = machine.store();
        let is_gone = store.is_err() && !entry.creates_folder && !entry.config.parent().is_some_and(Path::exists);
        if is_gone {
            ledger.clear()?;
            restored.gone.push(entry.config);
            return Ok(());
        }
        let running = match store {
            Ok(Store::Containerd) => engine::containers(&entry.socket).unwrap_or_default(),
            _ => Vec::new(),
        };
        let command = args.restart_command.clone().map(|text| Restart { command: Some(text), user: self.caller });
        steps::undo(&machine, &ledger, &entry, command.as_ref().unwrap_or(&entry.restart))?;
        restored.configs.push(entry.config);
        restored.stopped.extend(running.into_iter().filter(Container::is_running).map(|one| one.name));
        Ok(())
    }

    /// Waits for a running switch of the engine, or undoes one that was killed; false if there is neither.
    fn undo_begun(&self, socket: &Path) -> Result<bool, SwitchError> {
        for config in ledger::all(&self.ledgers)? {
            if ledger::peek(&self.ledgers, &config).is_none_or(|entry| entry.socket != socket) {
                continue;
            }
            let ledger = Ledger::lock(&self.ledgers, &config, LOCK_TIMEOUT)?;
            if let Some(entry) = ledger.read()? {
                let machine = self.machine(&entry.socket, None);
                // Whoever had the lock may have switched the engine whole.
                if machine.store().is_err() {
                    steps::undo(&machine, &ledger, &entry, &entry.restart)?;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn machine(&self, socket: &Path, daemon: Option<Daemon>) -> Real<'_> {
        Real { socket: socket.to_owned(), daemon, observe: self.observe, begin: Instant::now() }
    }
}

/// Runs the command `store-switch`: prints the result for [`super::switch`], and returns the exit code.
pub fn serve_switch(args: &StoreSwitchArgs) -> u8 {
    answer(Root::default().switch(args).map(Answer::Switched))
}

/// Runs the command `restore-store --json`: prints the result for [`super::restore`], and returns the exit code.
pub fn serve_restore(args: &RestoreStoreArgs) -> u8 {
    answer(Root::default().restore(args).map(Answer::Restored))
}

fn answer(result: Result<Answer, SwitchError>) -> u8 {
    let code = result.as_ref().map_or_else(SwitchError::exit_code, |_| 0);
    let answer = result.unwrap_or_else(|error| Answer::from(&error));
    // The caller may be gone. What it does not read is in the ledger.
    if let Ok(line) = serde_json::to_string(&answer) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    code
}

fn check_root() -> Result<(), SwitchError> {
    let is_root = rustix::process::geteuid().is_root();
    if is_root { Ok(()) } else { Err(Refusal::NoRoot("this process is not root's".to_owned()).into()) }
}

fn no_engine(socket: &Path, why: String) -> Refusal {
    Refusal::NoEngine { socket: socket.to_owned(), why }
}

fn info(socket: &Path) -> Result<Info, Refusal> {
    engine::info(socket).map_err(|why| no_engine(socket, why))
}

fn find(socket: &Path) -> Result<Daemon, Refusal> {
    let (uid, pid) = engine::peer(socket).map_err(|why| no_engine(socket, why))?;
    Daemon::find(uid, pid)
}
