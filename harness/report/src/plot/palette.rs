//! One colour and one marker a strategy, the same in every chart of every report.
//!
//! The colours are those of Okabe and Ito, which are told apart with any colour vision; the yellow is left out, since it
//! cannot be seen on white. A marker's shape says the same as its colour. Variants have their strategy's colour and
//! shape, but hollow.

use super::sketch::{Ink, Sketch};

/// The shape of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Cross,
    Plus,
    Bar,
}

/// How a strategy looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub ink: Ink,
    pub marker: Marker,
    pub hollow: bool,
}

const BLUE: Ink = Ink::Own(0x00, 0x72, 0xB2);
const ORANGE: Ink = Ink::Own(0xE6, 0x9F, 0x00);
const GREEN: Ink = Ink::Own(0x00, 0x9E, 0x73);
const PURPLE: Ink = Ink::Own(0xCC, 0x79, 0xA7);
const VERMILION: Ink = Ink::Own(0xD5, 0x5E, 0x00);
const SKY: Ink = Ink::Own(0x56, 0xB4, 0xE9);

const KNOWN: [(&str, Ink, Marker); 7] = [
    ("artifact", BLUE, Marker::Circle),
    ("cache-tar", ORANGE, Marker::Square),
    ("gha-cache", GREEN, Marker::Triangle),
    ("local-cache", PURPLE, Marker::Diamond),
    ("zstd-stream", VERMILION, Marker::Down),
    ("rebuild", Ink::Text, Marker::Cross),
    ("relay", SKY, Marker::Plus),
];

/// Strategies that are not in the list above: other shapes, so that a colour that comes again is still told apart.
const OTHERS: [(Ink, Marker); 2] = [(SKY, Marker::Bar), (Ink::Muted, Marker::Bar)];

/// The look of a strategy; `plain` if it has no options and is no control.
pub(crate) fn look(strategy: &str, plain: bool) -> Look {
    let known = KNOWN.iter().find(|(name, ..)| *name == strategy).map(|(_, ink, marker)| (*ink, *marker));
    let (ink, marker) = known.unwrap_or_else(|| {
        // By name, not by place: another report shows the strategy the same way.
        let sum: usize = strategy.bytes().map(usize::from).sum();
        OTHERS[sum % OTHERS.len()]
    });
    Look { ink, marker, hollow: !plain }
}

impl Look {
    /// The marker as a small picture beside a name, hidden from readers that speak: the name says it all.
    pub fn symbol(self) -> String {
        let mut sketch = Sketch::new(16.0);
        sketch.height = 16.0;
        self.mark(&mut sketch, (8.0, 8.0), 6.0);
        sketch.symbol()
    }

    /// Paints the marker.
    pub fn mark(self, sketch: &mut Sketch, (x, y): (f64, f64), r: f64) {
        let star: Vec<(f64, f64)> = match self.marker {
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
            Marker::Bar => vec![(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)],
            Marker::Plus => plus(0.38),
            Marker::Cross => plus(0.38).into_iter().map(|(a, b)| ((a - b) * 0.75, (a + b) * 0.75)).collect(),
        };
        let scaled = |f: f64| star.iter().map(|(a, b)| (x + a * r * f, y + b * r * f)).collect::<Vec<_>>();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_strategies_look_alike_without_colour() {
        for (i, (a, _, marker)) in KNOWN.iter().enumerate() {
            for (b, _, other) in &KNOWN[i + 1..] {
                assert_ne!(marker, other, "{a} and {b}");
            }
            assert!(OTHERS.iter().all(|(_, other)| other != marker), "{a}");
        }
        assert_ne!(look("artifact", true), look("artifact", false));
        assert_eq!(look("something-new", true), look("something-new", true));
    }
}
