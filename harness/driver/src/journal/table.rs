//! One CSV file in memory: its rows, and what is wrong with the rest.

use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, WriterBuilder};
use handoff_model::rows::{ConsumerRow, MeasurementRow, SpanRow};
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

use super::{JournalError, Result};

/// A row type and the file that holds it.
pub(super) trait Row: Serialize + DeserializeOwned {
    const FILE: &'static str;
    /// Columns that a file may lack, because it was written before they were added.
    const ADDED: &'static [&'static str];
    fn trial(&self) -> &str;
    fn schema_version(&self) -> u32;
}

macro_rules! row {
    ($type:ty, $file:literal, $added:expr) => {
        impl Row for $type {
            const FILE: &'static str = $file;
            const ADDED: &'static [&'static str] = $added;
            fn trial(&self) -> &str {
                &self.trial
            }
            fn schema_version(&self) -> u32 {
                self.schema_version
            }
        }
    };
}
row!(ConsumerRow, "consumers.csv", ConsumerRow::ADDED);
row!(SpanRow, "spans.csv", &[]);
row!(MeasurementRow, "measurements.csv", MeasurementRow::ADDED);

/// What a CSV file holds.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// The rows that read.
    pub rows: Vec<T>,
    /// The line of each row, from 1.
    pub lines: Vec<u64>,
    /// Columns that we do not know.
    pub unknown: Vec<String>,
    /// Whether the last line has no end: a crash tore it.
    pub torn: bool,
    /// Whether the file is what the rows would be written as: nothing torn, dropped or missing.
    pub whole: bool,
}

/// The names of a row type's columns, in order: the fields of the struct as serde sees them.
pub fn columns<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Probe<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Probe<'_> {
        type Error = serde::de::value::Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Self::Error> {
            Err(Self::Error::custom("only a struct has columns"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> std::result::Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only the columns were wanted"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &'static [&'static str] = &[];
    let _ = T::deserialize(Probe(&mut fields));
    fields
}

/// The header line of a row type's file.
pub(super) fn header<T: Row>() -> Result<String> {
    write::<T>(|w| w.write_record(columns::<T>()))
}

/// Rows as lines.
pub(super) fn lines<T: Row>(rows: &[T]) -> Result<String> {
    write::<T>(|w| rows.iter().try_for_each(|row| w.serialize(row)))
}

fn write<T: Row>(fill: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Result<String> {
    let mistake = |e: &dyn std::fmt::Display| JournalError::Misuse(format!("{} cannot be written: {e}", T::FILE));
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    fill(&mut writer).map_err(|e| mistake(&e))?;
    let bytes = writer.into_inner().map_err(|e| mistake(&e))?;
    String::from_utf8(bytes).map_err(|e| mistake(&e))
}

/// The ends of the complete records: a line end inside quotes ends none.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut quoted = false;
    bytes.iter().enumerate().filter_map(move |(i, byte)| {
        quoted ^= *byte == b'"';
        (*byte == b'\n' && !quoted).then_some(i + 1)
    })
}

/// Reads a file's bytes. A torn last line is left out and noted; anything else that does not read is an error.
pub(super) fn read<T: Row>(path: &Path, bytes: &[u8]) -> Result<Table<T>> {
    let end = records(bytes).last().unwrap_or(0);
    let torn = end < bytes.len();
    let mut table = Table { rows: Vec::new(), lines: Vec::new(), unknown: Vec::new(), torn, whole: !torn && end > 0 };
    if end == 0 {
        return Ok(table);
    }
    let mut reader = ReaderBuilder::new().from_reader(&bytes[..end]);
    let header = reader.headers().map_err(|e| row_error(path, &e, &StringRecord::new()))?.clone();
    let known = columns::<T>();
    let lacks = |name: &&&str| !header.iter().any(|h| h == **name) && !T::ADDED.contains(name);
    let missing: Vec<String> = known.iter().filter(lacks).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(JournalError::MissingColumns { path: path.to_owned(), columns: missing });
    }
    table.unknown = header.iter().filter(|name| !known.contains(name)).map(str::to_owned).collect();
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(table),
            Err(error) => return Err(row_error(path, &error, &header)),
        }
        let row: T = record.deserialize(Some(&header)).map_err(|e| row_error(path, &e, &header))?;
        table.rows.push(row);
        table.lines.push(record.position().map_or(0, csv::Position::line));
    }
}

/// Whether a file has exactly our columns in our order, so that rows can be appended to it.
pub(super) fn has_our_header<T: Row>(bytes: &[u8]) -> bool {
    records(bytes).next().is_none_or(|end| header::<T>().is_ok_and(|ours| bytes[..end] == *ours.as_bytes()))
}

fn row_error(path: &Path, error: &csv::Error, header: &StringRecord) -> JournalError {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} fields, the header {expected_len}")
        }
        ErrorKind::Utf8 { .. } => "the row is not UTF-8 text".to_owned(),
        ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|n| header.get(n as usize));
            let column = column.map(|name| format!("column `{name}`: ")).unwrap_or_default();
            format!("{column}{}", err.kind())
        }
        _ => error.to_string(),
    };
    JournalError::Row { path: path.to_owned(), line, what }
}
