//! CSV file in memory: its rows, and the faults of the others.

use std::ops::RangeInclusive;
use std::path::Path;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, StringRecord, Terminator};

use super::row::{Row, columns, header, records};
use super::{JournalError, Result, shape};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

/// Content of a CSV file.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// The rows that read.
    pub rows: Vec<T>,
    /// The line of each row, from 1.
    pub lines: Vec<u64>,
    /// The rows that do not.
    pub bad: Vec<BadRow>,
    /// Columns that we do not know.
    pub unknown: Vec<String>,
    /// Text after the last line end, left by a crash or an editor.
    pub torn: Option<Torn>,
    /// The first line that ends in CR LF.
    pub crlf: Option<u64>,
    /// Lines without anything in them.
    pub blank: Vec<u64>,
    /// Whether the file is what the rows would be written as: nothing torn, dropped or missing.
    pub whole: bool,
}

/// The rows of a folder.
#[derive(Debug)]
pub(super) struct Rows {
    pub consumers: Table<ConsumerRow>,
    pub spans: Table<SpanRow>,
    pub measurements: Table<MeasurementRow>,
}

/// A row that does not read.
#[derive(Debug)]
pub(super) struct BadRow {
    /// Line, or its lines where an open quote has swallowed line ends.
    pub lines: RangeInclusive<u64>,
    /// The trials that it is of, as far as that can be read.
    pub trials: Vec<String>,
    pub what: String,
}

/// A last line without its end.
#[derive(Debug)]
pub(super) struct Torn {
    pub line: u64,
    /// The trial that it names, maybe cut off too.
    pub trial: String,
}

/// Reads a file's bytes. What does not read is left out and kept apart, with its line; a file without our header, or
/// one that was changed as a whole, is an error. `planned` says which names are trials of the plan.
pub(super) fn read<T: Row>(path: &Path, bytes: &[u8], planned: &dyn Fn(&str) -> bool) -> Result<Table<T>> {
    shape::check(path, bytes)?;
    let (bytes, crlf) = shape::without_cr(bytes);
    let end = records(&bytes).last().unwrap_or(0);
    let mut table = Table {
        rows: Vec::new(),
        lines: Vec::new(),
        bad: Vec::new(),
        unknown: Vec::new(),
        torn: None,
        crlf,
        blank: Vec::new(),
        whole: crlf.is_none() && end == bytes.len(),
    };
    // Only `\n` ends a line: with the default a lone CR inside of a row would, too.
    let mut reader = ReaderBuilder::new().flexible(true).terminator(Terminator::Any(b'\n')).from_reader(&bytes[..end]);
    let shaped = |what: String| JournalError::Shape { path: path.to_owned(), line: 1, what };
    let header = reader.headers().map_err(|_| shaped("the header is not UTF-8 text".to_owned()))?.clone();
    shape::check_header::<T>(path, &header.iter().collect::<Vec<_>>())?;
    table.unknown = header.iter().filter(|name| !columns::<T>().contains(name)).map(str::to_owned).collect();
    let mut record = ByteRecord::new();
    loop {
        let start = reader.position().clone();
        // The reader reads from memory and takes any number of fields: it has no other error than a mistake of ours.
        let more = reader.read_byte_record(&mut record).map_err(|e| shaped(e.to_string()))?;
        // The reader passes over blank lines before a record, and counts them as the record's.
        let from = start.byte() as usize;
        let passed = bytes[from..end].iter().take_while(|b| **b == b'\n').count();
        let line = start.line() + passed as u64;
        table.blank.extend(start.line()..line);
        if !more {
            break;
        }
        let to = reader.position().byte() as usize;
        let swallowed = swallowed(&bytes[from + passed..to], line, planned);
        let last = swallowed.last().map_or(line, |(line, _)| *line);
        let parsed = if swallowed.is_empty() { row::<T>(&record, &header) } else { Err(QUOTE.to_owned()) };
        match parsed {
            Ok(row) => {
                table.rows.push(row);
                table.lines.push(line);
            }
            Err(what) => {
                let trial = named(record.get(1).unwrap_or_default(), planned);
                let trials = trial.into_iter().chain(swallowed.into_iter().map(|(_, trial)| trial)).collect();
                table.bad.push(BadRow { lines: line..=last, trials, what });
            }
        }
    }
    table.whole &= table.blank.is_empty();
    rest(&mut table, &bytes, end, planned);
    Ok(table)
}

