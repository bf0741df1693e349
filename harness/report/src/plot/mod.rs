//! Charts: what is measured, drawn. Each chart has a table behind it and says in words what it shows.

mod axis;
mod fanout;
mod font;
mod paint;
pub(crate) mod palette;
mod pareto;
mod samples;
mod sizes;
mod sketch;
mod timeline;
mod xy;

use crate::grid::Grid;
use sketch::Sketch;
use xy::Panel;

pub(crate) use palette::{Look, look};

/// How wide charts are, in CSS pixels: for a screen (and for files), and for a phone.
const WIDTHS: [f64; 2] = [840.0, 350.0];

/// A chart with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Name of its files, unique in the report.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What it shows to someone who cannot see it.
    pub alternative: String,
    /// The numbers behind it.
    pub table: Grid,
    wide: Sketch,
    narrow: Sketch,
}

impl Chart {
    fn draw(name: String, title: String, draw: impl Fn(f64) -> Sketch) -> Self {
        let [wide, narrow] = WIDTHS.map(draw);
        Self { name, title, caption: String::new(), alternative: String::new(), table: Grid::default(), wide, narrow }
    }

    /// Panels below each other, each at most this high, with a gap below each.
    fn of_panels(name: String, title: String, panels: &[Panel], height: f64, gap: f64) -> Self {
        Self::draw(name, title, |width| {
            let mut sketch = Sketch::new(width);
            let paint = |y: f64, panel: &Panel| panel.paint(&mut sketch, y, width.min(height)) + gap;
            sketch.height = panels.iter().fold(2.0, paint);
            sketch
        })
    }

    /// The SVG file.
    pub fn svg(&self) -> String {
        self.wide.svg(&self.title, &self.alternative)
    }

    /// The PNG file.
    pub fn png(&self) -> Vec<u8> {
        self.wide.png()
    }

    /// For a page: the wide and the narrow chart.
    pub(crate) fn inline(&self) -> [String; 2] {
        [(&self.wide, "w"), (&self.narrow, "n")]
            .map(|(sketch, tail)| sketch.inline(&format!("{}-{tail}", self.name), &self.title, &self.alternative))
    }
}

/// A chart, or the sentence that says why there is none.
pub(crate) type Drawn = Result<Chart, String>;

pub(crate) use fanout::{CurveSet, fanout};
pub(crate) use handoff_analysis::Metric;
pub(crate) use pareto::pareto;
pub(crate) use samples::samples;
pub(crate) use sizes::sizes;
pub(crate) use timeline::{Typical, timeline};
