//! What the journal promises: no kill loses a committed trial, and nothing is changed that is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::plan::{SCHEMA_MINOR, SCHEMA_VERSION};
use handoff_model::{Side, SpanKind};
use proptest::prelude::*;
use sha2::Digest as _;
use tempfile::TempDir;

use super::sample::{environment, plan, request, rows};
use super::table::{self, Row};
use super::*;
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

const CSVS: [&str; 3] = [ConsumerRow::FILE, SpanRow::FILE, MeasurementRow::FILE];

/// A folder in memory where there is one, for these tests sync thousands of times.
fn temp() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn start(dir: &Path, rounds: u32) -> Journal {
    Journal::create(dir, &plan(rounds), &[environment("e0")]).unwrap()
}

fn append(journal: &mut Journal, trial: &Trial) {
    let rows = rows(trial);
    journal.append(&rows.consumers, &rows.spans, &rows.measurement).unwrap();
}

fn finish(journal: &mut Journal) {
    let rest: Vec<Trial> = journal.remaining().cloned().collect();
    for trial in &rest {
        append(journal, trial);
    }
}

fn file(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap()
}

/// The lines of each CSV file as a set, and the number of lines, so that a row twice is noticed.
fn sets(dir: &Path) -> Vec<(usize, BTreeSet<String>)> {
    CSVS.iter()
        .map(|name| {
            let text = String::from_utf8(file(dir, name)).unwrap();
            (text.lines().count(), text.lines().map(str::to_owned).collect())
        })
        .collect()
}

/// A finished run, and the writes that made its CSV files, in order.
fn whole(rounds: u32) -> (TempDir, Vec<(usize, Vec<u8>)>) {
    let dir = temp();
    let mut journal = start(dir.path(), rounds);
    let mut sizes = CSVS.map(|name| file(dir.path(), name).len());
    let mut writes = Vec::new();
    for trial in journal.plan().trials.clone() {
        append(&mut journal, &trial);
        for (i, name) in CSVS.iter().enumerate() {
            let bytes = file(dir.path(), name);
            writes.push((i, bytes[sizes[i]..].to_vec()));
            sizes[i] = bytes.len();
        }
    }
    (dir, writes)
}

/// What a kill leaves after `cut` bytes of the writes.
fn killed(rounds: u32, writes: &[(usize, Vec<u8>)], cut: usize) -> TempDir {
    let dir = temp();
    drop(start(dir.path(), rounds));
    let mut left = cut;
    for (i, bytes) in writes {
        let path = dir.path().join(CSVS[*i]);
        let mut all = fs::read(&path).unwrap();
        all.extend_from_slice(&bytes[..left.min(bytes.len())]);
        fs::write(path, all).unwrap();
        left = left.saturating_sub(bytes.len());
    }
    dir
}

#[test]
fn a_run_reads_back_as_it_was_written() {
    let (dir, _) = whole(1);
    let results = Results::read(dir.path()).unwrap();
    assert_eq!(results.plan, plan(1));
    assert_eq!(results.environments, [environment("e0")]);
    assert!(results.warnings.is_empty(), "{:?}", results.warnings);
    let written: Vec<_> = results.plan.trials.iter().map(rows).collect();
    assert_eq!(results.measurements, written.iter().map(|r| r.measurement.clone()).collect::<Vec<_>>());
    assert_eq!(results.consumers, written.iter().flat_map(|r| r.consumers.clone()).collect::<Vec<_>>());
    assert_eq!(results.spans, written.iter().flat_map(|r| r.spans.clone()).collect::<Vec<_>>());
    let (journal, done) = Journal::open(dir.path()).unwrap();
    assert_eq!((done.len(), journal.remaining().count()), (4, 0));
    assert!(journal.repairs().is_empty());
}

