//! The font of charts, which is compiled in, and the width of texts in it.

use std::sync::Once;

use plotters::style::{FontFamily, FontStyle, IntoFont, register_font};

use super::sketch::TEXT;

/// Charts are painted at this many times their size.
pub(super) const SCALE: f64 = 2.0;

const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// Makes the font known to plotters.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that does not read would make every drawing fail; a test draws.
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// The width of a text in a chart.
pub(super) fn text_width(text: &str) -> f64 {
    register();
    let font = (FontFamily::SansSerif, TEXT * SCALE).into_font();
    font.box_size(text).map_or(text.chars().count() as f64 * TEXT * 0.6, |(width, _)| f64::from(width) / SCALE)
}

/// A text cut to a width, with an ellipsis.
pub(super) fn fit(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().collect();
    while letters.pop().is_some() {
        let cut: String = letters.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&cut) <= width {
            return cut;
        }
    }
    String::new()
}
