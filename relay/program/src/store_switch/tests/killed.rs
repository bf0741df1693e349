//! A kill at every step, of the switch and of its undoing.

use super::super::machine::Step;
use super::fake::Rig;

const FILES: [Option<&str>; 4] =
    [None, Some(""), Some("{\r\n\t\"debug\":true, \"storage-driver\": \"overlay2\"}\r\n"), Some("\u{feff}{ }")];

/// What became of the daemon when the program was killed.
const DAEMONS: [bool; 2] = [false, true];

#[test]
fn switch_killed_at_any_step_is_undone_to_the_old_bytes() {
    let mut points = 0;
    for (old, step, is_down) in cases() {
        let rig = Rig::new(old);
        let before = rig.seen();
        let was_killed = rig.killed_at(step, || rig.switch().unwrap());
        points += usize::from(was_killed);
        if is_down {
            *rig.store.borrow_mut() = None;
        }
        assert!(rig.undo().unwrap(), "{step:?}: the ledger is lost");
        rig.assert_as_before(&before);
        assert!(!rig.undo().unwrap(), "nothing to undo is success");
        rig.assert_as_before(&before);
    }
    assert_eq!(points, 6 * FILES.len() * DAEMONS.len(), "a step is not reached any more");
}

#[test]
fn switch_killed_at_any_step_can_be_switched_again() {
    for (old, step, is_down) in cases() {
        let rig = Rig::new(old);
        let before = rig.seen();
        rig.killed_at(step, || rig.switch().unwrap());
        if is_down {
            *rig.store.borrow_mut() = None;
        }
        rig.undo().unwrap();
        rig.switch().unwrap();
        assert!(rig.has_containerd());
        rig.undo().unwrap();
        rig.assert_as_before(&before);
    }
}

#[test]
fn undoing_killed_at_any_step_is_finished_by_the_next() {
    // The other steps leave one of these two states; every file is synced, so that more cases take long.
    let states = [Step::NewFileInPlace, Step::EngineSwitched];
    for (old, killed, is_down) in cases().filter(|(_, step, _)| states.contains(step)) {
        for step in Step::ALL.into_iter().skip(6) {
            let rig = Rig::new(old);
            let before = rig.seen();
            rig.killed_at(killed, || rig.switch().unwrap());
            if is_down {
                *rig.store.borrow_mut() = None;
            }
            rig.killed_at(step, || rig.undo().unwrap());
            rig.undo().unwrap();
            rig.assert_as_before(&before);
        }
    }
}

fn cases() -> impl Iterator<Item = (Option<&'static str>, Step, bool)> {
    let steps = |old| Step::ALL.into_iter().map(move |step| (old, step));
    FILES.into_iter().flat_map(steps).flat_map(|(old, step)| DAEMONS.map(|down| (old, step, down)))
}
