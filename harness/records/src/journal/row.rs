//! Row types as the text of their CSV files.

use csv::WriterBuilder;
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

use super::{JournalError, Result};
use crate::rows::{ConsumerRow, MeasurementRow, SpanRow};

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
