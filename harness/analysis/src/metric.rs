//! The quantities that may be compared.

use handoff_model::level::levels;
use serde::{Deserialize, Serialize};

levels!(
    /// A time of a trial.
    Metric, "quantity", {
        /// Producer plus slowest consumer: what a workflow waits for.
        CriticalPath = "critical_path",
        /// Critical path without the build.
        Transfer = "transfer",
        /// The producer's clock.
        Produce = "produce",
        /// The slowest consumer's clock.
        Consume = "consume",
        /// The clocks of all jobs together.
        Runner = "runner",
    }
);

impl Metric {
    /// Name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::CriticalPath => "critical path",
            Self::Transfer => "transfer",
            Self::Produce => "producer's time",
            Self::Consume => "slowest consumer's time",
            Self::Runner => "time of all jobs",
        }
    }
}
