//! Critical path, and the time of all jobs, against the number of consumers.

use handoff_analysis::{CurveBasis, FanOut, FanOutCurve, Variants};

use super::xy::{Panel, Point, Series};
use super::{Chart, Drawn, look};
use crate::grid::Grid;

/// Curves of one chart: one workload, one size, and conditions that differ in the number of consumers only.
pub(crate) struct CurveSet<'a> {
    pub name: String,
    pub slug: String,
    pub curves: Vec<&'a FanOutCurve>,
}

/// Chart of one set of curves.
pub(crate) fn fanout(set: &CurveSet, variants: &Variants) -> Drawn {
    if set.curves.iter().all(|c| c.points.len() < 2) {
        return Err("No chart of fan-out: no strategy has two numbers of consumers.".to_owned());
    }
    let panel = |name: &str, of: fn(&FanOut) -> f64| Panel {
        x_name: "Consumers".into(),
        y_name: name.into(),
        joined: true,
        series: set
            .curves
            .iter()
            .map(|curve| Series {
                name: curve.strategy.to_string(),
                look: look(variants.look(&curve.strategy), curve.strategy.options.is_empty()),
                points: curve
                    .points
                    .iter()
                    .map(|p| Point {
                        x: f64::from(p.consumers),
                        y: of(p),
                        interval: (of(p), of(p)),
                        samples: Vec::new(),
                        modelled: p.basis == CurveBasis::Modelled,
                    })
                    .collect(),
            })
            .collect(),
        ..Panel::default()
    };
    let panels = [panel("Critical path, s", |p| p.critical_path_s), panel("All jobs together, s", |p| p.runner_s)];
    let title = format!("Fan-out: {}", set.name);
    let mut chart = Chart::of_panels(format!("fan-out{}", set.slug), title, &panels, 240.0, 10.0);
    "A full marker is a measured median. A hollow marker on a dashed line is modelled from measured parts."
        .clone_into(&mut chart.caption);
    let mut grid = Grid::new("Approach | Consumers: | Critical path, s: | All jobs, s: | n: | From");
    for curve in &set.curves {
        for p in &curve.points {
            let from = if p.basis == CurveBasis::Modelled { "modelled" } else { "measured" };
            grid.push([
                curve.strategy.to_string(),
                p.consumers.to_string(),
                format!("{:.1}", p.critical_path_s),
                format!("{:.1}", p.runner_s),
                p.n.to_string(),
                from.to_owned(),
            ]);
        }
    }
    chart.table = grid;
    let sentence = |c: &&FanOutCurve| {
        let points: Vec<String> =
            c.points.iter().map(|p| format!("{:.0} s with {}", p.critical_path_s, p.consumers)).collect();
        format!("{}: critical path {}.", c.strategy, points.join(", "))
    };
    chart.alternative = set.curves.iter().map(sentence).collect::<Vec<_>>().join(" ");
    Ok(chart)
}
