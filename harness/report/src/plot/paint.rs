//! Shapes to SVG and PNG, with plotters and a font that is compiled in.
//!
//! Both are painted at twice the size from the same shapes: plotters counts in whole pixels, and a PNG is to be
//! sharp on a dense screen.

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::font::{self, SCALE};
use super::sketch::{Anchor, Ink, Shape, Sketch};

const TEXT: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
const MUTED: RGBColor = RGBColor(0x56, 0x5F, 0x69);
const GRID: RGBColor = RGBColor(0xD7, 0xDD, 0xE3);
const PAPER: RGBColor = RGBColor(0xFE, 0xFE, 0xFE);

fn rgb(ink: Ink) -> RGBColor {
    match ink {
        Ink::Text => TEXT,
        Ink::Muted => MUTED,
        Ink::Grid => GRID,
        Ink::Paper => PAPER,
        Ink::Rgb(r, g, b) => RGBColor(r, g, b),
    }
}

type Painted<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// `drop` moves text down: the two backends do not mean the same by the middle of a line.
fn paint<B: DrawingBackend>(area: &DrawingArea<B, Shift>, sketch: &Sketch, drop: f64) -> Painted<B> {
    font::register();
    let px = |v: f64| (v * SCALE).round() as i32;
    let at = |(x, y): (f64, f64)| (px(x), px(y));
    for shape in &sketch.shapes {
        match shape {
            Shape::Line { points, ink, width } => {
                let style = rgb(*ink).stroke_width((width * SCALE).round().max(1.0) as u32);
                area.draw(&PathElement::new(points.iter().copied().map(at).collect::<Vec<_>>(), style))?;
            }
            Shape::Area { points, ink, alpha } => {
                let style: ShapeStyle = rgb(*ink).mix(*alpha).filled();
                area.draw(&Polygon::new(points.iter().copied().map(at).collect::<Vec<_>>(), style))?;
            }
            Shape::Disc { at: centre, radius, ink, alpha } => {
                let style: ShapeStyle = rgb(*ink).mix(*alpha).filled();
                area.draw(&Circle::new(at(*centre), px(*radius), style))?;
            }
            Shape::Text { at: place, text, size, ink, anchor } => {
                let h = match anchor {
                    Anchor::Left => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::Right => HPos::Right,
                };
                let color = rgb(*ink);
                let style = TextStyle::from((FontFamily::SansSerif, size * SCALE).into_font())
                    .color(&color)
                    .pos(Pos::new(h, VPos::Center));
                area.draw(&Text::new(text.clone(), at((place.0, place.1 + drop)), style))?;
            }
        }
    }
    area.present()
}

fn pixels(sketch: &Sketch) -> (u32, u32) {
    ((sketch.width * SCALE).round() as u32, (sketch.height * SCALE).round() as u32)
}

/// What stands between the tags of the SVG.
fn body(sketch: &Sketch) -> String {
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, pixels(sketch)).into_drawing_area();
        // Into a string nothing can fail but a font that is not there; text is then missing, and a test notices.
        let _ = paint(&area, sketch, 0.0);
    }
    let inside = out.split_once('>').map_or("", |(_, rest)| rest);
    inside.rsplit_once("</svg>").map_or(inside, |(inside, _)| inside).to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The body with the colours that a page gives a meaning.
fn themed(sketch: &Sketch) -> String {
    let mut inside = body(sketch);
    for (color, name) in
        [(TEXT, "currentColor"), (MUTED, "var(--muted)"), (GRID, "var(--line)"), (PAPER, "var(--paper)")]
    {
        inside = inside.replace(&format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2), name);
    }
    inside
}

impl Sketch {
    /// As an SVG file of its own, on white.
    pub fn svg(&self, title: &str, text: &str) -> String {
        let (w, h) = pixels(self);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
             <title>{}</title>\n<desc>{}</desc>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#FFFFFF\"/>{}</svg>\n",
            self.width,
            self.height,
            escape(title),
            escape(text),
            body(self)
        )
    }

    /// As SVG within a page that says what the colours are.
    pub fn inline(&self, id: &str, title: &str, text: &str) -> String {
        let (w, h) = pixels(self);
        let inside = themed(self);
        format!(
            "<svg viewBox=\"0 0 {w} {h}\" style=\"max-width:{}px\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{inside}</svg>",
            self.width,
            escape(title),
            escape(text),
        )
    }

    /// As a small SVG within a line of text.
    pub fn symbol(&self) -> String {
        let (w, h) = pixels(self);
        let inside = themed(self).replace('\n', "");
        format!("<svg class=\"mark\" viewBox=\"0 0 {w} {h}\" aria-hidden=\"true\">{inside}</svg>")
    }

    /// As a PNG file, on white.
    pub fn png(&self) -> Vec<u8> {
        let (w, h) = pixels(self);
        let mut buffer = vec![255_u8; w as usize * h as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut buffer, (w, h)).into_drawing_area();
            // As with the SVG: a test notices what is missing.
            let _ = paint(&area, self, 1.8);
        }
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, w, h);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        // Into memory: what could fail are sizes of 0, which no chart has.
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&buffer)?;
            writer.finish()
        });
        debug_assert!(written.is_ok(), "{written:?}");
        out
    }
}