#[test]
fn a_kill_at_every_byte_of_a_trial_costs_that_trial_and_no_other() {
    let (dir, writes) = whole(1);
    let before: usize = writes[..3].iter().map(|(_, b)| b.len()).sum();
    let second: usize = writes[3..6].iter().map(|(_, b)| b.len()).sum();
    for cut in before..=before + second {
        let left = killed(1, &writes, cut);
        let (mut journal, done) = Journal::open(left.path()).unwrap();
        assert_eq!(done.len(), if cut < before + second { 1 } else { 2 }, "cut at {cut}");
        finish(&mut journal);
        for name in CSVS {
            assert_eq!(file(left.path(), name), file(dir.path(), name), "{name}, cut at {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_run_that_is_killed_again_and_again_ends_with_the_same_rows(cuts in prop::collection::vec(0.0f64..1.0, 1..5)) {
        let (dir, writes) = whole(2);
        let total: usize = writes.iter().map(|(_, b)| b.len()).sum();
        let left = killed(2, &writes, (cuts[0] * total as f64) as usize);
        for cut in &cuts[1..] {
            let (mut journal, _) = Journal::open(left.path()).unwrap();
            let Some(trial) = journal.remaining().next().cloned() else { break };
            append(&mut journal, &trial);
            drop(journal);
            // The last file to grow is cut inside of its last line.
            let path = left.path().join(MeasurementRow::FILE);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() - 1 - (cut * 200.0) as usize]).unwrap();
        }
        let (mut journal, _) = Journal::open(left.path()).unwrap();
        finish(&mut journal);
        prop_assert_eq!(sets(left.path()), sets(dir.path()));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_resumed_or_refused_by_file_and_line(which in 0usize..3, cut in 0.0f64..1.0) {
        let (dir, _) = whole(2);
        let expected = sets(dir.path());
        let path = dir.path().join(CSVS[which]);
        let bytes = fs::read(&path).unwrap();
        let cut = &bytes[..(cut * bytes.len() as f64) as usize];
        fs::write(&path, cut).unwrap();
        let rows_lost = cut.split(|b| *b == b'\n').count() < bytes.split(|b| *b == b'\n').count();
        let read = Results::read(dir.path());
        match Journal::open(dir.path()) {
            // Rows of measurements.csv are lost: those trials run again. Spans that vanish in whole lines leave no trace.
            Ok((mut journal, done)) => {
                prop_assert_eq!(&read.unwrap().measurements, &done);
                prop_assert!(which != 0 || !rows_lost);
                finish(&mut journal);
                let ended = sets(dir.path());
                prop_assert_eq!(&ended[2], &expected[2]);
                prop_assert_eq!(&ended[0], &expected[0]);
                prop_assert!(ended[1].1.is_subset(&expected[1].1));
            }
            // Rows of committed trials are lost: no crash does that, so nothing is changed.
            Err(error) => {
                prop_assert!(error.is_damage(), "{}", error);
                prop_assert_eq!(fs::read(&path).unwrap(), cut);
                prop_assert!(error.to_string().contains(".csv:"), "{}", error);
                prop_assert!(read.map_or(true, |results| results.damaged > 0));
            }
        }
    }

    #[test]
    fn a_text_with_any_letters_is_one_row(detail in "\\PC{0,20}[\"\n\r,]{0,4}", tail in 1usize..40) {
        let dir = temp();
        let mut journal = start(dir.path(), 1);
        let trials = journal.plan().trials.clone();
        let mut rows = rows(&trials[0]);
        rows.spans[0].detail.clone_from(&detail);
        journal.append(&rows.consumers, &rows.spans, &rows.measurement).unwrap();
        append(&mut journal, &trials[1]);
        drop(journal);
        // A tear inside a quoted text that holds a line end is still a tear.
        let mut bytes = file(dir.path(), SpanRow::FILE);
        let row = format!("1,{},producer,,build,\"RUN a\nRUN b\nRUN c\nRUN d\nRUN e\nRUN f", trials[2].id);
        bytes.extend_from_slice(&row.as_bytes()[..trials[2].id.len() + 14 + tail]);
        fs::write(dir.path().join(SpanRow::FILE), bytes).unwrap();
        let (_, done) = Journal::open(dir.path()).unwrap();
        prop_assert_eq!(done.len(), 2);
        prop_assert_eq!(&Results::read(dir.path()).unwrap().spans[0].detail, &detail);
    }
}

#[test]
fn a_run_of_another_plan_is_refused_by_the_option_that_differs() {
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
fn folders_that_are_not_ours_are_left_alone() {
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
fn a_start_that_was_cut_off_before_its_plan_starts_again() {
    let dir = temp();
    drop(start(dir.path(), 1));
    fs::rename(dir.path().join(PLAN), dir.path().join(".plan.json.tmp")).unwrap();
    finish(&mut start(dir.path(), 1));
    assert_eq!(Results::read(dir.path()).unwrap().measurements.len(), 4);
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    // /proc takes no new folder, whoever asks, root included.
    let error = Journal::create(Path::new("/proc/handoff/run"), &plan(1), &[]).unwrap_err().to_string();
    assert!(error.starts_with("cannot make /proc/handoff/run: "), "{error}");
    let dir = temp();
    let out = dir.path().join("a/b");
    let made = folder::prepare(&out).unwrap();
    files::write_json(&out, ENVIRONMENTS, &[environment("e0")]).unwrap();
    folder::undo(&out, made);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

fn spoil(name: &str, from: &str, to: &str) -> String {
    let (dir, _) = whole(1);
    let text = String::from_utf8(file(dir.path(), name)).unwrap();
    assert!(text.contains(from), "{name} holds no `{from}`");
    fs::write(dir.path().join(name), text.replacen(from, to, 1)).unwrap();
    let before = sets(dir.path());
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert_eq!(sets(dir.path()), before, "{name} was changed");
    assert!(!error.contains('\n'), "{error}");
    error.replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn what_is_corrupt_is_named_with_its_line_and_mend() {
    let error = spoil(MeasurementRow::FILE, ",67108864,loopback", ",67x,loopback");
    assert!(
        error.starts_with("DIR/measurements.csv:2: column `size_bytes`: ")
            && error.contains("delete the line and the trial's line in measurements.csv"),
        "{error}"
    );
    let error = spoil(MeasurementRow::FILE, ",loopback,private,", ",loopback,");
    assert!(error.starts_with("DIR/measurements.csv:2: the row has "), "{error}");
    let error = spoil(MeasurementRow::FILE, "completed", "done");
    assert!(error.contains("unknown variant `done`"), "{error}");
    let error = spoil(MeasurementRow::FILE, ",67108864,loopback", ",67108865,loopback");
    assert!(error.contains("measurements.csv:2: the row is not what the plan says of trial `0001-"), "{error}");
    let error = spoil(SpanRow::FILE, "start_ns,", "begin_ns,");
    assert!(error.starts_with("DIR/spans.csv:1: no column start_ns: "), "{error}");
    let error = spoil(SpanRow::FILE, ",start_ns,end_ns,", ",end_ns,start_ns,");
    assert!(error.starts_with("DIR/spans.csv:1: column `end_ns` stands before `start_ns`"), "{error}");
    let error = spoil(ConsumerRow::FILE, "\n1,0001-", "\n1,9999-");
    assert!(
        error.contains("consumers.csv:2: trial `9999-") && error.contains("is not in the folder's plan"),
        "{error}"
    );
    let error = spoil(PLAN, "\"seed\": 42", "\"seed\": 43");
    assert!(error.starts_with("DIR/plan.json: the plan does not match its own hash"), "{error}");
    let error = spoil(PLAN, "\"schema_version\": 1", "\"schema_version\": 2");
    assert!(
        error.starts_with(
            "DIR/plan.json has schema version 2, this handoff reads 1: use handoff 0.1.0 (0000000), which wrote it,"
        ),
        "{error}"
    );
    let error = spoil(PLAN, "\"seed\": 42", "\"sead\": 1, \"seed\": 42");
    assert!(error.starts_with("DIR/plan.json: unknown field request.sead: restore the file"), "{error}");
    let error = spoil(PLAN, "\"schema_minor\": 2", "\"schema_minor\": 3");
    assert!(
        error.starts_with("DIR/plan.json has schema version 1.3, newer than this handoff's: go on with"),
        "{error}"
    );
    let error = spoil(ENVIRONMENTS, "[", "{");
    assert!(error.starts_with("DIR/environments.json:"), "{error}");
}

#[test]
fn a_trial_has_one_row() {
    let (dir, _) = whole(1);
    let path = dir.path().join(MeasurementRow::FILE);
    let mut text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    let row = text.lines().nth(1).unwrap().to_owned();
    text.push_str(&row);
    text.push('\n');
    fs::write(&path, text).unwrap();
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("measurements.csv:2,6: trial `0001-") && error.contains("two rows"), "{error}");

    let other = temp();
    let mut journal = start(other.path(), 1);
    let trials = journal.plan().trials.clone();
    append(&mut journal, &trials[0]);
    let again = rows(&trials[0]);
    assert!(journal.append(&again.consumers, &again.spans, &again.measurement).is_err());
    let foreign = rows(&trials[1]);
    assert!(journal.append(&again.consumers, &foreign.spans, &foreign.measurement).is_err());
    assert_eq!(Results::read(other.path()).unwrap().measurements.len(), 1);
}

#[test]
fn newer_minor_version_is_reported_without_its_new_fields_and_not_resumed() {
    let (dir, _) = whole(1);
    for name in CSVS {
        let text = String::from_utf8(file(dir.path(), name)).unwrap();
        let mut newer: Vec<String> = text.lines().map(|line| line.to_owned() + ",full").collect();
        newer[0] = text.lines().next().unwrap().to_owned() + ",moon_phase";
        fs::write(dir.path().join(name), newer.join("\n") + "\n").unwrap();
    }
    let mut newer: serde_json::Value = serde_json::from_slice(&file(dir.path(), PLAN)).unwrap();
    newer["schema_minor"] = (SCHEMA_MINOR + 1).into();
    newer["weather"] = serde_json::json!({});
    newer["trials"][0]["season"] = 1.into();
    let hashed = serde_json::to_vec(&(&newer["request"], &newer["trials"])).unwrap();
    newer["hash"] = sha2::Sha256::digest(hashed).iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat().into();
    fs::write(dir.path().join(PLAN), serde_json::to_vec_pretty(&newer).unwrap()).unwrap();
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.measurements.len(), results.plan.request), (4, request(1)));
    let says = |part: &str| results.warnings.iter().any(|w| w.contains(part));
    assert!(says("plan.json:1: schema version 1.3 is newer than 1.2, fields are ignored: "), "{:?}", results.warnings);
    assert!(says("weather") && says("trials.0.season") && says("moon_phase"), "{:?}", results.warnings);
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("schema version 1.3") && error.contains("handoff 0.1.0 (0000000)"), "{error}");
}

#[test]
fn newer_major_version_is_refused_with_the_handoff_that_wrote_it() {
    let (dir, _) = whole(1);
    let text = String::from_utf8(file(dir.path(), PLAN)).unwrap();
    fs::write(dir.path().join(PLAN), text.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1)).unwrap();
    let error = Results::read(dir.path()).unwrap_err().to_string();
    let says = "plan.json has schema version 2, this handoff reads 1: use handoff 0.1.0 (0000000), which wrote it,";
    assert!(error.contains(says), "{error}");
    fs::remove_file(dir.path().join(ENVIRONMENTS)).unwrap();
    let error = Results::read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("use the handoff that wrote it"), "{error}");
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

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A CSV text with those columns only that are wanted.
fn only(text: &[u8], wanted: impl Fn(&str) -> bool) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let records: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in &records {
        writer.write_record(record.iter().zip(&records[0]).filter(|(_, name)| wanted(name)).map(|(v, _)| v)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The golden file as it would be written now, without the columns that were added since.
fn rewritten<T: Row>() -> String {
    let path = golden().join(T::FILE);
    let table: table::Table<T> = table::read(&path, &fs::read(&path).unwrap(), &|_| false).unwrap();
    assert!(table.whole && table.rows.iter().all(|r| r.schema_version() == SCHEMA_VERSION));
    let now = table::header::<T>().unwrap() + &table::lines(&table.rows).unwrap();
    only(now.as_bytes(), |name| !T::ADDED.contains(&name))
}

/// Makes the golden files from the sample, for a new schema version only: `HANDOFF_GOLDEN=write cargo test`.
fn write_golden() {
    fs::create_dir_all(golden()).unwrap();
    let (dir, _) = whole(1);
    for name in CSVS.into_iter().chain([PLAN, ENVIRONMENTS]) {
        fs::copy(dir.path().join(name), golden().join(name)).unwrap();
    }
}

/// Once released, these files stay as they are: what they hold was written by a version that people have used.
#[test]
fn golden_files_read_and_write_back_byte_for_byte() {
    if std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write") {
        write_golden();
    }
    let texts = [rewritten::<ConsumerRow>(), rewritten::<SpanRow>(), rewritten::<MeasurementRow>()];
    for (name, text) in CSVS.iter().zip(texts) {
        assert!(text.as_bytes() == file(&golden(), name), "{name} is now\n{text}");
    }
    let results = Results::read(&golden()).unwrap();
    assert!(results.warnings.is_empty(), "{:?}", results.warnings);
    assert_eq!(results.measurements.len(), results.plan.trials.len());
}

/// The columns that a file's section of docs/format.md lists: the first cell of each row of its table.
fn documented(text: &str, file: &str) -> Vec<String> {
    let section = text.split("\n## ").find(|s| s.starts_with(&format!("`{file}`"))).expect("a section for the file");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned())).collect()
}

