//! Timeline of one trial of each strategy: one row a kind of span, so that overlap is visible.

use handoff_model::list::grouped;
use handoff_model::span::union_ns;
use handoff_model::{Role, SpanKind};
use handoff_records::SpanRow;

use super::axis::{Axis, X_AXIS};
use super::font::{fit, text_width};
use super::sketch::{Anchor, Ink, Sketch};
use super::{Chart, Names, look};
use crate::format;
use crate::grid::Grid;
use crate::report::Line;

/// Trial that represents its cell.
pub(crate) struct TypicalTrial<'a> {
    pub line: &'a Line,
    pub trial: &'a str,
    pub n: usize,
    /// Clock of the producer, in ns; 0 without a producer.
    pub produce_ns: u64,
    /// Clock of the slowest consumer, in ns.
    pub consume_ns: u64,
    /// Spans of the producer and of the slowest consumer.
    pub spans: Vec<&'a SpanRow>,
}

/// Intervals of one kind of span on the critical path, in ns; those of the consumer come after the producer's clock.
struct TimelineRow {
    kind: SpanKind,
    bars: Vec<(Role, u64, u64)>,
}

const ROW: f64 = 15.0;
const HEAD: f64 = 24.0;

/// Chart for one size of one group.
pub(crate) fn timeline(trials: &[TypicalTrial], size: &str, (prefix, suffix): &Names) -> Chart {
    let blocks: Vec<(&TypicalTrial, Vec<TimelineRow>)> = trials.iter().map(|t| (t, rows(t))).collect();
    let title = format!("Where the time goes at {size}: one typical trial of each approach{suffix}");
    let mut chart = Chart::draw(format!("{prefix}timeline"), title, |width| draw(&blocks, width));
    chart.caption = "Each approach is shown by the completed trial with the median critical path. A row is a kind of span; rows \
                      overlap in time. Dark bars belong to the producer, lighter bars to the slowest consumer. The upright line \
                      is the end of the producer's clock. The thin row `command` is time in which some program ran.".into();
    chart.alternative = trials
        .iter()
        .map(|t| {
            let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
            match t.produce_ns {
                0 => format!("{}: consumer {}.", t.line.name, seconds(t.consume_ns)),
                p => format!("{}: producer {}, consumer {}.", t.line.name, seconds(p), seconds(t.consume_ns)),
            }
        })
        .collect::<Vec<_>>()
        .join(" ");
    chart.table = table(trials);
    chart
}

/// Rows by their starts; `command` is last.
fn rows(trial: &TypicalTrial) -> Vec<TimelineRow> {
    let bars = trial.spans.iter().map(|span| {
        let offset = if span.role == Role::Consumer { trial.produce_ns } else { 0 };
        (span.span, (span.role, span.start_ns + offset, span.end_ns + offset))
    });
    let row = |(kind, bars)| TimelineRow { kind, bars: merged(bars) };
    let mut rows: Vec<TimelineRow> = grouped(bars).into_iter().map(row).collect();
    let start = |row: &TimelineRow| row.bars.first().map_or(u64::MAX, |b| b.1);
    rows.sort_by_key(|l| (l.kind == SpanKind::Command, start(l), l.kind));
    rows
}

/// Intervals, where those that touch are one.
fn merged(mut bars: Vec<(Role, u64, u64)>) -> Vec<(Role, u64, u64)> {
    bars.sort_unstable();
    let mut out: Vec<(Role, u64, u64)> = Vec::new();
    for bar in bars {
        match out.last_mut() {
            Some(last) if last.0 == bar.0 && bar.1 <= last.2 => last.2 = last.2.max(bar.2),
            _ => out.push(bar),
        }
    }
    out
}

/// Bars in px, where those without a visible gap are one.
fn strips(bars: &[(Role, u64, u64)], x: impl Fn(u64) -> f64) -> Vec<(Role, f64, f64)> {
    let mut out: Vec<(Role, f64, f64)> = Vec::new();
    for (role, start, end) in bars {
        let (from, to) = (x(*start), x(*end).max(x(*start) + 1.0));
        match out.last_mut() {
            Some(last) if last.0 == *role && from < last.2 + 1.0 => last.2 = last.2.max(to),
            _ => out.push((*role, from, to)),
        }
    }
    out
}

