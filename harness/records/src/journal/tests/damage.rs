//! Rows that no crash explains.

use super::*;

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
fn corrupt_file_is_refused_with_line_and_fix() {
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
    assert!(error.starts_with("DIR/spans.csv:1: column `end_ns` is before `start_ns`"), "{error}");
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
    let error = spoil(PLAN, "\"schema_minor\": 4", "\"schema_minor\": 5");
    assert!(
        error.starts_with("DIR/plan.json has schema version 1.5, newer than this handoff's: go on with"),
        "{error}"
    );
    let error = spoil(ENVIRONMENTS, "[", "{");
    assert!(error.starts_with("DIR/environments.json:"), "{error}");
}

#[test]
fn second_row_of_a_trial_is_refused() {
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
