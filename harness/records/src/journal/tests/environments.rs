//! Runs that go on in the same environment, or in another.

use super::*;

/// A finished journal of one environment, to go on with in another.
fn to_go_on_with() -> (TempDir, Journal) {
    let dir = temp();
    let first = now(|_| ());
    drop(Journal::create(dir.path(), &plan(1), &[first]).unwrap());
    let (journal, _) = Journal::open(dir.path()).unwrap();
    (dir, journal)
}

/// The environment that a journal of [`to_go_on_with`] was begun in, changed, and under the id that it would get now.
fn now(change: impl Fn(&mut Environment)) -> Environment {
    let mut environment = Environment { source_digest: "sha256:aa".into(), ..environment("") };
    change(&mut environment);
    handoff_model::environment::set_id(&mut environment);
    environment
}

#[test]
fn environments_and_log_folders_are_added() {
    let dir = temp();
    let mut journal = start(dir.path(), 1);
    journal.add_environment(&environment("e1")).unwrap();
    journal.add_environment(&environment("e0")).unwrap();
    let logs = journal.log_dir("0001-x").unwrap();
    assert!(logs.is_dir() && logs.ends_with("logs/0001-x"));
    drop(journal);
    let ids: Vec<String> = Results::read(dir.path()).unwrap().environments.into_iter().map(|e| e.id).collect();
    assert_eq!(ids, ["e0", "e1"]);
}

#[test]
fn resume_in_another_environment_is_refused_with_both_values() {
    type Change = fn(&mut Environment);
    let changes: [(&str, Change); 8] = [
        ("sources was sha256:aa, is sha256:bb", |e| e.source_digest = "sha256:bb".into()),
        ("cpu was Sample CPU @ 2.00GHz, is Other", |e| e.cpu = "Other".into()),
        ("cores was 2, is 4", |e| e.cores = 4),
        ("memory was 8 GiB, is 16 GiB", |e| e.memory_bytes = 16 << 30),
        ("kernel was 6.1.0, is 6.2.0", |e| e.kernel = "6.2.0".into()),
        ("disk was ext4, is xfs", |e| e.disk = "xfs, 1 GiB free".into()),
        ("dockerd was 28.0.4, is 29", |e| drop(e.programs.insert("dockerd".into(), "29".into()))),
        ("cores was 2, is 4; kernel was 6.1.0, is 6.2.0", |e| (e.cores, e.kernel) = (4, "6.2.0".into())),
    ];
    for (text, change) in changes {
        let (dir, mut journal) = to_go_on_with();
        let before = file(dir.path(), ENVIRONMENTS);
        let error = journal.go_on_in(&now(change), false).unwrap_err().to_string();
        assert!(error.contains(&format!("was measured in another environment: {text}: go on with")), "{error}");
        assert!(error.contains("--mixed") && error.contains("--out") && !error.contains('\n'), "{error}");
        assert_eq!(file(dir.path(), ENVIRONMENTS), before);
    }
}

#[test]
fn resume_by_a_program_of_recorded_sources_refuses_a_folder_that_records_none() {
    let dir = temp();
    drop(start(dir.path(), 1));
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let error = journal.go_on_in(&now(|_| ()), false).unwrap_err().to_string();
    assert!(error.contains("sources was not recorded, handoff 0.1.0 (0000000), is sha256:aa"), "{error}");
}

#[test]
fn resume_in_the_same_environment_goes_on_under_its_id() {
    let (dir, mut journal) = to_go_on_with();
    let same = now(|e| {
        e.memory_bytes -= 4_096;
        e.disk = "ext4, 3 GiB free".into();
        e.source_commit = "another commit of the same sources".into();
    });
    assert_eq!(journal.go_on_in(&same, false).unwrap(), now(|_| ()).id);
    assert_eq!(Results::read(dir.path()).unwrap().environments.len(), 1);
}

#[test]
fn mixed_resume_records_both_environments_and_goes_on_in_each() {
    let (dir, mut journal) = to_go_on_with();
    let other = now(|e| e.kernel = "6.2.0".into());
    assert_eq!(journal.go_on_in(&other, true).unwrap(), other.id);
    drop(journal);
    let ids: Vec<String> = Results::read(dir.path()).unwrap().environments.into_iter().map(|e| e.id).collect();
    assert_eq!(ids, [now(|_| ()).id, other.id.clone()]);
    // Both are known now: neither is another environment.
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.go_on_in(&other, false).unwrap(), other.id);
    assert_eq!(journal.go_on_in(&now(|_| ()), false).unwrap(), now(|_| ()).id);
    assert!(journal.go_on_in(&now(|e| e.cores = 4), false).is_err());
}

#[test]
fn other_sources_are_refused_before_the_machine_is_known() {
    let dir = Path::new("results/a");
    let recorded = [Environment { source_digest: "sha256:aa".into(), ..environment("e0") }];
    same_sources(dir, &recorded, "sha256:aa").unwrap();
    let error = same_sources(dir, &recorded, "sha256:bb").unwrap_err().to_string();
    assert!(error.starts_with("results/a was measured in another environment: sources was sha256:aa, is sha256:bb: "));
}
