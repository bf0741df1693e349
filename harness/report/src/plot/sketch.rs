//! Shapes of a chart in CSS pixels, before they are painted as SVG or PNG.

/// Colour by its purpose, so that light and dark charts differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Text and lines that carry meaning.
    Text,
    /// Labels that explain.
    Muted,
    /// Grid lines.
    Grid,
    /// Background.
    Paper,
    /// Colour of a strategy, the same in light and dark.
    Rgb(u8, u8, u8),
}

/// Position of a text relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The point is at its left end.
    Left,
    /// The point is at its middle.
    Middle,
    /// The point is at its right end.
    Right,
}

/// Shape to paint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, ink: Ink, width: f64, dashed: bool },
    /// A filled area.
    Area { points: Vec<(f64, f64)>, ink: Ink, alpha: f64 },
    /// A filled circle.
    Disc { at: (f64, f64), radius: f64, ink: Ink, alpha: f64 },
    /// A text; `at` is the middle of its height.
    Text { at: (f64, f64), text: String, ink: Ink, anchor: Anchor },
}

/// Size of texts in px, as in a style sheet.
pub(crate) const FONT_PX: f64 = 13.0;

/// Length of a dash and of the gap after it, in px.
pub(crate) const DASH: f64 = 6.0;

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
        self.shapes.push(Shape::Line { points: points.to_vec(), ink, width, dashed: false });
    }

    /// Adds a line with gaps.
    pub fn dashes(&mut self, points: &[(f64, f64)], ink: Ink, width: f64) {
        self.shapes.push(Shape::Line { points: points.to_vec(), ink, width, dashed: true });
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
        self.shapes.push(Shape::Text { at, text: text.into(), ink, anchor });
    }
}
