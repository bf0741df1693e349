//! `handoff report`: files, a newer schema, a trace, the README.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{SampleRuns, expect, handoff, request, seconds};

/// Folder of a run of six strategies.
fn sample_run() -> (SampleRuns, PathBuf) {
    let samples = SampleRuns::new();
    let six = request("artifact,cache-tar,gha-cache,local-cache,zstd-stream,rebuild", &["1GiB"], 3);
    let dir = samples.run("run", six, 2, seconds);
    (samples, dir.into())
}

/// Every file that a report writes, by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in ["report.md", "report.html"] {
        all.insert(name.to_owned(), fs::read(dir.join(name)).unwrap());
    }
    for folder in ["plots", "plots/embedded"] {
        let entries = fs::read_dir(dir.join(folder)).unwrap().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.is_file()) {
            all.insert(format!("{folder}/{}", path.file_name().unwrap().to_string_lossy()), fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn same_rows_give_the_same_files() {
    let (_samples, dir) = sample_run();
    let name = dir.display().to_string();
    let (stdout, _) = expect(&mut handoff(&["report", &name]), 0);
    for file in ["report.md", "report.html", "plots"] {
        assert!(stdout.contains(&dir.join(file).display().to_string()), "{stdout}");
    }
    let first = files(&dir);
    let names = |start: &str, end: &str| -> Vec<String> {
        let name = |n: &String| Some(n.strip_prefix(start)?.strip_suffix(end)?.to_owned()).filter(|n| !n.contains('/'));
        first.keys().filter_map(name).collect()
    };
    assert_eq!(names("plots/embedded/", "-dark.svg"), ["samples-critical-path", "timeline"], "shown in report.md");
    assert_eq!(names("plots/", ".svg"), ["fan-out", "pareto", "samples-transfer"], "linked from report.md");
    assert_eq!(names("plots/", ".png").len(), 5);
    let markdown = String::from_utf8(first["report.md"].clone()).unwrap();
    let shown = markdown.split("src=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    shown.for_each(|file| assert!(first[file].len() < 60 << 10, "{file}: {}", first[file].len()));
    // A chart of an earlier report is removed; other files stay.
    fs::write(dir.join("plots/09-timeline.svg"), "old").unwrap();
    fs::write(dir.join("plots/embedded/09-timeline-dark.svg"), "old").unwrap();
    let out = dir.join("elsewhere").display().to_string();
    fs::write(dir.join("plots/mine.txt"), "kept").unwrap();
    expect(&mut handoff(&["report", &name]), 0);
    assert!(!dir.join("plots/embedded/09-timeline-dark.svg").exists());
    assert!(!dir.join("plots/09-timeline.svg").exists() && dir.join("plots/mine.txt").exists());
    fs::remove_file(dir.join("plots/mine.txt")).unwrap();
    assert!(first == files(&dir));
    expect(&mut handoff(&["report", &name, "--out", &out]), 0);
    assert!(first == files(Path::new(&out)));
}

#[test]
fn unknown_columns_are_ignored_and_reported() {
    let (_samples, dir) = sample_run();
    let path = dir.join("measurements.csv");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut more = format!("{},flux_ns\n", lines.next().unwrap());
    more.extend(lines.map(|line| format!("{line},7\n")));
    fs::write(&path, more).unwrap();
    expect(&mut handoff(&["report", &dir.display().to_string()]), 0);
    let report = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(report.contains("unknown columns are ignored: flux_ns"), "{report}");
}

#[test]
fn trace_is_printed_and_typo_gets_a_hint() {
    let (_samples, dir) = sample_run();
    let name = dir.display().to_string();
    let trial = handoff_records::Results::read(&dir).unwrap().plan.trials[0].id.clone();
    let (trace, _) = expect(&mut handoff(&["report", &name, "--trace", &trial]), 0);
    assert!(serde_json::from_str::<serde_json::Value>(&trace).unwrap()["traceEvents"].is_array());
    assert!(!dir.join("report.md").exists(), "a trace writes nothing");
    let (_, stderr) = expect(&mut handoff(&["report", &name, "--trace", &trial[..trial.len() - 1]]), 2);
    assert!(stderr.contains(&trial), "{stderr}");
}

#[test]
fn readme_gets_chart_and_table_and_is_checked() {
    let (_samples, dir) = sample_run();
    let readme = dir.parent().unwrap().join("README.md");
    let run = |args: &[&str], code| {
        let (dir, readme) = (dir.display().to_string(), readme.display().to_string());
        let all: Vec<&str> = ["report", &dir, "--readme", &readme].into_iter().chain(args.iter().copied()).collect();
        expect(&mut handoff(&all), code).1
    };
    let block = |name: &str| format!("<!-- handoff:{name}:begin -->\n<!-- handoff:{name}:end -->\n");
    fs::write(&readme, format!("# T\n{}", block("table"))).unwrap();
    let stderr = run(&[], 2);
    assert!(stderr.contains("has no lines `<!-- handoff:chart:begin -->` and"), "{stderr}");
    fs::write(&readme, format!("# T\n{}between\n{}end\n", block("chart"), block("table"))).unwrap();
    run(&[], 0);
    run(&["--check"], 0);
    let text = fs::read_to_string(&readme).unwrap();
    assert!(text.contains("srcset=\"docs/critical-path-dark.svg\"") && text.contains("\nbetween\n"), "{text}");
    assert!(text.contains("[run](run/)"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() == 6 && rows.iter().all(|row| row.matches('|').count() == 5), "{text}");
    assert!(!dir.join("report.md").exists(), "only README and chart are written");
    let chart = readme.with_file_name("docs/critical-path.svg");
    fs::write(&chart, "old").unwrap();
    let stderr = run(&["--check"], 2);
    assert!(stderr.contains("critical-path.svg differs from the results: run `make readme`"), "{stderr}");
}
