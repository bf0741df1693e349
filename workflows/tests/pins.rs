//! The table of pins against the files that pin the programs: each is there at its version, and no other is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use handoff_workflows::pins::{Pins, Program};

/// Names and versions that a file pins.
fn pinned(file: &str) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)).unwrap();
    let pair = |(name, version): (&str, &str)| (name.to_owned(), version.to_owned());
    if file.ends_with("package.json") {
        let packages: Vec<&str> = text.split_once("\"dependencies\"").unwrap().1.lines().skip(1).collect();
        let lines = packages.into_iter().take_while(|l| !l.contains('}'));
        lines
            .map(|l| l.trim().trim_end_matches(',').replace('"', ""))
            .map(|l| pair(l.split_once(": ").unwrap()))
            .collect()
    } else if file.ends_with("go.mod") {
        // Its tools are of one module; all others follow from it.
        let module = |l: &&str| l.starts_with("github.com/moby/buildkit ");
        let lines = text.lines().map(str::trim).filter(module);
        lines.map(|l| pair(l.trim_end_matches(" // indirect").split_once(' ').unwrap())).collect()
    } else if file.ends_with("requirements.txt") {
        text.lines().map(|l| pair(l.split_once("==").unwrap())).collect()
    } else {
        let floors = text.lines().filter_map(|l| l.strip_prefix("floor_")?.split_whitespace().next());
        floors.map(|l| pair(l.split_once('=').unwrap())).collect()
    }
}

#[test]
fn every_program_is_pinned_at_the_version_of_the_table() {
    let pins = Pins::built_in().unwrap();
    let files: BTreeSet<&str> = pins.program.iter().map(|p| p.file.as_str()).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let of_file = |p: &&Program| p.file == file;
        let table: BTreeSet<_> =
            pins.program.iter().filter(of_file).map(|p| (p.name.clone(), p.version.clone())).collect();
        assert_eq!(
            table,
            pinned(file),
            "workflows/pins.toml (left) and {file} (right) differ: change the one that is behind"
        );
    }
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    pins.stale(today).iter().for_each(|warning| eprintln!("warning: {warning}"));
}
