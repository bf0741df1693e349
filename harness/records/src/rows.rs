//! The wire types: one struct per CSV file, one field per column. `docs/format.md` says what each means.
//!
//! Times are whole nanoseconds, sizes whole bytes, and a value that does not exist is an empty field. The
//! types in memory ([`Measurement`]) make a failed trial with times impossible to write down.

mod consumer;
mod contradiction;
mod measured;
mod measurement;
mod span;

pub use consumer::ConsumerRow;
pub use measured::{Measured, Measurement};
pub use measurement::MeasurementRow;
pub use span::SpanRow;
