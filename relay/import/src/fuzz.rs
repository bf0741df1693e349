//! Entry point of fuzzers: unpacks arbitrary bytes beside a canary.

use std::fs;
use std::io;
use std::path::Path;

use crate::attributes::apply_attributes;
use crate::error::Error;
use crate::rules::Rules;
use crate::staging::Staging;
use crate::untar::{UntarOptions, Untarred, untar};

/// Text of the file that no layer may change.
const CANARY: &str = "canary";
/// Largest sum of a fuzzed layer's files.
const MAX_BYTES: u64 = 1 << 20;

/// Unpacks bytes as a layer into a folder of its own in `scratch`, which it removes, and checks that nothing else changed.
///
/// # Errors
///
/// The layer's error: most inputs have one.
///
/// # Panics
///
/// If a file outside the staging folder changed, or something is left of the folder.
pub fn fuzz_untar(scratch: &Path, bytes: &[u8]) -> Result<Untarred, Error> {
    watch(scratch, |staging, lower| {
        // The first byte of a real layer is a letter of a name: both kinds of layers are tried.
        let is_lowest = bytes.first().is_some_and(|b| b % 2 == 0);
        let options =
            UntarOptions { is_lowest, max_bytes: MAX_BYTES, start_bytes: 0, reserve_bytes: 0, rules: Rules::default() };
        let untarred = untar(bytes, staging, options)?;
        apply_attributes(staging, &untarred.undescribed, &[lower.to_owned()], Rules::default())?;
        Ok(untarred)
    })
}

/// Runs code that may write into a staging folder, and checks that it changed nothing else.
///
/// The code gets the folder and one of a layer below. Tests pass code with a planted bug.
///
/// # Errors
///
/// The error of the code.
///
/// # Panics
///
/// If a file outside the staging folder changed, or something is left of the folder.
#[doc(hidden)]
pub fn watch<T>(scratch: &Path, unpack: impl FnOnce(&Staging, &Path) -> Result<T, Error>) -> Result<T, Error> {
    let outside = scratch.join("outside");
    let lower = outside.join("lower");
    fs::create_dir_all(lower.join("a/b"))
        .and_then(|()| fs::write(outside.join("file"), CANARY))
        .and_then(|()| fs::write(lower.join("c"), CANARY))
        .expect("a scratch folder");
    let before = listing(scratch).expect("a scratch folder");
    let result = Staging::create(scratch, "staging").and_then(|staging| {
        let result = unpack(&staging, &lower)?;
        staging.remove()?;
        Ok(result)
    });
    let after = listing(scratch).expect("a scratch folder");
    assert!(before == after, "a layer changed something outside its staging folder");
    result
}

/// Names, modes, owners, links and contents of everything in a folder.
fn listing(folder: &Path) -> io::Result<Vec<String>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let meta = fs::symlink_metadata(&path)?;
            let content = if meta.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
            let (mode, uid, gid, links) = (meta.mode(), meta.uid(), meta.gid(), meta.nlink());
            lines.push(format!("{} {mode:o} {uid} {gid} {links} {content}", path.display()));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    lines.sort();
    Ok(lines)
}
