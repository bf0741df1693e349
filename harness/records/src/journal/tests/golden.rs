//! The committed golden files.

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden file as it would be written now, without the columns that were added since.
fn rewritten<T: Row>() -> String {
    let path = golden().join(T::FILE);
    let table: table::Table<T> = table::read(&path, &fs::read(&path).unwrap(), &|_| false).unwrap();
    assert!(table.whole && table.rows.iter().all(|r| r.schema_version() == SCHEMA_VERSION));
    let now = row::header::<T>().unwrap() + &row::lines(&table.rows).unwrap();
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
fn golden_files_round_trip_byte_for_byte() {
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
