//! Colour and marker of a strategy, the same in every chart of every report.
//!
//! Plans name both among their facts. Variants have the colour and shape of their strategy, but hollow.

use handoff_model::strategy::look::{BLACK, GREY};
use handoff_model::{Colour, Marker};

use super::sketch::{Ink, Sketch};

/// Colour and marker of a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub ink: Ink,
    pub marker: Marker,
    pub hollow: bool,
}

/// Look of a strategy by its facts; `plain` if it has no options and is no control.
pub(crate) fn look((colour, marker): (Colour, Marker), plain: bool) -> Look {
    let ink = match colour {
        BLACK => Ink::Text,
        GREY => Ink::Muted,
        Colour(r, g, b) => Ink::Rgb(r, g, b),
    };
    Look { ink, marker, hollow: !plain }
}

impl Look {
    /// Marker as a small picture beside a name, hidden from screen readers because the name says the same.
    pub fn symbol(self) -> String {
        let mut sketch = Sketch::new(16.0);
        sketch.height = 16.0;
        self.mark(&mut sketch, (8.0, 8.0), 6.0);
        sketch.symbol()
    }

    /// Paints the marker with its radius in px.
    pub fn mark(self, sketch: &mut Sketch, (x, y): (f64, f64), r: f64) {
        let outline: Vec<(f64, f64)> = match self.marker {
            Marker::Circle => {
                sketch.disc((x, y), r, self.ink, 1.0);
                if self.hollow {
                    sketch.disc((x, y), r * 0.5, Ink::Paper, 1.0);
                }
                return;
            }
            Marker::Square => vec![(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Marker::Triangle => vec![(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
            Marker::Down => vec![(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)],
            Marker::Diamond => vec![(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Marker::Pentagon => vec![(0.0, -1.2), (1.14, -0.37), (0.71, 0.97), (-0.71, 0.97), (-1.14, -0.37)],
            Marker::Bar => vec![(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)],
            Marker::Plus => plus(0.38),
            Marker::Cross => plus(0.38).into_iter().map(|(a, b)| ((a - b) * 0.75, (a + b) * 0.75)).collect(),
        };
        let scaled = |f: f64| outline.iter().map(|(a, b)| (x + a * r * f, y + b * r * f)).collect::<Vec<_>>();
        sketch.area(&scaled(1.0), self.ink, 1.0);
        if self.hollow {
            sketch.area(&scaled(0.5), Ink::Paper, 1.0);
        }
    }
}

fn plus(t: f64) -> Vec<(f64, f64)> {
    let l = 1.2;
    vec![(-t, -l), (t, -l), (t, -t), (l, -t), (l, t), (t, t), (t, l), (-t, l), (-t, t), (-l, t), (-l, -t), (-t, -t)]
}
