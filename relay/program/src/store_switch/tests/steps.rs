//! Failures of the restart, edits of the user, and two at once.

use std::fs;
use std::time::Duration;

use super::super::error::{ErrorKind, Refusal, SwitchError};
use super::super::ledger::{self, Ledger};
use super::super::machine::Step;
use super::fake::{Behaviour, Rig};

const OLD: &str = r#"{"debug": true,"features":{"buildkit":true}}"#;

#[test]
fn switched_engine_has_the_containerd_store_and_restore_gives_the_old_bytes() {
    let rig = Rig::new(Some(OLD));
    let before = rig.seen();
    rig.switch().unwrap();
    assert!(rig.has_containerd());
    let (text, mode) = rig.seen().unwrap();
    assert_eq!(mode, 0o640, "the new file has the old one's permissions");
    let settings: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(settings["features"], serde_json::json!({"buildkit": true, "containerd-snapshotter": true}));
    assert_eq!(ledger::all(&rig.ledgers()).unwrap(), std::slice::from_ref(&rig.config));
    assert!(rig.undo().unwrap());
    rig.assert_as_before(&before);
    assert_eq!(rig.restarts.borrow().len(), 2);
}

#[test]
fn failing_restart_is_rolled_back() {
    for (behaviour, restarts, why) in [
        (Behaviour::FailsAtOnce, 1, "exit status 1"),
        (Behaviour::DoesNothing, 1, "the engine still has the store overlay2 20 s after"),
        (Behaviour::NeedsOldStore, 2, "the engine does not answer 20 s after the restart: connection refused"),
    ] {
        for old in [Some(OLD), None] {
            let rig = Rig::new(old);
            let before = rig.seen();
            rig.behaviour.set(behaviour);
            let error = rig.switch().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RolledBack);
            assert!(error.to_string().contains(why), "{behaviour:?}: {error}");
            rig.assert_as_before(&before);
            assert_eq!(rig.restarts.borrow().len(), restarts, "{behaviour:?}");
        }
    }
}

#[test]
fn invalid_file_restarts_nothing() {
    let rig = Rig::new(Some(OLD));
    let before = rig.seen();
    rig.invalid.set(true);
    assert_eq!(rig.switch().unwrap_err().kind(), ErrorKind::RolledBack);
    rig.assert_as_before(&before);
    assert!(rig.restarts.borrow().is_empty());
}

#[test]
fn engine_that_does_not_come_back_keeps_the_ledger_until_it_does() {
    let rig = Rig::new(Some(OLD));
    let before = rig.seen();
    rig.behaviour.set(Behaviour::Down);
    let error = rig.switch().unwrap_err();
    assert!(matches!(error, SwitchError::NotRolledBack { .. }), "{error}");
    assert_eq!(rig.seen(), before, "the file is back nevertheless");
    assert!(matches!(rig.undo().unwrap_err(), SwitchError::NotBack { .. }));
    rig.behaviour.set(Behaviour::Works);
    assert!(rig.undo().unwrap());
    rig.assert_as_before(&before);
}

#[test]
fn file_that_the_user_changed_after_the_switch_is_kept() {
    for edit in [r#"{"features":{"containerd-snapshotter":true},"debug":true}"#, "{}", "no json", ""] {
        let rig = Rig::new(Some(OLD));
        rig.switch().unwrap();
        fs::write(&rig.config, edit).unwrap();
        let error = rig.undo().unwrap_err();
        assert!(matches!(error, SwitchError::Edited { .. }), "{error}");
        assert!(!error.to_string().contains('\n'));
        assert_eq!(fs::read_to_string(&rig.config).unwrap(), edit);
        assert!(rig.has_containerd(), "the engine is not restarted");
        assert!(rig.ledgers().exists());
    }
}

#[test]
fn link_in_place_of_the_file_is_kept() {
    let rig = Rig::new(Some(OLD));
    rig.switch().unwrap();
    let elsewhere = rig.dir.path().join("managed.json");
    fs::rename(&rig.config, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &rig.config).unwrap();
    assert!(matches!(rig.undo().unwrap_err(), SwitchError::Edited { .. }));
    assert!(rig.config.is_symlink());
}

#[test]
fn switch_that_the_user_undid_by_hand_is_forgotten() {
    for edit in [Some("{\"debug\":false}"), None] {
        let rig = Rig::new(Some(OLD));
        rig.switch().unwrap();
        match edit {
            Some(text) => fs::write(&rig.config, text).unwrap(),
            None => fs::remove_file(&rig.config).unwrap(),
        }
        *rig.store.borrow_mut() = Some(super::super::machine::Store::Driver("overlay2".to_owned()));
        assert!(rig.undo().unwrap());
        assert_eq!(fs::read_to_string(&rig.config).ok().as_deref(), edit);
        assert!(!rig.ledgers().exists());
    }
}

#[test]
fn file_that_the_user_changes_during_the_switch_is_kept() {
    let rig = Rig::new(Some(OLD));
    rig.edit.set(Some("{\"debug\":false}"));
    let error = rig.switch().unwrap_err().to_string();
    assert!(error.contains("was changed meanwhile"), "{error}");
    assert_eq!(fs::read_to_string(&rig.config).unwrap(), "{\"debug\":false}");
    assert!(rig.restarts.borrow().is_empty() && !rig.ledgers().exists());
}

#[test]
fn folder_with_other_files_outlives_the_undoing() {
    let rig = Rig::new(None);
    rig.switch().unwrap();
    let other = rig.config.with_file_name("key.json");
    fs::write(&other, "").unwrap();
    rig.undo().unwrap();
    assert!(other.exists() && !rig.config.exists());
}

#[test]
fn second_process_waits_and_is_refused_at_the_limit() {
    let rig = Rig::new(Some(OLD));
    let first = rig.lock();
    let second = Ledger::lock(&rig.ledgers(), &rig.config, Duration::from_millis(60));
    assert!(matches!(second, Err(SwitchError::Refused(Refusal::Busy(_)))), "{second:?}");
    let (ledgers, config) = (rig.ledgers(), rig.config.clone());
    let waiting = std::thread::spawn(move || Ledger::lock(&ledgers, &config, Duration::from_mins(1)).is_ok());
    std::thread::sleep(Duration::from_millis(60));
    drop(first);
    assert!(waiting.join().unwrap());
    assert!(!rig.ledgers().exists(), "a lock without an entry leaves nothing");
    rig.lock();
}

#[test]
fn engines_with_other_files_do_not_wait() {
    let rig = Rig::new(Some(OLD));
    let _first = rig.lock();
    let other = rig.dir.path().join("50%2F/daemon.json");
    let second = Ledger::lock(&rig.ledgers(), &other, Duration::ZERO).unwrap();
    let mut all = ledger::all(&rig.ledgers()).unwrap();
    all.sort();
    let mut both = [rig.config.clone(), other];
    both.sort();
    assert_eq!(all, both);
    drop(second);
}

#[test]
fn unknown_ledger_is_reported_and_kept() {
    for text in ["", "{}", "{\"version\":2}"] {
        let rig = Rig::new(Some(OLD));
        rig.killed_at(Step::EngineSwitched, || rig.switch());
        let path = rig.lock().path();
        fs::write(&path, text).unwrap();
        let error = rig.undo().unwrap_err();
        assert!(matches!(error, SwitchError::Ledger { .. }), "{error}");
        assert!(path.exists());
    }
}
