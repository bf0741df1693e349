//! Time against bytes stored, and the strategies that no other beats in both.

use super::sizes::point;
use super::xy::{Panel, Series};
use super::{Chart, Drawn, Names, look};
use crate::format;
use crate::grid::Grid;
use crate::report::Group;

const MIB: f64 = 1_048_576.0;

/// Chart of one group at its largest size with at least two strategies.
pub(crate) fn pareto(group: &Group, (prefix, suffix): &Names) -> Drawn {
    let at = |i: usize| -> Vec<Series> {
        let series = |line: &crate::report::Line| {
            let cell = line.cells[i].as_ref()?;
            let stored = cell.bytes_stored.as_ref()?.median() as f64 / MIB;
            let points = vec![point(stored, cell.critical_path.as_ref()?)];
            Some(Series { name: line.name.clone(), look: look(line.look, line.plain), points })
        };
        group.lines.iter().filter_map(series).collect()
    };
    let Some((i, series)) = (0..group.sizes.len()).rev().map(|i| (i, at(i))).find(|(_, s)| s.len() > 1) else {
        return Err("No chart of time and storage: fewer than two strategies completed at any size.".to_owned());
    };
    let front = front(&series);
    let best: Vec<String> = series.iter().filter(|s| is_best(s, &series)).map(|s| s.name.clone()).collect();
    let panel = Panel {
        x_name: "Bytes stored, MiB".into(),
        y_name: "Critical path, s".into(),
        series,
        front,
        ..Panel::default()
    };
    let size = group.sizes[i];
    let title = format!("Time and storage at {size}{suffix}");
    let mut chart = Chart::of_panels(format!("{prefix}pareto"), title, std::slice::from_ref(&panel), 320.0, 6.0);
    chart.caption = format!(
        "A large marker is a median, a small dot a trial, the bar the interval of the median. Lower and further left is better. The \
         grey line joins the strategies that no other beats in both: {}.",
        best.join(", ")
    );
    let rows = panel.series.iter().map(|s| (s, &s.points[0]));
    chart.alternative = rows
        .clone()
        .map(|(s, p)| format!("{}: {:.1} s, {:.0} MiB stored.", s.name, p.y, p.x))
        .collect::<Vec<_>>()
        .join(" ");
    let mut grid = Grid::new("Approach | n: | Median critical path, s: | Stored: | On the line");
    for (s, p) in rows {
        let on = if best.contains(&s.name) { "yes" } else { "no" };
        grid.push([
            s.name.clone(),
            p.samples.len().to_string(),
            format!("{:.1}", p.y),
            format::bytes((p.x * MIB).round() as u64),
            on.to_owned(),
        ]);
    }
    chart.table = grid;
    Ok(chart)
}

fn is_best(of: &Series, all: &[Series]) -> bool {
    let (x, y) = (of.points[0].x, of.points[0].y);
    !all.iter().map(|s| &s.points[0]).any(|p| (p.x <= x && p.y < y) || (p.x < x && p.y <= y))
}

fn front(series: &[Series]) -> Vec<(f64, f64)> {
    let mut best: Vec<(f64, f64)> =
        series.iter().filter(|s| is_best(s, series)).map(|s| (s.points[0].x, s.points[0].y)).collect();
    best.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut stepped: Vec<(f64, f64)> = Vec::new();
    for point in best {
        if let Some(last) = stepped.last().copied() {
            stepped.push((point.0, last.1));
        }
        stepped.push(point);
    }
    stepped
}
