//! A chart as shapes in CSS pixels, before it is painted as SVG or PNG. Data, so that a test can look at it.

/// A colour by what it stands for, so that a page can change its meaning between light and dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Text and lines that carry meaning.
    Text,
    /// Labels that explain.
    Muted,
    /// Grid lines.
    Grid,
    /// What lies behind.
    Paper,
    /// A colour of its own, the same in light and dark.
    Rgb(u8, u8, u8),
}

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The point is at its left end.
    Left,
    /// The point is at its middle.
    Middle,
    /// The point is at its right end.
    Right,
}

/// One thing to paint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, ink: Ink, width: f64 },
    /// A filled area.
    Area { points: Vec<(f64, f64)>, ink: Ink, alpha: f64 },
    /// A filled circle.
    Disc { at: (f64, f64), radius: f64, ink: Ink, alpha: f64 },
    /// A text; `at` is the middle of its height.
    Text { at: (f64, f64), text: String, size: f64, ink: Ink, anchor: Anchor },
}

/// Size of ordinary text in a chart, as plotters counts it: the height of a line, about 12 px of a page's text.
pub(crate) const TEXT: f64 = 15.0;

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sketch {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Sketch {
    pub fn new(width: f64) -> Self {
        Self { width, height: 0.0, shapes: Vec::new() }
    }

    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64) {
        self.shapes.push(Shape::Line { points: points.to_vec(), ink, width });
    }

    /// A line with gaps.
    pub fn dashes(&mut self, points: &[(f64, f64)], ink: Ink, width: f64) {
        const DASH: f64 = 6.0;
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).hypot(y1 - y0);
            let steps = (length / DASH).ceil().max(1.0) as usize;
            let at = |i: usize| {
                let t = (i as f64 * DASH / length).min(1.0);
                (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)
            };
            for i in (0..steps).step_by(2) {
                self.line(&[at(i), at(i + 1)], ink, width);
            }
        }
    }

    pub fn area(&mut self, points: &[(f64, f64)], ink: Ink, alpha: f64) {
        self.shapes.push(Shape::Area { points: points.to_vec(), ink, alpha });
    }

    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), ink: Ink, alpha: f64) {
        self.area(&[(x, y), (x + width, y), (x + width, y + height), (x, y + height)], ink, alpha);
    }

    pub fn disc(&mut self, at: (f64, f64), radius: f64, ink: Ink, alpha: f64) {
        self.shapes.push(Shape::Disc { at, radius, ink, alpha });
    }

    pub fn text(&mut self, at: (f64, f64), text: impl Into<String>, ink: Ink, anchor: Anchor) {
        self.shapes.push(Shape::Text { at, text: text.into(), size: TEXT, ink, anchor });
    }
}
