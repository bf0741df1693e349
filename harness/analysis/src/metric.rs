//! The quantities that may be compared.

use handoff_records::MeasurementRow;
use serde::Serialize;

/// A time of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Producer plus slowest consumer: what a workflow waits for.
    CriticalPath,
    /// What sharing costs on top of building.
    Transfer,
    /// The producer's clock.
    Produce,
    /// The slowest consumer's clock.
    Consume,
    /// The clocks of all jobs together.
    Runner,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::CriticalPath, Self::Transfer, Self::Produce, Self::Consume, Self::Runner];

    /// The name on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CriticalPath => "critical_path",
            Self::Transfer => "transfer",
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Runner => "runner",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::CriticalPath => "critical path",
            Self::Transfer => "transfer",
            Self::Produce => "producer's time",
            Self::Consume => "slowest consumer's time",
            Self::Runner => "time of all jobs",
        }
    }

    /// Its value in a row, in ns.
    pub fn of(self, row: &MeasurementRow) -> Option<u64> {
        match self {
            Self::CriticalPath => row.critical_path_ns,
            Self::Transfer => row.transfer_ns,
            Self::Produce => row.produce_ns,
            Self::Consume => row.consume_ns,
            Self::Runner => row.runner_ns,
        }
    }
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::as_str);
        Self::ALL
            .into_iter()
            .find(|m| m.as_str() == text)
            .ok_or_else(|| format!("unknown quantity `{text}`: {}", handoff_model::nearest::hint(text, &names)))
    }
}
