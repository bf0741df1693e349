//! Summary of a cell: values of its completed trials, reasons of the others.

use std::collections::{BTreeMap, BTreeSet};

use handoff_model::{ByteSize, Cell, Failure, Outcome, StrategySpec};
use handoff_records::MeasurementRow;
use serde::Serialize;

use crate::identity::Identity;
use crate::input::RunRows;
use crate::metric::Metric;
use crate::spread::Spread;

/// A trial without numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FailedTrial {
    /// The run that has it.
    pub run: String,
    /// Round.
    pub round: u32,
    /// Position in the run's order.
    pub position: u32,
    /// Name.
    pub trial: String,
    /// Outcome.
    pub outcome: Outcome,
    /// The span, or the gate, in which it broke.
    pub span: String,
    /// Error in one line.
    pub error: String,
}

/// Completed trial of a cell: its run, and its times in ns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialSample {
    /// The run.
    pub run: String,
    /// The round.
    pub round: u32,
    /// Position in the run's order.
    pub position: u32,
    /// The trial.
    pub trial: String,
    /// The environment.
    pub environment: String,
    /// Producer plus slowest consumer.
    pub critical_path_ns: Option<u64>,
    /// Critical path without the build.
    pub transfer_ns: Option<u64>,
    /// The producer's clock.
    pub produce_ns: Option<u64>,
    /// The slowest consumer's clock.
    pub consume_ns: Option<u64>,
    /// All jobs' clocks.
    pub runner_ns: Option<u64>,
    /// Whether more consumers ran at once than the machine has room for: it then measures the machine.
    pub contended: bool,
    /// Whether its critical path is a far-out point of its cell: labelled, never dropped.
    pub outlier: bool,
}

impl TrialSample {
    /// A quantity, in ns.
    pub fn get(&self, metric: Metric) -> Option<u64> {
        match metric {
            Metric::CriticalPath => self.critical_path_ns,
            Metric::Transfer => self.transfer_ns,
            Metric::Produce => self.produce_ns,
            Metric::Consume => self.consume_ns,
            Metric::Runner => self.runner_ns,
        }
    }
}

/// Summary of a cell. Only completed trials enter numbers; times are in ns, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellSummary {
    /// The cell.
    pub cell: Cell,
    /// Completed trials.
    pub n: usize,
    /// The trials that did not complete, the earliest first.
    pub failures: Vec<FailedTrial>,
    /// Every completed trial, by run, round and position.
    pub samples: Vec<TrialSample>,
    /// Critical path without the build; none where nothing is shared.
    pub transfer: Option<Spread>,
    /// Producer plus slowest consumer.
    pub critical_path: Option<Spread>,
    /// The producer's clock; none without a producer.
    pub produce: Option<Spread>,
    /// The slowest consumer's clock.
    pub consume: Option<Spread>,
    /// Time in which steps of the Dockerfile were executed.
    pub build: Option<Spread>,
    /// Sum of all jobs' clocks.
    pub runner: Option<Spread>,
    /// Bytes sent to the service.
    pub bytes_up: Option<Spread>,
    /// Bytes received from the service.
    pub bytes_down: Option<Spread>,
    /// Bytes that the service holds after the producer.
    pub bytes_stored: Option<Spread>,
    /// Artifacts or cache entries that the service holds after the producer.
    pub entries_stored: Option<Spread>,
    /// Requests of all jobs.
    pub requests: Option<Spread>,
    /// Requests that repeated another one.
    pub retries: Option<Spread>,
    /// Sum of the uncompressed layers that arrived.
    pub image_bytes: Option<Spread>,
    /// Identity of the received images with the built images.
    pub identity: Identity,
    /// Parts per million of the critical path that are the harness's own: wall time that no child's span covers, plus
    /// its CPU time.
    pub harness_ppm: Option<Spread>,
    /// Origins of the tars (`output`, `save`), if there are any.
    pub sources: BTreeSet<String>,
    /// The programs that moved the bytes, as far as any did.
    pub clients: BTreeSet<String>,
    /// How the image came into the consumers' engines (`import`, `pull`), as far as rows say it.
    pub imports: BTreeSet<String>,
    /// The environments of the completed trials.
    pub environments: BTreeSet<String>,
}

impl CellSummary {
    /// All trials of the cell that have a row.
    pub fn trials(&self) -> usize {
        self.n + self.failures.len()
    }

    /// The summary's spread of a quantity.
    pub fn spread(&self, metric: Metric) -> Option<&Spread> {
        match metric {
            Metric::CriticalPath => self.critical_path.as_ref(),
            Metric::Transfer => self.transfer.as_ref(),
            Metric::Produce => self.produce.as_ref(),
            Metric::Consume => self.consume.as_ref(),
            Metric::Runner => self.runner.as_ref(),
        }
    }

    /// Reason why the plan left out the whole cell, if it did.
    pub fn left_out(&self) -> Option<&str> {
        let planned = |f: &&FailedTrial| f.outcome == Outcome::Skipped && f.span == Failure::PLAN;
        let first = self.failures.first().filter(planned)?;
        (self.n == 0 && self.failures.iter().all(|f| planned(&f))).then_some(&first.error)
    }

