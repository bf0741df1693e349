//! Font of charts, compiled in, and the width of texts in it.

use std::sync::Once;

use plotters::style::{FontFamily, FontStyle, IntoFont, register_font};

use super::sketch::FONT_PX;

/// Pixels of a PNG file per CSS pixel, so that a PNG is sharp on a dense screen.
pub(super) const SCALE: f64 = 2.0;

/// Size of texts as plotters counts it: the height of a line instead of the size of the letters.
pub(super) const LINE_PX: f64 = FONT_PX * 1.24;

const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// Registers the font with plotters.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that does not read would make every drawing fail; a test draws.
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// Width of a text in a chart, in px.
pub(super) fn text_width(text: &str) -> f64 {
    register();
    let font = (FontFamily::SansSerif, LINE_PX * SCALE).into_font();
    font.box_size(text).map_or(text.chars().count() as f64 * FONT_PX * 0.6, |(width, _)| f64::from(width) / SCALE)
}

/// Text cut to a width in px, with an ellipsis in its middle, so that variants of one strategy stay distinct.
pub(super) fn fit(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().collect();
    while !letters.is_empty() {
        let middle = letters.len() / 2;
        letters.remove(middle);
        let (start, end) = letters.split_at(middle);
        let cut = format!("{}…{}", start.iter().collect::<String>(), end.iter().collect::<String>());
        if text_width(&cut) <= width {
            return cut;
        }
    }
    String::new()
}
