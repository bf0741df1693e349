//! Bad input: one line with the mend, the documented code, nothing half written.

use crate::kit::{Place, expect, handoff};

/// The one line of an error.
fn line(args: &[&str], code: i32) -> String {
    let (_, stderr) = expect(&mut handoff(args), code);
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{args:?}: {stderr}");
    errors[0].to_owned()
}

#[test]
fn slips_are_named_with_the_nearest_right_word() {
    assert!(line(&["plan", "--strategies", "artefact"], 2).contains("did you mean `artifact`"));
    assert!(line(&["plan", "--strategies", "artifact:levle=6"], 2).contains("did you mean `level`"));
    assert!(line(&["plan", "--strategies", "artifact:level=11"], 2).contains("0 to 9"));
    assert!(line(&["plan", "--workload", "typicl"], 2).contains("typical"));
    assert!(line(&["plan", "--profile", "lopback"], 2).contains("loopback"));
    assert!(line(&["plan", "--image-store", "overlay"], 2).contains("overlay2"));
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_runs() {
    assert!(line(&["plan", "--sizes", "big"], 2).contains("64MiB"));
    assert!(line(&["plan", "--sizes", "0"], 2).contains("16"));
    assert!(line(&["plan", "--sizes", "11GiB"], 2).contains("10"));
    assert!(line(&["plan", "--rounds", "0"], 2).contains("--rounds"));
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("thesis.txt");
    std::fs::write(&note, "mine").unwrap();
    let out = dir.path().display().to_string();
    let error = line(&["run", "--sizes", "16MiB", "--out", &out], 2);
    assert!(error.contains(&out), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = line(&["run", "--sizes", "16MiB", "--out", "/proc/nothing/here"], 2);
    assert!(error.contains("/proc/nothing"), "{error}");
}

#[test]
fn resume_without_a_folder_says_what_is_missing() {
    assert!(line(&["run", "--resume"], 2).contains("--out"));
}

#[test]
fn a_machine_without_an_engine_gets_the_command_that_mends_it() {
    let place = Place::new();
    let empty = tempfile::tempdir().unwrap();
    let bare = |command: &mut std::process::Command| {
        command.env("PATH", empty.path()).env("HANDOFF_HOME", empty.path()).env_remove("HANDOFF_ENGINE_PREFIX");
    };
    let mut command = place.run(&["--sizes", "16MiB"]);
    bare(&mut command);
    // A machine that has an engine installed in the system's own folders is not bare.
    if std::path::Path::new("/usr/sbin/dockerd").exists() || std::path::Path::new("/usr/bin/dockerd").exists() {
        return;
    }
    let (_, stderr) = expect(&mut command, 3);
    assert!(stderr.contains("make setup"), "{stderr}");
    assert!(!place.out.exists());
    let mut doctor = handoff(&["doctor"]);
    bare(&mut doctor);
    let (stdout, _) = expect(&mut doctor, 3);
    assert!(stdout.contains("MISSING") && stdout.contains("make setup"), "{stdout}");
}
