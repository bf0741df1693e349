//! Where the time goes: the spans of a cell's trials, with overlap kept.

use handoff_model::{Cell, Side, SpanKind};
use serde::Serialize;

use crate::spread::Spread;

/// The spans of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellSpans {
    /// The cell.
    pub cell: Cell,
    /// The trial to draw: the one whose critical path is the cell's median (the shorter of the middle two).
    pub typical: TypicalTrial,
    /// One a side and kind, in the order in which they start in the typical trial's sides.
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

/// How long one thing went on, over the completed trials of a cell. Kinds of one side may overlap: their times do not
/// add up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanTime {
    /// The side; of several consumers, the slowest of each trial.
    pub side: Side,
    /// What went on.
    pub kind: SpanKind,
    /// Time in which at least one span of the kind was open, in ns; 0 in trials without such a span.
    pub time: Spread,
    /// Of it, the time in which no span of another kind was open, `command` apart: what this kind alone explains.
    pub alone: Spread,
    /// First start after the side's clock, in ns.
    pub first_start: Spread,
    /// Last end after the side's clock, in ns.
    pub last_end: Spread,
    /// Bytes moved, where known.
    pub bytes: Option<Spread>,
}
