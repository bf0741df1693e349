//! `measurements.csv`: one row a trial, appended last: it is the commit record of the trial.

use handoff_model::Cell;
use handoff_model::conditions::{Conditions, older};
use handoff_model::outcome::Outcome;
use handoff_model::plan::SCHEMA_VERSION;
use handoff_model::size::ByteSize;
use handoff_model::strategy::{StrategyError, StrategySpec};
use handoff_model::with_conditions;
use serde::{Deserialize, Serialize};

use super::measured::Measurement;

/// Adds the columns of numbers to those of the conditions; each list stands in one place of the row.
macro_rules! measurement_row {
    ($($conditions:tt)*) => {
        row! {
            traffic { bytes_up bytes_down bytes_stored entries_stored requests retries connections }
            jobs_and_service {
                producer_cpu_ns consumer_cpu_ns service_cpu_ns
                producer_peak_memory_bytes consumer_peak_memory_bytes service_peak_memory_bytes
                producer_peak_disk_bytes consumer_peak_disk_bytes harness_wall_ns harness_cpu_ns
            }
            machine_state { cpu_pressure_ns steal_ns settle_ns }
            added {
                entries_reused bytes_reused producer_steps_executed producer_steps_cached queue_ns throttled
                producer_written_bytes spans
            }
            $($conditions)*
        }
    };
}

