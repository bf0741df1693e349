//! Charts of measurements. Each chart has its numbers as a table, and as text for screen readers.

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

/// Widths of charts in CSS pixels: for screens and files, and for phones.
const WIDTHS: [f64; 2] = [800.0, 350.0];

/// Chart with its texts and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Name of its files, unique in the report.
    pub name: String,
    /// Title.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// Text for readers who cannot see it.
    pub alternative: String,
    /// Numbers of the chart.
    pub table: Grid,
    /// Whether `report.md` shows it, as a light and a dark SVG file, instead of linking it.
    pub embedded: bool,
    wide: Sketch,
    narrow: Sketch,
}

impl Chart {
    fn draw(name: String, title: String, draw: impl Fn(f64) -> Sketch) -> Self {
        let [wide, narrow] = WIDTHS.map(draw);
        let (caption, alternative) = (String::new(), String::new());
        Self { name, title, caption, alternative, table: Grid::default(), embedded: false, wide, narrow }
    }

    /// Panels below each other, each at most `height` px high, with `gap` px below each.
    fn of_panels(name: String, title: String, panels: &[Panel], height: f64, gap: f64) -> Self {
        Self::draw(name, title, |width| {
            let mut sketch = Sketch::new(width);
            let paint = |y: f64, panel: &Panel| panel.paint(&mut sketch, y, width.min(height)) + gap;
            sketch.height = panels.iter().fold(2.0, paint);
            sketch
        })
    }

    /// SVG file, for a light or a dark page.
    pub fn svg(&self, dark: bool) -> String {
        self.wide.svg(&self.title, &self.alternative, dark)
    }

    /// PNG file, for a light page.
    pub fn png(&self) -> Vec<u8> {
        self.wide.png()
    }

    /// SVG elements for a page: the wide and the narrow chart.
    pub(crate) fn inline(&self) -> [String; 2] {
        [(&self.wide, "w"), (&self.narrow, "n")]
            .map(|(sketch, tail)| sketch.inline(&format!("{}-{tail}", self.name), &self.title, &self.alternative))
    }
}

/// Chart, or the sentence that says why there is none.
pub(crate) type Drawn = Result<Chart, String>;

/// Start of a chart's file name, and end of its title.
pub(crate) type Names = (String, String);

pub(crate) use fanout::{CurveSet, fanout};
pub(crate) use handoff_analysis::Metric;
pub(crate) use pareto::pareto;
pub(crate) use samples::samples;
pub(crate) use sizes::sizes;
pub(crate) use timeline::{TypicalTrial, timeline};
