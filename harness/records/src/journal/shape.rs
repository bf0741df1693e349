//! Recognises files that a spreadsheet, an editor or a cut-off copy has changed as a whole, before any row is read.

use std::collections::HashSet;
use std::path::Path;

use super::row::{Row, columns, records};
use super::{JournalError, Result};

/// Checks what concerns a CSV file as a whole: line ends, separators, marks in front, a header that is all there.
pub(super) fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    let refuse = |what: &str| Err(JournalError::Shape { path: path.to_owned(), line: 1, what: what.to_owned() });
    let spreadsheet = |what: &str| refuse(&format!("it looks as if a spreadsheet saved it: {what}"));
    if bytes.is_empty() {
        return refuse("the file is empty, its header line is lost");
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return spreadsheet("it begins with a byte order mark");
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return spreadsheet("it is UTF-16, not UTF-8");
    }
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let header = first.strip_suffix(b"\r").unwrap_or(first);
    if header.contains(&b'\r') || (first.len() == bytes.len() && bytes.contains(&b'\r')) {
        return spreadsheet("its lines end in CR");
    }
    for (separator, name) in [(b';', "semicolons"), (b'\t', "tabs")] {
        if header.contains(&separator) && !header.contains(&b',') {
            return spreadsheet(&format!("its fields are separated by {name}"));
        }
    }
    if records(bytes).next().is_none() {
        return refuse("the header line is cut off");
    }
    Ok(())
}

/// Checks that a header has our columns, each once and in our order. Columns that we do not know may stand between them.
pub(super) fn check_header<T: Row>(path: &Path, header: &[&str]) -> Result<()> {
    let refuse = |what: String| Err(JournalError::Shape { path: path.to_owned(), line: 1, what });
    let known = columns::<T>();
    // Columns were added one after the other: a file that has a later one was written with all earlier ones.
    let newest = T::ADDED.iter().rposition(|name| header.contains(name)).map_or(0, |at| at + 1);
    let lacks = |name: &&&str| !header.contains(name) && !T::ADDED[newest..].contains(name);
    let missing: Vec<String> = known.iter().filter(lacks).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(JournalError::MissingColumns { path: path.to_owned(), columns: missing });
    }
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(**name)) {
        return refuse(format!("column `{twice}` is there twice"));
    }
    let position = |name: &&str| known.iter().position(|k| k == name);
    let ours: Vec<&str> = header.iter().copied().filter(|name| known.contains(name)).collect();
    match ours.windows(2).find(|pair| position(&pair[0]) > position(&pair[1])) {
        Some(pair) => refuse(format!("column `{}` is before `{}`, so columns were moved", pair[0], pair[1])),
        None => Ok(()),
    }
}

/// The bytes with `\n` at the end of each record, and the first line that ended in `\r\n` instead.
pub(super) fn without_cr(bytes: &[u8]) -> (Vec<u8>, Option<u64>) {
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut start, mut first) = (0, None);
    for end in records(bytes) {
        let record = &bytes[start..end - 1];
        let kept = record.strip_suffix(b"\r").unwrap_or(record);
        if kept.len() < record.len() && first.is_none() {
            first = Some(line_of(bytes, start));
        }
        plain.extend_from_slice(kept);
        plain.push(b'\n');
        start = end;
    }
    plain.extend_from_slice(&bytes[start..]);
    (plain, first)
}

/// The line, from 1, in which a byte stands.
pub(super) fn line_of(bytes: &[u8], at: usize) -> u64 {
    bytes[..at].split(|b| *b == b'\n').count() as u64
}
