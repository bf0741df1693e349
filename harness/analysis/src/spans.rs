//! Spans of a cell's trials, with overlap kept.

use std::collections::BTreeMap;

use handoff_model::span::union_ns;
use handoff_model::{Cell, Role, SpanKind};
use handoff_records::SpanRow;
use serde::Serialize;

use crate::input::RunRows;
use crate::spread::Spread;
use crate::summary::{CellSummary, TrialSample};

/// The spans of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellSpans {
    /// The cell.
    pub cell: Cell,
    /// The trial to draw: the one whose critical path is the cell's median (the shorter of the middle two).
    pub typical: TypicalTrial,
    /// Time of each role and kind, in the order of their first starts.
    pub kinds: Vec<SpanTime>,
}

/// A trial that stands for its cell in a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypicalTrial {
    /// The run.
    pub run: String,
    /// The trial.
    pub trial: String,
}

/// Duration of one kind of span, over the completed trials of a cell. Kinds of one job may overlap: their times do not
/// add up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanTime {
    /// The role; of several consumers, the slowest of each trial.
    #[serde(rename = "side")]
    pub role: Role,
    /// Kind of activity.
    pub kind: SpanKind,
    /// Time in which at least one span of the kind was open, in ns; 0 in trials without such a span.
    pub time: Spread,
    /// Of it, the time in which no span of another kind was open, `command` apart: what this kind alone explains.
    pub alone: Spread,
    /// First start on the job's clock, in ns.
    pub first_start: Spread,
    /// Last end on the job's clock, in ns.
    pub last_end: Spread,
    /// Bytes moved, where known.
    pub bytes: Option<Spread>,
    /// Bytes over `time` of each trial in which both are there, in MiB/s, smallest first.
    pub rates_mib_s: Vec<f64>,
}

/// Spans of one job of a trial.
type RoleSpans<'a> = Vec<&'a SpanRow>;

/// Values of one kind of span in one trial.
#[derive(Default)]
struct KindInTrial {
    time: u64,
    alone: u64,
    first: Option<u64>,
    last: Option<u64>,
    bytes: Option<u64>,
}

/// The spans of a cell; none without completed trials.
pub(crate) fn of(cell: &CellSummary, runs: &[RunRows<'_>]) -> Option<CellSpans> {
    let roles: Vec<(Role, RoleSpans<'_>)> = cell.samples.iter().flat_map(|s| trial(s, runs)).collect();
    let mut kinds: BTreeMap<(Role, SpanKind), u64> = BTreeMap::new();
    for (role, spans) in &roles {
        for span in spans {
            let first = kinds.entry((*role, span.span)).or_insert(span.start_ns);
            *first = span.start_ns.min(*first);
        }
    }
    let mut order: Vec<((Role, SpanKind), u64)> = kinds.into_iter().collect();
    order.sort_by_key(|((role, kind), first)| (*role, *first, *kind));
    let kinds = order.into_iter().filter_map(|((role, kind), _)| kind_of(role, kind, &roles)).collect();
    Some(CellSpans { cell: cell.cell.clone(), typical: typical(cell)?, kinds })
}

fn kind_of(role: Role, kind: SpanKind, roles: &[(Role, RoleSpans<'_>)]) -> Option<SpanTime> {
    let trials = roles.iter().filter(|(of, spans)| *of == role && !spans.is_empty());
    let each: Vec<KindInTrial> = trials.map(|(_, spans)| kind_in_trial(kind, spans)).collect();
    let mut rates: Vec<f64> = each
        .iter()
        .filter_map(|o| Some((o.bytes.filter(|b| *b > 0)? as f64 / 1_048_576.0) / (o.time as f64 / 1e9)))
        .filter(|r| r.is_finite())
        .collect();
    rates.sort_by(f64::total_cmp);
    Some(SpanTime {
        role,
        kind,
        time: Spread::of(each.iter().map(|o| o.time))?,
        alone: Spread::of(each.iter().map(|o| o.alone))?,
        first_start: Spread::of(each.iter().filter_map(|o| o.first))?,
        last_end: Spread::of(each.iter().filter_map(|o| o.last))?,
        bytes: Spread::of(each.iter().filter_map(|o| o.bytes)),
        rates_mib_s: rates,
    })
}

fn kind_in_trial(kind: SpanKind, spans: &[&SpanRow]) -> KindInTrial {
    let union = |wanted: &dyn Fn(&SpanRow) -> bool| {
        union_ns(spans.iter().filter(|s| wanted(s)).map(|s| (s.start_ns, s.end_ns)))
    };
    let of_kind = || spans.iter().filter(|s| s.span == kind);
    // A command's span lies around all that it does, so it covers nobody but itself.
    let all = union(&|s| s.span == kind || s.span != SpanKind::Command);
    let others = union(&|s| s.span != kind && s.span != SpanKind::Command);
    KindInTrial {
        time: union(&|s| s.span == kind),
        alone: all - others,
        first: of_kind().map(|s| s.start_ns).min(),
        last: of_kind().map(|s| s.end_ns).max(),
        bytes: of_kind().filter_map(|s| s.bytes).reduce(u64::saturating_add),
    }
}

/// Jobs of a trial with their spans; of several consumers the slowest.
fn trial<'a>(sample: &TrialSample, runs: &[RunRows<'a>]) -> Vec<(Role, RoleSpans<'a>)> {
    let Some(run) = runs.iter().find(|r| r.run == sample.run) else { return Vec::new() };
    let spans: Vec<&SpanRow> = run.spans.iter().filter(|s| s.trial == sample.trial).collect();
    let slowest = run
        .consumers
        .iter()
        .filter(|c| c.trial == sample.trial)
        .max_by_key(|c| (c.consume_ns, std::cmp::Reverse(c.consumer)))
        .map(|c| c.consumer);
    let of = |role: Role, consumer: Option<u32>| {
        let of_job = |s: &&&SpanRow| s.role == role && (consumer.is_none() || s.consumer == consumer);
        (role, spans.iter().filter(of_job).copied().collect::<Vec<_>>())
    };
    let mut roles = vec![of(Role::Producer, None), of(Role::Consumer, slowest.or(Some(1)))];
    roles.retain(|(_, spans)| !spans.is_empty());
    roles
}

fn typical(cell: &CellSummary) -> Option<TypicalTrial> {
    let mut all: Vec<&TrialSample> = cell.samples.iter().filter(|s| s.critical_path_ns.is_some()).collect();
    all.sort_by_key(|s| (s.critical_path_ns, &s.run, &s.trial));
    let middle = all.get(all.len().checked_sub(1)? / 2)?;
    Some(TypicalTrial { run: middle.run.clone(), trial: middle.trial.clone() })
}
