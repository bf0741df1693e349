//! Folders of other versions.

use super::*;

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
    newer["hash"] = hex::encode(sha2::Sha256::digest(hashed)).into();
    fs::write(dir.path().join(PLAN), serde_json::to_vec_pretty(&newer).unwrap()).unwrap();
    let results = Results::read(dir.path()).unwrap();
    assert_eq!((results.measurements.len(), results.plan.request), (4, request(1)));
    let says = |part: &str| results.warnings.iter().any(|w| w.contains(part));
    assert!(says("plan.json:1: schema version 1.5 is newer than 1.4, fields are ignored: "), "{:?}", results.warnings);
    assert!(says("weather") && says("trials.0.season") && says("moon_phase"), "{:?}", results.warnings);
    let error = Journal::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("schema version 1.5") && error.contains("handoff 0.1.0 (0000000)"), "{error}");
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
fn older_file_without_added_columns_reads_and_other_missing_columns_are_refused() {
    let (dir, _) = whole(1);
    let path = dir.path().join(MeasurementRow::FILE);
    let now = file(dir.path(), MeasurementRow::FILE);
    let old = only(&now, |name| !MeasurementRow::ADDED.contains(&name));
    let broken = only(&now, |name| name != "nonce");
    let whole = Results::read(dir.path()).unwrap().measurements;
    fs::write(&path, old).unwrap();
    let results = Results::read(dir.path()).unwrap();
    assert!(results.warnings.is_empty(), "{:?}", results.warnings);
    assert!(whole.iter().any(|row| row.import == "import"));
    let mut expected = whole;
    for row in &mut expected {
        (row.entries_reused, row.bytes_reused) = (None, None);
        (row.producer_steps_executed, row.producer_steps_cached) = (None, None);
        (row.throttled, row.producer_written_bytes, row.spans) = (None, None, None);
        row.import.clear();
    }
    assert_eq!(results.measurements, expected);
    assert!(Journal::open(dir.path()).unwrap_err().to_string().contains("columns"));
    fs::write(&path, broken).unwrap();
    assert!(Results::read(dir.path()).unwrap_err().to_string().contains("nonce"));
}
