//! Times of access, which no listing compares because reading changes them.

use std::os::unix::fs::MetadataExt as _;

use handoff_import::{Rules, Staging, UntarOptions, untar};

use crate::common::archive::{Item, archive, header, padded, record};

fn accessed(records: &[u8], file: &Item) -> i64 {
    let scratch = tempfile::tempdir().unwrap();
    let staging = Staging::create(scratch.path(), "staging").unwrap();
    let extension = header(&Item::file("x", ""), b'x', "", records.len());
    let data = [&extension[..], &padded(records), &archive(std::slice::from_ref(file))].concat();
    let options =
        UntarOptions { is_lowest: true, max_bytes: 0, start_bytes: 1, reserve_bytes: 0, rules: Rules::default() };
    untar(&data[..], &staging, options).unwrap();
    std::fs::metadata(staging.path().join(&file.name)).unwrap().atime()
}

#[test]
fn time_of_access_is_never_before_that_of_the_change() {
    let file = Item::file("a", "");
    let modified = file.modified.0;
    assert_eq!(accessed(&record("atime", b"1800000000.5"), &file), 1_800_000_000);
    assert_eq!(accessed(&record("atime", b"5"), &file), modified);
    assert_eq!(accessed(&record("comment", b"none"), &file), modified);
    let old = [record("atime", b"-7"), record("mtime", b"-9")].concat();
    assert_eq!(accessed(&old, &file), 0);
    // Beyond the year 2262, Go has no nanoseconds of 64 bits.
    assert_eq!(accessed(&record("atime", b"9300000000"), &file), 0);
}