    /// Whether completed trials tell what a strategy takes: none of them shared the cores with too many others.
    pub(crate) fn is_usable(&self) -> bool {
        !self.cell.control && self.n > 0 && self.samples.iter().all(|s| !s.contended)
    }

    fn of(cell: Cell, rows: &[(&str, &MeasurementRow)]) -> Self {
        let of_run: Vec<(&str, &MeasurementRow)> =
            rows.iter().filter(|(_, r)| r.outcome == Outcome::Completed).copied().collect();
        let done: Vec<&MeasurementRow> = of_run.iter().map(|(_, r)| *r).collect();
        let mut failures: Vec<FailedTrial> =
            rows.iter().filter(|(_, r)| r.outcome != Outcome::Completed).map(|(run, r)| failed(run, r)).collect();
        failures.sort();
        let far: Vec<u64> =
            Spread::of(done.iter().filter_map(|r| r.critical_path_ns)).map(|s| s.outliers()).unwrap_or_default();
        let mut samples: Vec<TrialSample> = of_run.iter().map(|(run, r)| sample(run, r, &far)).collect();
        samples.sort_by(|a, b| (&a.run, a.round, a.position, &a.trial).cmp(&(&b.run, b.round, b.position, &b.trial)));
        let spread = |pick: fn(&MeasurementRow) -> Option<u64>| Spread::of(done.iter().filter_map(|r| pick(r)));
        let names = |pick: fn(&MeasurementRow) -> &String| {
            done.iter().map(|r| pick(r)).filter(|s| !s.is_empty()).cloned().collect()
        };
        Self {
            n: done.len(),
            failures,
            samples,
            transfer: spread(|r| r.transfer_ns),
            critical_path: spread(|r| r.critical_path_ns),
            produce: spread(|r| r.produce_ns),
            consume: spread(|r| r.consume_ns),
            build: spread(|r| r.build_ns),
            runner: spread(|r| r.runner_ns),
            bytes_up: spread(|r| r.bytes_up),
            bytes_down: spread(|r| r.bytes_down),
            bytes_stored: spread(|r| r.bytes_stored),
            entries_stored: spread(|r| r.entries_stored),
            requests: spread(|r| r.requests),
            retries: spread(|r| r.retries),
            image_bytes: spread(|r| r.image_bytes),
            identity: Identity::of(done.iter().copied()),
            harness_ppm: spread(harness_ppm),
            sources: names(|r| &r.source),
            clients: names(|r| &r.client),
            imports: names(|r| &r.import),
            environments: names(|r| &r.environment),
            cell,
        }
    }
}

/// The same over several runs; each sample says which it is of.
pub(crate) fn summaries_of(runs: &[RunRows<'_>]) -> Vec<CellSummary> {
    let mut cells: BTreeMap<Cell, Vec<(&str, &MeasurementRow)>> = BTreeMap::new();
    for run in runs {
        for row in run.measurements {
            cells.entry(cell(row)).or_default().push((run.run, row));
        }
    }
    cells.into_iter().map(|(cell, rows)| CellSummary::of(cell, &rows)).collect()
}

/// The row's cell. A variant that does not read (the journal lets none through) still keeps its rows together.
pub(crate) fn cell(row: &MeasurementRow) -> Cell {
    row.cell().unwrap_or_else(|_| Cell {
        strategy: StrategySpec::plain(&format!("{}:{}", row.strategy, row.variant)),
        workload: row.workload.clone(),
        size: ByteSize(row.size_bytes),
        conditions: row.conditions(),
        control: row.control,
    })
}

fn failed(run: &str, row: &MeasurementRow) -> FailedTrial {
    FailedTrial {
        run: run.to_owned(),
        round: row.round,
        position: row.position,
        trial: row.trial.clone(),
        outcome: row.outcome,
        span: row.failed_span.clone(),
        error: row.error.clone(),
    }
}

fn sample(run: &str, row: &MeasurementRow, far: &[u64]) -> TrialSample {
    TrialSample {
        run: run.to_owned(),
        round: row.round,
        position: row.position,
        trial: row.trial.clone(),
        environment: row.environment.clone(),
        critical_path_ns: row.critical_path_ns,
        transfer_ns: row.transfer_ns,
        produce_ns: row.produce_ns,
        consume_ns: row.consume_ns,
        runner_ns: row.runner_ns,
        contended: row.contended,
        outlier: row.critical_path_ns.is_some_and(|ns| far.contains(&ns)),
    }
}

fn harness_ppm(row: &MeasurementRow) -> Option<u64> {
    let harness = row.harness_wall_ns?.checked_add(row.harness_cpu_ns?)?;
    let path = row.critical_path_ns.filter(|ns| *ns > 0)?;
    Some((u128::from(harness) * 1_000_000 / u128::from(path)) as u64)
}

#[cfg(test)]
mod tests;
