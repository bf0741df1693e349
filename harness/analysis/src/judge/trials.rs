//! The trials of one run, by cell.

use std::collections::{BTreeMap, HashMap};

use handoff_model::span::union_ns;
use handoff_model::{Cell, Outcome, Role, SpanKind, StrategySpec};
use handoff_records::{ConsumerRow, MeasurementRow, SpanRow};

use crate::claims::{Claim, Quantity, Where, is_named};
use crate::input::RunRows;
use crate::judgement::Evidence;
use crate::summary::cell;

/// Rows of one cell.
pub(super) type Rows<'s, 'a> = &'s [&'a MeasurementRow];

/// Trials of a run, without those of the control.
pub(super) struct Trials<'a> {
    pub run: &'a str,
    cells: BTreeMap<Cell, Vec<&'a MeasurementRow>>,
    spans: HashMap<&'a str, Vec<&'a SpanRow>>,
    slowest: HashMap<&'a str, &'a ConsumerRow>,
}

impl<'a> Trials<'a> {
    pub(super) fn new(rows: &RunRows<'a>) -> Self {
        let mut cells: BTreeMap<Cell, Vec<&MeasurementRow>> = BTreeMap::new();
        for row in rows.measurements.iter().filter(|r| !r.control) {
            cells.entry(cell(row)).or_default().push(row);
        }
        let mut spans: HashMap<&str, Vec<&SpanRow>> = HashMap::new();
        for span in rows.spans {
            spans.entry(&span.trial).or_default().push(span);
        }
        let mut slowest: HashMap<&str, &ConsumerRow> = HashMap::new();
        for row in rows.consumers {
            let entry = slowest.entry(&row.trial).or_insert(row);
            if row.consume_ns > entry.consume_ns {
                *entry = row;
            }
        }
        Self { run: rows.run, cells, spans, slowest }
    }

    /// Cells of a strategy that belong to an experiment, one for each workload, size and conditions: the one with exactly the
    /// options named, else one whose other options only spell out the recipe.
    pub(super) fn cells<'s>(&'s self, spec: &StrategySpec, conditions: &Where) -> Vec<(&'s Cell, Rows<'s, 'a>)> {
        let mut all: Vec<(&Cell, Rows<'_, 'a>)> = Vec::new();
        for (cell, rows) in self.named(spec).filter(|(cell, _)| conditions.is_experiment(cell)) {
            if !all.iter().any(|(c, _)| same_group(c, cell)) {
                all.push((cell, rows));
            }
        }
        all.sort_by_key(|(cell, _)| *cell);
        all
    }

    /// The cell of a strategy in the group of another cell.
    pub(super) fn beside<'s>(&'s self, cell: &Cell, spec: &StrategySpec) -> Option<Rows<'s, 'a>> {
        self.named(spec).find(|(c, _)| same_group(c, cell)).map(|(_, rows)| rows)
    }

    /// Evidence of each cell of a strategy of which `judge` has some, unless the cell departs from the recipe.
    pub(super) fn judge_cells<'s>(
        &'s self,
        claim: &Claim,
        strategy: &StrategySpec,
        judge: impl Fn(&'s Cell, Rows<'s, 'a>) -> Option<Evidence>,
    ) -> Vec<Evidence> {
        let one = |(cell, rows)| Some(judge(cell, rows)?.unless_it_departs(claim.conditions.departures(cell)));
        self.cells(strategy, &claim.conditions).into_iter().filter_map(one).collect()
    }

    /// Cells of a strategy: those with exactly the options named come first.
    fn named<'s>(&'s self, spec: &StrategySpec) -> impl Iterator<Item = (&'s Cell, Rows<'s, 'a>)> {
        let exact = |cell: &Cell| cell.strategy == *spec;
        let of = |wanted: bool| {
            let named = move |(cell, _): &(&Cell, _)| is_named(spec, &cell.strategy) && exact(cell) == wanted;
            self.cells.iter().filter(named).map(|(cell, rows)| (cell, rows.as_slice()))
        };
        of(true).chain(of(false)).collect::<Vec<_>>().into_iter()
    }

    /// A quantity of a completed trial.
    pub(super) fn value(&self, row: &MeasurementRow, quantity: Quantity) -> Option<u64> {
        match quantity {
            _ if row.outcome != Outcome::Completed => None,
            Quantity::Transfer => row.transfer_ns,
            Quantity::Consume => row.consume_ns,
            Quantity::Upload => self.span(row, Role::Producer, SpanKind::Upload).map(|(ns, _)| ns),
            Quantity::Download => self.span(row, Role::Consumer, SpanKind::Download).map(|(ns, _)| ns),
            Quantity::BytesStored => row.bytes_stored,
            Quantity::EntriesStored => row.entries_stored,
            Quantity::EntriesReused => row.entries_reused,
            Quantity::ProducerWrittenBytes => row.producer_written_bytes,
        }
    }

    /// Whether a trial has any span.
    pub(super) fn has_spans(&self, row: &MeasurementRow) -> bool {
        self.spans.contains_key(row.trial.as_str())
    }

    /// Time with a span of a kind open on one side (of several consumers the slowest), and the bytes of these spans. None
    /// without such a span.
    pub(super) fn span(&self, row: &MeasurementRow, role: Role, kind: SpanKind) -> Option<(u64, Option<u64>)> {
        let consumer = (role == Role::Consumer).then(|| self.slowest.get(row.trial.as_str()).map_or(1, |c| c.consumer));
        let spans: Vec<&&SpanRow> = self
            .spans
            .get(row.trial.as_str())?
            .iter()
            .filter(|s| s.role == role && s.span == kind && (consumer.is_none() || s.consumer == consumer))
            .collect();
        let ns = union_ns(spans.iter().map(|s| (s.start_ns, s.end_ns)));
        let bytes = spans.iter().filter_map(|s| s.bytes).reduce(u64::saturating_add);
        (!spans.is_empty()).then_some((ns, bytes))
    }
}

/// Whether two cells differ in their strategy alone.
fn same_group(a: &Cell, b: &Cell) -> bool {
    a.workload == b.workload && a.size == b.size && a.conditions == b.conditions
}

/// Rows that completed.
pub(super) fn completed<'r, 'a>(
    rows: &'r [&'a MeasurementRow],
) -> impl Iterator<Item = &'a MeasurementRow> + use<'r, 'a> {
    rows.iter().filter(|r| r.outcome == Outcome::Completed).copied()
}

/// Trials that failed with an error, of all that ran.
pub(super) fn failed(rows: &[&MeasurementRow], error: &str) -> (usize, usize) {
    let ran = |r: &&&MeasurementRow| r.outcome != Outcome::Skipped;
    let failed = |r: &&&MeasurementRow| r.outcome == Outcome::Failed && r.error.starts_with(error);
    (rows.iter().filter(failed).count(), rows.iter().filter(ran).count())
}
