//! Every trial as a dot, with median and interval: one panel a size, one row a strategy.

use handoff_analysis::{Metric, Spread};

use super::axis::{Axis, X_AXIS};
use super::font::{fit, text_width};
use super::sketch::{Anchor, Ink, Sketch};
use super::{Chart, Drawn, Names, look};
use crate::format::{self, capital};
use crate::grid::Grid;
use crate::report::{Group, Line};

const ROW: f64 = 30.0;

/// Chart of those lines and sizes of a group that `wanted` takes; `names` has the start of its file's name and the end of its title.
pub(crate) fn samples(
    group: &Group,
    metric: Metric,
    wanted: impl Fn(&Line, usize) -> bool,
    (prefix, suffix): &Names,
) -> Drawn {
    let panel = |(i, size): (usize, &_)| {
        let lines = group.lines.iter().filter(|line| wanted(line, i));
        let rows: Vec<_> = lines.filter_map(|line| Some((line, line.cells[i].as_ref()?.spread(metric)?))).collect();
        (!rows.is_empty()).then(|| Panel { size: ToString::to_string(size), rows })
    };
    let panels: Vec<Panel> = group.sizes.iter().enumerate().filter_map(panel).collect();
    if panels.is_empty() {
        return Err(format!("No chart of the {}: no trial with one completed.", metric.words()));
    }
    let title = format!("{} of every trial{suffix}", capital(metric.words()));
    let mut chart = Chart::draw(format!("{prefix}samples-{}", metric.as_str().replace('_', "-")), title, |width| {
        draw(&panels, metric, width)
    });
    chart.caption =
        "Dots are trials, upright bars medians, pale bars their intervals. n counts completed trials.".into();
    chart.alternative = alternative(&panels);
    chart.table = table(&panels, metric);
    Ok(chart)
}

struct Panel<'a> {
    size: String,
    rows: Vec<(&'a Line, &'a Spread)>,
}

fn draw(panels: &[Panel], metric: Metric, width: f64) -> Sketch {
    let mut sketch = Sketch::new(width);
    let names = panels.iter().flat_map(|p| &p.rows).map(|(line, _)| text_width(&line.name)).fold(0.0, f64::max);
    let left = (names + 32.0).min(width * 0.38);
    let right = width - 52.0;
    let mut y = 4.0;
    for panel in panels {
        let top = y + if panels.len() > 1 { 24.0 } else { 4.0 };
        if panels.len() > 1 {
            sketch.text((left, y + 12.0), &panel.size, Ink::Text, Anchor::Left);
        }
        let bottom = top + ROW * panel.rows.len() as f64;
        let most = panel.rows.iter().map(|(_, s)| s.max()).max().unwrap_or(0);
        let axis = Axis::new(most as f64 / 1e9, left, right, ((right - left) / 90.0).max(4.0));
        axis.below(&mut sketch, top, bottom, &format!("{}, s", capital(metric.words())));
        for (i, (line, spread)) in panel.rows.iter().enumerate() {
            let middle = top + ROW * (i as f64 + 0.5);
            row(&mut sketch, &axis, middle, line, spread, left);
            sketch.text((right + 8.0, middle), format!("n={}", spread.n()), Ink::Muted, Anchor::Left);
        }
        y = bottom + X_AXIS + 6.0;
    }
    sketch.height = y;
    sketch
}

fn row(sketch: &mut Sketch, axis: &Axis, y: f64, line: &Line, spread: &Spread, left: f64) {
    let look = look(line.look, line.plain);
    look.mark(sketch, (8.0, y), 5.0);
    sketch.text((20.0, y), fit(&line.name, left - 28.0), Ink::Text, Anchor::Left);
    let x = |ns: u64| axis.at(ns as f64 / 1e9);
    let interval = format::interval(spread);
    sketch.bar((x(interval.0), y - 2.5), (x(interval.1) - x(interval.0), 5.0), look.ink, 0.35);
    let m = x(spread.median());
    sketch.bar((m - 1.0, y - 11.5), (2.0, 23.0), Ink::Text, 1.0);
    for (i, sample) in spread.samples().iter().enumerate() {
        // Two equal samples are two dots, because neighbours lie a little above and below.
        let away = if spread.n() == 1 { 0.0 } else { [-5.0, 5.0, 0.0][i % 3] };
        look.mark(sketch, (x(*sample), y + away), 3.4);
    }
}

fn alternative(panels: &[Panel]) -> String {
    let panel = |p: &Panel| {
        let rows: Vec<String> =
            p.rows.iter().map(|(line, s)| format!("{} {} s (n={})", line.name, format::time(Some(s)), s.n())).collect();
        format!("At {}, medians: {}.", p.size, rows.join(", "))
    };
    panels.iter().map(panel).collect::<Vec<_>>().join(" ")
}

fn table(panels: &[Panel], metric: Metric) -> Grid {
    let median = format!("Median {}, s", metric.words());
    let mut grid =
        Grid::new(&format!("Approach | Size | n: | {median}: | Interval of the median, s: | Every sample, s"));
    for panel in panels {
        for (line, spread) in &panel.rows {
            let samples: Vec<String> = spread.samples().iter().map(|ns| format::seconds_like(*ns, spread)).collect();
            grid.push([
                line.name.clone(),
                panel.size.clone(),
                spread.n().to_string(),
                format::time(Some(spread)),
                format::interval_text(spread),
                samples.join(", "),
            ]);
        }
    }
    grid
}
