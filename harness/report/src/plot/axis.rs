//! Axes: round numbers from 0, with their unit.

use super::font::text_width;
use super::sketch::{Anchor, Ink, Sketch};

/// Linear axis from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    /// Distance of two ticks, in the unit of the axis.
    step: f64,
    /// Value at the end.
    top: f64,
    /// Position of 0, in px.
    start: f64,
    /// Position of `top`, in px.
    end: f64,
}

impl Axis {
    /// Axis that holds `highest`, between two positions, with about `ticks` ticks.
    pub fn new(highest: f64, start: f64, end: f64, ticks: f64) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 { highest } else { 1.0 };
        let rough = highest * 1.04 / ticks.max(1.0);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let top = (highest * 1.04 / step).ceil() * step;
        Self { step, top, start, end }
    }

    /// Position of a value, in px.
    pub fn at(&self, value: f64) -> f64 {
        self.start + (self.end - self.start) * value / self.top
    }

    /// Ticks with their text.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let count = (self.top / self.step).round() as usize;
        let decimals = (0..4).find(|d| {
            let scaled = self.step * 10_f64.powi(*d);
            (scaled - scaled.round()).abs() < 1e-6
        });
        let decimals = decimals.unwrap_or(4) as usize;
        (0..=count).map(|i| i as f64 * self.step).map(|v| (self.at(v), format!("{v:.decimals$}"))).collect()
    }

    /// Paints the x axis below a panel, with grid lines and its name; returns its height.
    pub fn below(&self, sketch: &mut Sketch, top: f64, bottom: f64, name: &str) -> f64 {
        for (x, text) in self.ticks() {
            sketch.line(&[(x, top), (x, bottom)], Ink::Grid, 0.5);
            sketch.text((x, bottom + 11.0), text, Ink::Muted, Anchor::Middle);
        }
        sketch.line(&[(self.start, bottom), (self.end, bottom)], Ink::Muted, 1.0);
        sketch.text((f64::midpoint(self.start, self.end), bottom + 30.0), name, Ink::Muted, Anchor::Middle);
        X_AXIS
    }

    /// Paints the y axis left of a panel.
    pub fn left(&self, sketch: &mut Sketch, left: f64, right: f64) {
        for (y, text) in self.ticks() {
            sketch.line(&[(left, y), (right, y)], Ink::Grid, 0.5);
            sketch.text((left - 10.0, y), text, Ink::Muted, Anchor::Right);
        }
    }

    /// Width of the widest text of the ticks, in px.
    pub fn widest(&self) -> f64 {
        self.ticks().iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max)
    }
}

/// Height of an x axis with ticks and name.
pub(crate) const X_AXIS: f64 = 42.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_everything() {
        let axis = Axis::new(46.2, 0.0, 100.0, 5.0);
        let texts: Vec<String> = axis.ticks().into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["0", "10", "20", "30", "40", "50"]);
        assert!(axis.at(46.2) < 100.0);
        let texts: Vec<String> = Axis::new(0.07, 0.0, 1.0, 4.0).ticks().into_iter().map(|(_, t)| t).collect();
        assert_eq!(texts, ["0.00", "0.02", "0.04", "0.06", "0.08"]);
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Axis::new(odd, 0.0, 1.0, 4.0).ticks().len() < 10);
        }
    }
}