/// Writes the row down, each group of columns in its place.
macro_rules! row {
    (
        traffic { $($traffic:ident)* }
        jobs_and_service { $($usage:ident)* }
        machine_state { $($state:ident)* }
        added { $($added:ident)* }
        machine { $($(#[$machine_attribute:meta])* $machine:ident: $machine_type:ty, $machine_facts:tt;)* }
        link { $($(#[$link_attribute:meta])* $link:ident: $link_type:ty, $link_facts:tt;)* }
        jobs { $($(#[$jobs_attribute:meta])* $jobs:ident: $jobs_type:ty, $jobs_facts:tt;)* }
        at_once { $($(#[$at_once_attribute:meta])* $at_once:ident: $at_once_type:ty, $at_once_facts:tt, $at_once_older:literal;)* }
        newest { $($(#[$newest_attribute:meta])* $newest:ident: $newest_type:ty, $newest_facts:tt, $newest_older:literal;)* }
    ) => {
        /// One line of `measurements.csv`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the columns are documented in docs/format.md, checked by a test")]
        pub struct MeasurementRow {
            pub schema_version: u32,
            pub trial: String,
            pub round: u32,
            pub position: u32,
            pub strategy: String,
            pub variant: String,
            pub workload: String,
            pub size_bytes: u64,
            $(pub $link: $link_type,)*
            $(pub $machine: $machine_type,)*
            pub source: String,
            pub client: String,
            $(pub $jobs: $jobs_type,)*
            pub control: bool,
            pub environment: String,
            pub started_at: String,
            pub outcome: Outcome,
            pub failed_span: String,
            pub error: String,
            pub produce_ns: Option<u64>,
            pub consume_ns: Option<u64>,
            pub critical_path_ns: Option<u64>,
            pub runner_ns: Option<u64>,
            pub build_ns: Option<u64>,
            pub transfer_ns: Option<u64>,
            $(pub $traffic: Option<u64>,)*
            pub index_equal: Option<bool>,
            pub config_equal: Option<bool>,
            pub layers_equal: Option<bool>,
            pub content_equal: Option<bool>,
            pub identity_note: String,
            pub image_bytes: Option<u64>,
            $(pub $usage: Option<u64>,)*
            pub load_1m: Option<f64>,
            $(pub $state: Option<u64>,)*
            pub seed: u64,
            pub nonce: String,
            $(#[serde(default = $at_once_older)] pub $at_once: $at_once_type,)*
            #[serde(default)]
            pub contended: bool,
            $(#[serde(default)] pub $added: Option<u64>,)*
            $(#[serde(default = $newest_older)] pub $newest: $newest_type,)*
            #[serde(default)]
            pub import: String,
        }

        impl MeasurementRow {
            /// Columns that were added to schema version 1: a file from before has none of them, and reads all the same.
            pub const ADDED: &'static [&'static str] = &[
                $(stringify!($at_once),)*
                "contended",
                $(stringify!($added),)*
                $(stringify!($newest),)*
                "import",
            ];
        }

        impl From<&Measurement> for MeasurementRow {
            fn from(m: &Measurement) -> Self {
                let done = m.result.as_ref().ok();
                let (outcome, failure) = match &m.result {
                    Ok(_) => (Outcome::Completed, None),
                    Err((outcome, failure)) => (*outcome, Some(failure)),
                };
                let Cell { strategy, workload, size, conditions, control } = &m.trial.cell;
                Self {
                    schema_version: SCHEMA_VERSION,
                    trial: m.trial.id.clone(),
                    round: m.trial.round,
                    position: m.trial.position,
                    strategy: strategy.name.clone(),
                    variant: strategy.variant(),
                    workload: workload.clone(),
                    size_bytes: size.bytes(),
                    $($link: Clone::clone(&conditions.$link),)*
                    $($machine: Clone::clone(&conditions.$machine),)*
                    source: m.source.clone(),
                    client: m.client.clone(),
                    $($jobs: Clone::clone(&conditions.$jobs),)*
                    control: *control,
                    environment: m.environment.clone().unwrap_or_default(),
                    started_at: m.started_at.clone().unwrap_or_default(),
                    outcome,
                    failed_span: failure.map(|f| f.span.clone()).unwrap_or_default(),
                    error: failure.map(|f| f.error.clone()).unwrap_or_default(),
                    produce_ns: done.and_then(|d| d.produce_ns),
                    consume_ns: done.map(|d| d.consume_ns),
                    critical_path_ns: done.map(|d| d.critical_path_ns()),
                    runner_ns: done.map(|d| d.runner_ns),
                    build_ns: done.and_then(|d| d.build_ns),
                    transfer_ns: done.and_then(|d| d.transfer_ns()),
                    $($traffic: done.and_then(|d| d.$traffic),)*
                    index_equal: m.identity.index,
                    config_equal: m.identity.config,
                    layers_equal: m.identity.layers,
                    content_equal: m.identity.content,
                    identity_note: m.identity.note.clone(),
                    image_bytes: done.and_then(|d| d.image_bytes),
                    $($usage: done.and_then(|d| d.$usage),)*
                    load_1m: done.and_then(|d| d.load_1m),
                    $($state: done.and_then(|d| d.$state),)*
                    seed: m.seed,
                    nonce: m.trial.nonce.clone(),
                    $($at_once: Clone::clone(&conditions.$at_once),)*
                    $($newest: Clone::clone(&conditions.$newest),)*
                    contended: m.contended,
                    import: m.import.clone(),
                    entries_reused: done.and_then(|d| d.entries_reused),
                    bytes_reused: done.and_then(|d| d.bytes_reused),
                    producer_steps_executed: done.and_then(|d| d.producer_steps).map(|s| s.executed),
                    producer_steps_cached: done.and_then(|d| d.producer_steps).map(|s| s.cached),
                    throttled: done.and_then(|d| d.throttled),
                    producer_written_bytes: done.and_then(|d| d.producer_written_bytes),
                    queue_ns: m.queue_ns,
                    // Counted by the journal, which writes the rows of spans beside this one.
                    spans: None,
                }
            }
        }

        impl MeasurementRow {
            /// The conditions of the trial.
            pub fn conditions(&self) -> Conditions {
                Conditions {
                    $($machine: Clone::clone(&self.$machine),)*
                    $($link: Clone::clone(&self.$link),)*
                    $($jobs: Clone::clone(&self.$jobs),)*
                    $($at_once: Clone::clone(&self.$at_once),)*
                    $($newest: Clone::clone(&self.$newest),)*
                }
            }
        }
    };
}
with_conditions!(measurement_row);

impl MeasurementRow {
    /// The strategy with its options.
    ///
    /// # Errors
    /// A variant that cannot be parsed.
    pub fn spec(&self) -> Result<StrategySpec, StrategyError> {
        if self.variant.is_empty() {
            Ok(StrategySpec::plain(&self.strategy))
        } else {
            format!("{}:{}", self.strategy, self.variant).parse()
        }
    }

    /// The cell that the row belongs to.
    ///
    /// # Errors
    /// A variant that cannot be parsed.
    pub fn cell(&self) -> Result<Cell, StrategyError> {
        Ok(Cell {
            strategy: self.spec()?,
            workload: self.workload.clone(),
            size: ByteSize(self.size_bytes),
            conditions: self.conditions(),
            control: self.control,
        })
    }
}

#[cfg(test)]
mod tests;
