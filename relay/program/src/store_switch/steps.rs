//! Steps of a switch and of its undoing, in an order in which a kill at any point can be undone.
//!
//! The ledger and the configuration file alone say how far a switch has come:
//!
//! | configuration file | engine | undoing |
//! |---|---|---|
//! | the old one | has the old store | forget the ledger |
//! | the new one | has the old store | put the old file back, forget the ledger |
//! | either | has the containerd store, or is down | put the old file back, restart, wait, forget the ledger |
//! | another | any | refuse: someone has changed the file since |

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::error::SwitchError;
use super::files::{self, OldFile};
use super::ledger::{Entry, Ledger};
use super::machine::{Machine, Restart, Step, Store};

/// Time that an engine has to come back after the restart command has ended.
pub(crate) const ENGINE_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Switches the engine; undoes what was begun if that fails. Returns the time of the restart in seconds.
pub(crate) fn switch(machine: &dyn Machine, ledger: &Ledger, entry: &Entry) -> Result<f64, SwitchError> {
    ledger.write(entry)?;
    machine.passed(Step::LedgerWritten);
    let why = match forward(machine, ledger, entry) {
        Ok(seconds) => return Ok(seconds),
        Err(why) => why,
    };
    match undo(machine, ledger, entry, &entry.restart) {
        Ok(()) => Err(SwitchError::RolledBack(why)),
        Err(undo) => Err(SwitchError::NotRolledBack { why, undo: undo.to_string() }),
    }
}

fn forward(machine: &dyn Machine, ledger: &Ledger, entry: &Entry) -> Result<f64, String> {
    let text = |e: SwitchError| e.to_string();
    if entry.creates_folder {
        let folder = entry.config.parent().unwrap_or(Path::new("/"));
        fs::create_dir(folder).map_err(SwitchError::io("create", folder)).map_err(text)?;
    }
    let owner = entry.old.clone().unwrap_or_else(|| OldFile::of_root(String::new()));
    files::stage(&entry.config, &OldFile { text: entry.new.clone(), ..owner }).map_err(text)?;
    machine.passed(Step::NewFileStaged);
    machine.validate(&files::staged(&entry.config), &ledger.log())?;
    machine.passed(Step::NewFileValid);
    if content(entry).map_err(text)? != Content::Old {
        return Err(format!("{} was changed meanwhile", entry.config.display()));
    }
    files::commit(&entry.config).map_err(text)?;
    machine.passed(Step::NewFileInPlace);
    let before = machine.now();
    machine.restart(&entry.restart, &ledger.log())?;
    machine.passed(Step::Restarted);
    wait(machine, |store| *store == Store::Containerd)?;
    let seconds = machine.now().saturating_sub(before).as_secs_f64();
    machine.passed(Step::EngineSwitched);
    Ok(seconds)
}

/// Undoes a switch, however far it came, and forgets it.
pub(crate) fn undo(
    machine: &dyn Machine,
    ledger: &Ledger,
    entry: &Entry,
    restart: &Restart,
) -> Result<(), SwitchError> {
    // Not the file of somebody else: the name is ours, and the ledger says that we were about to write it.
    files::remove(&files::staged(&entry.config))?;
    match content(entry)? {
        Content::Old => {}
        Content::New => put_back(machine, entry)?,
        Content::Other { turns_on } => {
            // Whoever turned the feature off and restarted dockerd has undone the switch by hand.
            if turns_on || !has_old_store(machine) {
                return Err(SwitchError::Edited { config: entry.config.clone(), ledger: ledger.path() });
            }
        }
    }
    remove_created_folder(entry);
    machine.passed(Step::OldFileInPlace);
    // A daemon that answers with its old store has read the old file, or has never been restarted.
    if !has_old_store(machine) {
        let restarted = machine.restart(restart, &ledger.log());
        machine.passed(Step::RestartedBack);
        let back = restarted.and_then(|()| wait(machine, |store| *store != Store::Containerd));
        if let Err(why) = back
            && !has_old_store(machine)
        {
            return Err(SwitchError::NotBack { config: entry.config.clone(), why });
        }
    }
    machine.passed(Step::EngineBack);
    ledger.clear()?;
    machine.passed(Step::LedgerCleared);
    Ok(())
}

fn has_old_store(machine: &dyn Machine) -> bool {
    machine.store().is_ok_and(|store| store != Store::Containerd)
}

fn put_back(machine: &dyn Machine, entry: &Entry) -> Result<(), SwitchError> {
    let Some(old) = &entry.old else {
        files::remove(&entry.config)?;
        return files::sync_folder(&entry.config);
    };
    files::stage(&entry.config, old)?;
    machine.passed(Step::OldFileStaged);
    files::commit(&entry.config)
}

/// Removes the folder that the switch created, unless something else is in it.
fn remove_created_folder(entry: &Entry) {
    if entry.creates_folder
        && let Some(folder) = entry.config.parent()
        && fs::remove_dir(folder).is_ok()
    {
        // The folder is empty, so a crash that brings it back does no harm.
        let _ = files::sync_folder(folder);
    }
}

/// Waits for an engine with the wanted store. A restart command may return before the old daemon has ended.
fn wait(machine: &dyn Machine, is_wanted: impl Fn(&Store) -> bool) -> Result<(), String> {
    let deadline = machine.now() + ENGINE_TIMEOUT;
    loop {
        let why = match machine.store() {
            Ok(store) if is_wanted(&store) => return Ok(()),
            Ok(store) => {
                format!("the engine still has the store {store} {} s after the restart", ENGINE_TIMEOUT.as_secs())
            }
            Err(why) => format!("the engine does not answer {} s after the restart: {why}", ENGINE_TIMEOUT.as_secs()),
        };
        if machine.now() >= deadline {
            return Err(why);
        }
        machine.sleep(POLL_INTERVAL);
    }
}

/// Which file is in place.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Old,
    New,
    /// Someone else's; with whether it turns the containerd store on.
    Other {
        turns_on: bool,
    },
}

fn content(entry: &Entry) -> Result<Content, SwitchError> {
    let now = match files::read(&entry.config) {
        // A link, or something else that is not ours.
        Err(SwitchError::Refused(_)) => return Ok(Content::Other { turns_on: true }),
        other => other?,
    };
    let now = now.map(|file| file.text);
    Ok(match &now {
        _ if now.as_ref() == entry.old.as_ref().map(|old| &old.text) => Content::Old,
        Some(text) if *text == entry.new => Content::New,
        None => Content::Other { turns_on: false },
        Some(text) => Content::Other { turns_on: super::config::turns_on(text) },
    })
}