#[test]
fn every_column_is_documented_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(documented(&text, ConsumerRow::FILE), columns::<ConsumerRow>());
    assert_eq!(documented(&text, SpanRow::FILE), columns::<SpanRow>());
    assert_eq!(documented(&text, MeasurementRow::FILE), columns::<MeasurementRow>());
}

#[test]
fn the_glossary_has_every_span_and_level() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/glossary.md");
    let text = fs::read_to_string(path).unwrap();
    let section = |title: &str| text.split("\n## ").find(|s| s.starts_with(title)).expect("a section").to_owned();
    for (title, names) in [
        ("Spans", SpanKind::NAMES),
        ("Identity", &["index", "config", "layers", "content"]),
        ("The experiment", Side::NAMES),
    ] {
        for name in names {
            assert!(section(title).contains(&format!("\n- **{name}**: ")), "{title} has no {name}");
        }
    }
    let words = "workload strategy variant cell round trial producer consumer side ticket span identity engine journal \
                 plan verdict nonce transfer control settle gate profile builder";
    for word in words.split_whitespace().chain(["image store", "cache state", "critical path"]) {
        assert!(text.contains(&format!("\n- **{word}**: ")), "no {word}");
    }
}

#[test]
fn a_file_from_before_columns_were_added_reads_with_those_empty_and_one_that_lacks_others_does_not() {
    let (dir, _) = whole(1);
    let path = dir.path().join(MeasurementRow::FILE);
    let now = file(dir.path(), MeasurementRow::FILE);
    let old = only(&now, |name| !MeasurementRow::ADDED.contains(&name));
    let broken = only(&now, |name| name != "nonce");
    let whole = Results::read(dir.path()).unwrap().measurements;
    fs::write(&path, old).unwrap();
    let results = Results::read(dir.path()).unwrap();
    assert!(results.warnings.is_empty(), "{:?}", results.warnings);
    let mut expected = whole;
    for row in &mut expected {
        (row.entries_reused, row.bytes_reused) = (None, None);
        (row.producer_steps_executed, row.producer_steps_cached) = (None, None);
        (row.throttled, row.producer_written_bytes, row.spans) = (None, None, None);
    }
    assert_eq!(results.measurements, expected);
    assert!(Journal::open(dir.path()).unwrap_err().to_string().contains("columns"));
    fs::write(&path, broken).unwrap();
    assert!(Results::read(dir.path()).unwrap_err().to_string().contains("nonce"));
}
