//! `consumers.csv`: one row a consumer job.

use serde::{Deserialize, Serialize};

/// One consumer of one trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are documented in docs/format.md, checked by a test")]
pub struct ConsumerRow {
    pub schema_version: u32,
    pub trial: String,
    /// Number of the consumer from 1.
    pub consumer: u32,
    pub consume_ns: u64,
    pub bytes_up: Option<u64>,
    pub bytes_down: Option<u64>,
    pub requests: Option<u64>,
    pub retries: Option<u64>,
    pub cpu_ns: Option<u64>,
    pub peak_memory_bytes: Option<u64>,
    pub peak_disk_bytes: Option<u64>,
    pub index_equal: Option<bool>,
    pub config_equal: Option<bool>,
    pub layers_equal: Option<bool>,
    pub content_equal: Option<bool>,
    #[serde(default)]
    pub environment: String,
}

impl ConsumerRow {
    /// Columns that were added to schema version 1: a file from before has none of them, and reads all the same.
    pub const ADDED: &'static [&'static str] = &["environment"];
}
