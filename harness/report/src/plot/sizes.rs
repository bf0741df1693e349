//! Time against size, with the time that the bytes alone would take.

use super::xy::{Panel, Point, Series};
use super::{Chart, Drawn, Names, look};
use crate::format;
use crate::grid::Grid;
use crate::report::{Group, Line, Link};

const GIB: f64 = 1_073_741_824.0;

/// Chart of one group; `link` has the rates of its profile.
pub(crate) fn sizes(group: &Group, link: Option<&Link>, (prefix, suffix): &Names) -> Drawn {
    let series: Vec<Series> = group.lines.iter().filter_map(series).collect();
    if series.iter().all(|s| s.points.len() < 2) {
        return Err("No chart over sizes: no strategy completed at two or more sizes.".to_owned());
    }
    let limit = link.and_then(|link| limit(group, link));
    let panel = Panel {
        x_name: "Size of the image, GiB".into(),
        y_name: "Critical path, s".into(),
        joined: true,
        series,
        limit,
        ..Panel::default()
    };
    let title = format!("Critical path against size{suffix}");
    let mut chart = Chart::of_panels(format!("{prefix}sizes"), title, std::slice::from_ref(&panel), 380.0, 6.0);
    chart.caption = "A large marker is a median, a small dot a trial, the bar the interval of the median. ".into();
    let limit = match &panel.limit {
        Some(_) => format!(
            "The dashed line is the limit: the fewest bytes that any strategy moved, at the rates of all connections together of \
             profile {}.",
            group.conditions.profile
        ),
        None => format!("Profile {} limits no rate, so that there is no line of a limit.", group.conditions.profile),
    };
    chart.caption.push_str(&limit);
    chart.table = table(group, &panel);
    chart.alternative = panel.series.iter().map(sentence).collect::<Vec<_>>().join(" ");
    Ok(chart)
}

fn series(line: &Line) -> Option<Series> {
    let points: Vec<Point> = line
        .cells
        .iter()
        .flatten()
        .filter_map(|cell| Some(point(cell.cell.size.bytes() as f64 / GIB, cell.critical_path.as_ref()?)))
        .collect();
    (!points.is_empty()).then(|| Series { name: line.name.clone(), look: look(line.look, line.plain), points })
}

/// Measured point.
pub(super) fn point(x: f64, spread: &handoff_analysis::Spread) -> Point {
    let s = |ns: u64| ns as f64 / 1e9;
    let (low, high) = format::interval(spread);
    let samples = spread.samples().iter().map(|ns| s(*ns)).collect();
    Point { x, y: s(spread.median()), interval: (s(low), s(high)), samples, modelled: false }
}

/// For each size, the seconds that the fewest bytes of any strategy take at the link's rates.
fn limit(group: &Group, link: &Link) -> Option<(String, Vec<(f64, f64)>)> {
    let mut points = vec![(0.0, 0.0)];
    for (i, size) in group.sizes.iter().enumerate() {
        let cells = group.lines.iter().filter_map(|l| l.cells[i].as_ref());
        let seconds = cells.filter_map(|c| {
            let up = c.bytes_up.as_ref()?.median() as f64;
            let down = c.bytes_down.as_ref()?.median() as f64 / f64::from(c.cell.conditions.consumers.max(1));
            (up > 0.0).then_some(up / link.up + down / link.down)
        });
        let least = seconds.min_by(f64::total_cmp)?;
        points.push((size.bytes() as f64 / GIB, least));
    }
    Some(("limit".to_owned(), points))
}

fn sentence(series: &Series) -> String {
    let points: Vec<String> = series.points.iter().map(|p| format!("{:.1} s at {:.2} GiB", p.y, p.x)).collect();
    format!("{}: {}.", series.name, points.join(", "))
}

fn table(group: &Group, panel: &Panel) -> Grid {
    let medians = group.sizes.iter().map(|s| format!("Median critical path at {s}, s (n)"));
    let mut grid = Grid::new("Approach").with_numbers(medians);
    for line in &group.lines {
        let cells = line.cells.iter().map(|c| match c {
            Some(c) if c.n > 0 => format!("{} ({})", format::time(c.critical_path.as_ref()), c.n),
            _ => format::NONE.to_owned(),
        });
        grid.push([line.name.clone()].into_iter().chain(cells));
    }
    if let Some((_, points)) = &panel.limit {
        let seconds = points.iter().skip(1).map(|(_, s)| format!("{s:.1}"));
        grid.push(["limit: bytes alone".to_owned()].into_iter().chain(seconds));
    }
    grid
}
