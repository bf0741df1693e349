//! A kill at any byte costs at most the trial under way.

use super::*;

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
fn kill_at_any_byte_loses_only_the_current_trial() {
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
    fn repeatedly_killed_run_ends_with_the_same_rows(cuts in prop::collection::vec(0.0f64..1.0, 1..5)) {
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
    fn truncated_file_is_resumed_or_refused_with_file_and_line(which in 0usize..3, cut in 0.0f64..1.0) {
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
    fn text_with_quotes_and_line_breaks_is_one_row(detail in "\\PC{0,20}[\"\n\r,]{0,4}", tail in 1usize..40) {
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