const QUOTE: &str = "a quote is opened and not closed in its line, so that it swallows the lines below";

/// Handles text after the last complete record: a torn line, or lines that an open quote has swallowed.
fn rest<T>(table: &mut Table<T>, bytes: &[u8], end: usize, planned: &dyn Fn(&str) -> bool) {
    let left = &bytes[end..];
    if left.is_empty() {
        return;
    }
    let line = shape::line_of(bytes, end);
    let trial = left.split(|b| *b == b',').nth(1).unwrap_or_default();
    let swallowed = swallowed(left, line, planned);
    match swallowed.last() {
        None => table.torn = Some(Torn { line, trial: String::from_utf8_lossy(trial).into_owned() }),
        Some((last, _)) => {
            let lines = line..=*last;
            let trials = named(trial, planned).into_iter().chain(swallowed.into_iter().map(|(_, t)| t)).collect();
            table.bad.push(BadRow { lines, trials, what: QUOTE.to_owned() });
        }
    }
}

/// The lines inside of one record that look like rows of their own, with their trials.
fn swallowed(record: &[u8], first: u64, planned: &dyn Fn(&str) -> bool) -> Vec<(u64, String)> {
    let lines = record.split(|b| *b == b'\n').zip(first..).skip(1);
    let looks = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b',');
        let version = fields.next()?;
        let digits = !version.is_empty() && version.iter().all(u8::is_ascii_digit);
        named(fields.next()?, planned).filter(|_| digits)
    };
    lines.filter_map(|(text, line)| Some((line, looks(text)?))).collect()
}

/// A field, if it is the name of a trial of the plan.
fn named(field: &[u8], planned: &dyn Fn(&str) -> bool) -> Option<String> {
    std::str::from_utf8(field).ok().filter(|name| planned(name)).map(str::to_owned)
}

/// Numbers above this are no measurement: 104 days in nanoseconds, 9 petabytes. Sums of smaller ones cannot overflow.
const PLAUSIBLE: u64 = 1 << 53;

/// One row, or why it does not read.
fn row<T: Row>(record: &ByteRecord, header: &StringRecord) -> std::result::Result<T, String> {
    if record.len() != header.len() {
        return Err(format!("the row has {} fields, the header {}", record.len(), header.len()));
    }
    let record = StringRecord::from_byte_record(record.clone()).map_err(|_| "the row is not UTF-8 text".to_owned())?;
    if record.iter().any(|field| field.contains('\0')) {
        return Err("the row holds a NUL byte".to_owned());
    }
    let counts = |name: &str| name.ends_with("_ns") || name.contains("bytes") || COUNTS.contains(&name);
    let large = |field: &str| field.parse::<u64>().is_ok_and(|n| n > PLAUSIBLE);
    if let Some((name, field)) = header.iter().zip(&record).find(|(name, field)| counts(name) && large(field)) {
        return Err(format!("column `{name}`: {field} is more than any trial can have"));
    }
    record.deserialize(Some(header)).map_err(|e| row_error(&e, header))
}

/// Columns of numbers whose names do not say so.
const COUNTS: [&str; 5] = ["requests", "retries", "connections", "entries_stored", "entries_reused"];

/// Whether a file has exactly our columns in our order, so that rows can be appended to it.
pub(super) fn has_our_header<T: Row>(bytes: &[u8]) -> bool {
    records(bytes).next().is_none_or(|end| header::<T>().is_ok_and(|ours| bytes[..end] == *ours.as_bytes()))
}

fn row_error(error: &csv::Error, header: &StringRecord) -> String {
    match error.kind() {
        ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|n| header.get(n as usize));
            let column = column.map(|name| format!("column `{name}`: ")).unwrap_or_default();
            format!("{column}{}", err.kind())
        }
        _ => error.to_string(),
    }
}
