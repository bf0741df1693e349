//! What went on when, in one trial of each strategy: a lane a kind of span, so that overlap is seen.

use handoff_model::list::grouped;
use handoff_model::span::union_ns;
use handoff_model::{Role, SpanKind};
use handoff_records::SpanRow;

use super::axis::{Axis, X_AXIS};
use super::font::{fit, text_width};
use super::sketch::{Anchor, Ink, Sketch};
use super::{Chart, Drawn, look};
use crate::format;
use crate::grid::Grid;
use crate::report::Line;

/// A trial that stands for its cell.
pub(crate) struct Typical<'a> {
    pub line: &'a Line,
    pub trial: &'a str,
    pub n: usize,
    /// The producer's clock, in ns; 0 without a producer.
    pub produce_ns: u64,
    /// The slowest consumer's clock.
    pub consume_ns: u64,
    /// Spans of the producer and of the slowest consumer.
    pub spans: Vec<&'a SpanRow>,
}

/// One kind's intervals on the critical path: the consumer's come after the producer's clock.
struct Lane {
    kind: SpanKind,
    bars: Vec<(Role, u64, u64)>,
}

const LANE: f64 = 15.0;
const HEAD: f64 = 24.0;

/// The chart for one size of one group.
pub(crate) fn timeline(trials: &[Typical], size: &str, place: &str, of: &str) -> Drawn {
    if trials.is_empty() {
        return Err("No chart of what went on when: no completed trial has spans.".to_owned());
    }
    let blocks: Vec<(&Typical, Vec<Lane>)> = trials.iter().map(|t| (t, lanes(t))).collect();
    let title = format!("Where the time goes at {size}: one typical trial of each approach{of}");
    let mut chart = Chart::draw(format!("{place}timeline"), title, |width| draw(&blocks, width));
    chart.caption = "Each approach is shown by the completed trial with the median critical path (of an even number, the \
                      shorter of the middle two); the table has the trial's name and the number of trials. Lanes are \
                      kinds of spans: bars above each other go on at the same time. The upright line is where the \
                      producer's clock ends and the consumer's begins: the producer's bars are dark, the slowest consumer's \
                      lighter. The thin lane `command` is time in which some program was running; time in no other lane is \
                      what these programs do not say.".into();
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
    Ok(chart)
}

/// Lanes in the order in which they start; `command` last.
fn lanes(trial: &Typical) -> Vec<Lane> {
    let bars = trial.spans.iter().map(|span| {
        let offset = if span.role == Role::Consumer { trial.produce_ns } else { 0 };
        (span.span, (span.role, span.start_ns + offset, span.end_ns + offset))
    });
    let lane = |(kind, bars)| Lane { kind, bars: merged(bars) };
    let mut lanes: Vec<Lane> = grouped(bars).into_iter().map(lane).collect();
    let start = |lane: &Lane| lane.bars.first().map_or(u64::MAX, |b| b.1);
    lanes.sort_by_key(|l| (l.kind == SpanKind::Command, start(l), l.kind));
    lanes
}

/// Intervals that touch become one: a lane says when something of its kind went on.
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

/// Bars in pixels; those between which nothing could be seen become one.
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

fn draw(blocks: &[(&Typical, Vec<Lane>)], width: f64) -> Sketch {
    let mut sketch = Sketch::new(width);
    let left = SpanKind::NAMES.iter().map(|name| text_width(name)).fold(0.0, f64::max) + 14.0;
    let right = width - 12.0;
    let most = blocks.iter().map(|(t, _)| t.produce_ns + t.consume_ns).max().unwrap_or(0);
    let axis = Axis::new(most as f64 / 1e9, left, right, ((right - left) / 90.0).max(4.0));
    let x = |ns: u64| axis.at(ns as f64 / 1e9);
    let heights: Vec<f64> = blocks.iter().map(|(_, lanes)| HEAD + LANE * lanes.len() as f64 + 8.0).collect();
    let bottom = 4.0 + heights.iter().sum::<f64>();
    axis.below(&mut sketch, 4.0, bottom, "Time on the critical path, s");
    let mut y = 4.0;
    for ((trial, lanes), height) in blocks.iter().zip(&heights) {
        let look = look(trial.line.look, trial.line.plain);
        look.mark(&mut sketch, (8.0, y + 14.0), 5.0);
        let total = (trial.produce_ns + trial.consume_ns) as f64 / 1e9;
        let head = format!("{}, {total:.1} s (the middle trial, n={})", trial.line.name, trial.n);
        let head = fit(&head, width - 24.0);
        // The grid shall not run through the words.
        sketch.bar((18.0, y + 5.0), (text_width(&head) + 8.0, 18.0), Ink::Paper, 1.0);
        sketch.text((20.0, y + 14.0), head, Ink::Text, Anchor::Left);
        for (i, lane) in lanes.iter().enumerate() {
            let top = y + HEAD + LANE * i as f64;
            sketch.text((left - 8.0, top + LANE / 2.0), lane.kind.as_str(), Ink::Muted, Anchor::Right);
            for (role, from, to) in strips(&lane.bars, x) {
                let (inset, alpha) = match (lane.kind, role) {
                    (SpanKind::Command, _) => (5.5, 0.6),
                    (_, Role::Producer) => (1.5, 1.0),
                    (_, Role::Consumer) => (1.5, 0.6),
                };
                let ink = if lane.kind == SpanKind::Command { Ink::Muted } else { look.ink };
                // Paper first: the grid shall not shine through.
                sketch.bar((from, top + inset), (to - from, LANE - 2.0 * inset), Ink::Paper, 1.0);
                sketch.bar((from, top + inset), (to - from, LANE - 2.0 * inset), ink, alpha);
            }
        }
        if trial.produce_ns > 0 {
            let hand = x(trial.produce_ns);
            sketch.line(&[(hand, y + HEAD - 4.0), (hand, y + height - 6.0)], Ink::Text, 1.5);
        }
        y += height;
        sketch.line(&[(0.0, y), (right, y)], Ink::Grid, 0.5);
    }
    sketch.height = bottom + X_AXIS + 4.0;
    sketch
}

fn table(trials: &[Typical]) -> Grid {
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
