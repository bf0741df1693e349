//! Folders in which a run may start.

use super::*;

#[test]
fn resume_of_another_plan_is_refused_with_the_option_that_differs() {
    let dir = temp();
    let journal = start(dir.path(), 3);
    journal.same_plan(&PlanRequest { run_id: "another".into(), ..request(3) }).unwrap();
    let error = journal.same_plan(&request(5)).unwrap_err().to_string();
    assert!(error.contains("--rounds 3, this call asks for --rounds 5: give --rounds 3"), "{error}");
    let mut other = request(3);
    other.conditions[0].consumers = 4;
    let error = journal.same_plan(&other).unwrap_err().to_string();
    assert!(error.contains("--consumers 1, this call asks for --consumers 4"), "{error}");
}

#[test]
fn foreign_folder_is_refused_and_unchanged() {
    let refusal = |dir: &Path| Journal::create(dir, &plan(1), &[]).unwrap_err().to_string();
    let foreign = temp();
    fs::write(foreign.path().join("thesis.tex"), "").unwrap();
    assert!(refusal(foreign.path()).ends_with("(it has `thesis.tex`): use another --out"));
    assert_eq!(fs::read_dir(foreign.path()).unwrap().count(), 1);

    let rows_without_plan = temp();
    let (dir, _) = whole(1);
    fs::copy(dir.path().join(MeasurementRow::FILE), rows_without_plan.path().join(MeasurementRow::FILE)).unwrap();
    assert!(refusal(rows_without_plan.path()).contains("holds no run"));

    let before = sets(dir.path());
    assert!(refusal(dir.path()).ends_with("holds a run already (4 of 4 trials done): use another --out"));
    assert_eq!(sets(dir.path()), before);

    let begun = temp();
    drop(start(begun.path(), 1));
    assert!(refusal(begun.path()).contains("(0 of 4 trials done): go on with --resume"));

    let path = foreign.path().join("thesis.tex");
    assert_eq!(refusal(&path), format!("{} is not a folder: use another --out", path.display()));
    assert!(refusal(&path.join("sub")).contains("use another --out"));
    assert!(Journal::open(foreign.path()).unwrap_err().to_string().contains("holds no run"));
    assert!(Journal::open(&foreign.path().join("none")).unwrap_err().to_string().contains("holds no run"));
}

#[test]
fn start_interrupted_before_its_plan_can_start_again() {
    let dir = temp();
    drop(start(dir.path(), 1));
    fs::rename(dir.path().join(PLAN), dir.path().join(".plan.json.tmp")).unwrap();
    finish(&mut start(dir.path(), 1));
    assert_eq!(Results::read(dir.path()).unwrap().measurements.len(), 4);
}

#[test]
fn failed_start_leaves_no_files() {
    // /proc takes no new folder, whoever asks, root included.
    let error = Journal::create(Path::new("/proc/handoff/run"), &plan(1), &[]).unwrap_err().to_string();
    assert!(error.starts_with("cannot make /proc/handoff/run: "), "{error}");
    let dir = temp();
    let out = dir.path().join("a/b");
    let created = folder::prepare(&out).unwrap();
    files::write_json(&out, ENVIRONMENTS, &[environment("e0")]).unwrap();
    folder::undo(&out, created);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