fn draw(blocks: &[(&TypicalTrial, Vec<TimelineRow>)], width: f64) -> Sketch {
    let mut sketch = Sketch::new(width);
    let left = SpanKind::NAMES.iter().map(|name| text_width(name)).fold(0.0, f64::max) + 14.0;
    let right = width - 12.0;
    let most = blocks.iter().map(|(t, _)| t.produce_ns + t.consume_ns).max().unwrap_or(0);
    let axis = Axis::new(most as f64 / 1e9, left, right, ((right - left) / 90.0).max(4.0));
    let x = |ns: u64| axis.at(ns as f64 / 1e9);
    let heights: Vec<f64> = blocks.iter().map(|(_, rows)| HEAD + ROW * rows.len() as f64 + 8.0).collect();
    let bottom = 4.0 + heights.iter().sum::<f64>();
    axis.below(&mut sketch, 4.0, bottom, "Time on the critical path, s");
    let mut y = 4.0;
    for ((trial, rows), height) in blocks.iter().zip(&heights) {
        let look = look(trial.line.look, trial.line.plain);
        look.mark(&mut sketch, (8.0, y + 14.0), 5.0);
        let total = (trial.produce_ns + trial.consume_ns) as f64 / 1e9;
        let head = format!("{}, {total:.1} s (the middle trial, n={})", trial.line.name, trial.n);
        let head = fit(&head, width - 24.0);
        // Paper hides the grid behind the words.
        sketch.bar((18.0, y + 5.0), (text_width(&head) + 8.0, 18.0), Ink::Paper, 1.0);
        sketch.text((20.0, y + 14.0), head, Ink::Text, Anchor::Left);
        for (i, row) in rows.iter().enumerate() {
            let top = y + HEAD + ROW * i as f64;
            sketch.text((left - 8.0, top + ROW / 2.0), row.kind.as_str(), Ink::Muted, Anchor::Right);
            let strips = strips(&row.bars, x);
            let (ink, inset) = if row.kind == SpanKind::Command { (Ink::Muted, 5.5) } else { (look.ink, 1.5) };
            // Paper hides the grid behind the bars.
            for is_paper in [true, false] {
                for (role, from, to) in &strips {
                    let is_pale = row.kind == SpanKind::Command || *role == Role::Consumer;
                    let (ink, alpha) =
                        if is_paper { (Ink::Paper, 1.0) } else { (ink, if is_pale { 0.6 } else { 1.0 }) };
                    sketch.bar((*from, top + inset), (to - from, ROW - 2.0 * inset), ink, alpha);
                }
            }
        }
        if trial.produce_ns > 0 {
            let end = x(trial.produce_ns);
            sketch.line(&[(end, y + HEAD - 4.0), (end, y + height - 6.0)], Ink::Text, 1.5);
        }
        y += height;
        sketch.line(&[(0.0, y), (right, y)], Ink::Grid, 0.5);
    }
    sketch.height = bottom + X_AXIS + 4.0;
    sketch
}

fn table(trials: &[TypicalTrial]) -> Grid {
    let mut grid = Grid::new("Approach | Trial (n) | Side | Span | Starts, s: | Ends, s: | Time open, s: | Bytes:");
    for trial in trials {
        let start = |spans: &[&&SpanRow]| spans.iter().map(|s| s.start_ns).min().unwrap_or(0);
        let mut kinds = grouped(trial.spans.iter().map(|span| ((span.role, span.span), span)));
        kinds.sort_by_key(|((role, kind), spans)| (*role, start(spans), *kind));
        for ((role, kind), spans) in kinds {
            let end = spans.iter().map(|s| s.end_ns).max().unwrap_or(0);
            let open = union_ns(spans.iter().map(|s| (s.start_ns, s.end_ns)));
            let bytes: u64 = spans.iter().filter_map(|s| s.bytes).sum();
            let s = |ns: u64| format!("{:.2}", ns as f64 / 1e9);
            grid.push([
                trial.line.name.clone(),
                format!("{} ({})", trial.trial, trial.n),
                role.to_string(),
                kind.to_string(),
                s(start(&spans)),
                s(end),
                s(open),
                if bytes == 0 { format::NONE.to_owned() } else { format::bytes(bytes) },
            ]);
        }
    }
    grid
}
