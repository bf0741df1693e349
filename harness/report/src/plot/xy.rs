//! Points and curves over two axes, with the name of each curve at its end.

use super::axis::{Axis, X_AXIS};
use super::font::{fit, text_width};
use super::palette::Look;
use super::sketch::{Anchor, Ink, Sketch};

/// Points of one strategy.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub name: String,
    pub look: Look,
    /// Smallest x first.
    pub points: Vec<Point>,
}

/// Median of a cell, with its interval and all samples.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    pub interval: (f64, f64),
    pub samples: Vec<f64>,
    /// Computed from other cells, not measured.
    pub modelled: bool,
}

/// Panel with two axes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panel {
    pub x_name: String,
    pub y_name: String,
    /// Whether a line joins the points of a series.
    pub joined: bool,
    pub series: Vec<Series>,
    /// Dashed reference line with its name.
    pub limit: Option<(String, Vec<(f64, f64)>)>,
    /// Stepped line, below and left of which there is no point.
    pub front: Vec<(f64, f64)>,
}

const LINE: f64 = 16.0;

impl Panel {
    /// Paints the panel with its top at `y`; returns its end.
    pub fn paint(&self, sketch: &mut Sketch, y: f64, height: f64) -> f64 {
        let width = sketch.width;
        let names = self.series.iter().map(|s| text_width(&s.name)).chain(self.limit.iter().map(|l| text_width(&l.0)));
        let names = (names.fold(0.0, f64::max) + 26.0).min(width * 0.34);
        // Names of curves are right of the panel, which is at least as high as their list.
        let lines = self.series.len() + usize::from(self.limit.is_some());
        let top = y + 26.0;
        let bottom = top + height.max(lines as f64 * LINE + 10.0);
        let y_axis = Axis::new(self.highest(), bottom, top, (bottom - top) / 48.0);
        let left = y_axis.widest() + 18.0;
        let right = width - names - 14.0;
        let most = self.series.iter().flat_map(|s| &s.points).map(|p| p.x).fold(0.0, f64::max);
        let x_axis = Axis::new(most, left, right, ((right - left) / 80.0).max(3.0));
        sketch.text((0.0, y + 10.0), &self.y_name, Ink::Muted, Anchor::Left);
        y_axis.left(sketch, left, right);
        x_axis.below(sketch, top, bottom, &self.x_name);
        let at = |x: f64, y: f64| (x_axis.at(x), y_axis.at(y));
        if let Some((_, points)) = &self.limit {
            sketch.dashes(&points.iter().map(|p| at(p.0, p.1)).collect::<Vec<_>>(), Ink::Muted, 1.5);
        }
        if self.front.len() > 1 {
            sketch.line(&self.front.iter().map(|p| at(p.0, p.1)).collect::<Vec<_>>(), Ink::Muted, 1.0);
        }
        for series in &self.series {
            self.curve(sketch, series, &at);
        }
        self.names(sketch, (right + 14.0, width), (top, bottom), &at);
        bottom + X_AXIS
    }

    fn highest(&self) -> f64 {
        let of = |p: &Point| p.samples.iter().copied().fold(p.y, f64::max);
        let curves = self.series.iter().flat_map(|s| &s.points).map(of).fold(0.0, f64::max);
        self.limit.iter().flat_map(|l| &l.1).map(|p| p.1).fold(curves, f64::max)
    }

    fn curve(&self, sketch: &mut Sketch, series: &Series, at: &impl Fn(f64, f64) -> (f64, f64)) {
        let ink = series.look.ink;
        if self.joined {
            for pair in series.points.windows(2) {
                let ends = [at(pair[0].x, pair[0].y), at(pair[1].x, pair[1].y)];
                if pair[1].modelled || series.look.hollow {
                    sketch.dashes(&ends, ink, 1.6);
                } else {
                    sketch.line(&ends, ink, 1.6);
                }
            }
        }
        for point in &series.points {
            let ((x, low), (_, high)) = (at(point.x, point.interval.0), at(point.x, point.interval.1));
            sketch.bar((x - 2.0, high), (4.0, low - high), ink, 0.4);
            for sample in &point.samples {
                sketch.disc(at(point.x, *sample), 1.7, ink, 0.9);
            }
            let look = Look { hollow: series.look.hollow || point.modelled, ..series.look };
            look.mark(sketch, at(point.x, point.y), if point.modelled { 3.6 } else { 4.6 });
        }
    }

    /// Paints names beside the ends of their curves, moved apart where they would overlap.
    fn names(
        &self,
        sketch: &mut Sketch,
        (x, right): (f64, f64),
        (top, bottom): (f64, f64),
        at: &impl Fn(f64, f64) -> (f64, f64),
    ) {
        let mut labels: Vec<((f64, f64), &str, Option<Look>)> = Vec::new();
        for series in &self.series {
            let Some(last) = series.points.last() else { continue };
            labels.push((at(last.x, last.y), &series.name, Some(series.look)));
        }
        if let Some((name, points)) = &self.limit
            && let Some(last) = points.last()
        {
            labels.push((at(last.0, last.1), name, None));
        }
        labels.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let mut places: Vec<f64> = labels.iter().map(|l| l.0.1).collect();
        for i in 0..places.len() {
            let floor = if i == 0 { top } else { places[i - 1] + LINE };
            places[i] = places[i].max(floor);
        }
        for i in (0..places.len()).rev() {
            let ceiling = if i + 1 == places.len() { bottom } else { places[i + 1] - LINE };
            places[i] = places[i].min(ceiling);
        }
        for ((end, name, look), y) in labels.into_iter().zip(places) {
            sketch.line(&[(end.0 + 6.0, end.1), (x - 4.0, y)], Ink::Grid, 0.5);
            let text = match look {
                Some(look) => {
                    look.mark(sketch, (x + 4.0, y), 4.6);
                    x + 14.0
                }
                None => x,
            };
            let ink = if look.is_some() { Ink::Text } else { Ink::Muted };
            sketch.text((text, y), fit(name, right - text), ink, Anchor::Left);
        }
    }
}
