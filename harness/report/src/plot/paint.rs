//! Painting of shapes: as SVG text, and as PNG with plotters and a font that is compiled in.

use std::fmt::Write as _;

use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::font::{self, LINE_PX, SCALE};
use super::sketch::{Anchor, DASH, FONT_PX, Ink, Shape, Sketch};

/// Colours of text, muted text, grid and paper.
struct Theme([&'static str; 4]);

const LIGHT: Theme = Theme(["#1b1f24", "#565f69", "#d7dde3", "#ffffff"]);
/// Colours on the dark background of GitHub.
const DARK: Theme = Theme(["#e4e8ec", "#a2acb7", "#363e48", "#0d1117"]);
/// Colours that the style sheet of a page defines.
const PAGE: Theme = Theme(["currentColor", "var(--muted)", "var(--line)", "var(--paper)"]);

impl Theme {
    fn color(&self, ink: Ink) -> String {
        let at = match ink {
            Ink::Rgb(r, g, b) => return format!("#{r:02x}{g:02x}{b:02x}"),
            Ink::Text => 0,
            Ink::Muted => 1,
            Ink::Grid => 2,
            Ink::Paper => 3,
        };
        self.0[at].to_owned()
    }
}

/// Number with at most one decimal.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn pairs(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect::<Vec<_>>().join(" ")
}

/// Path of an area; that of an upright rectangle is shorter.
fn outline(points: &[(f64, f64)]) -> String {
    if let [(left, top), b, (right, bottom), d] = points
        && (*b, *d) == ((*right, *top), (*left, *bottom))
    {
        let (width, height) = (px(right - left), px(bottom - top));
        return format!("M{},{}h{width}v{height}h-{width}z", px(*left), px(*top));
    }
    format!("M{}z", pairs(points))
}

fn opacity(alpha: f64) -> String {
    if alpha < 1.0 { format!(" opacity=\"{alpha}\"") } else { String::new() }
}

/// Elements of a sketch, one a line.
fn body(sketch: &Sketch, theme: &Theme) -> String {
    let mut out = String::new();
    let mut shapes = sketch.shapes.iter().peekable();
    while let Some(shape) = shapes.next() {
        let _ = match shape {
            Shape::Line { points, ink, width, dashed } => writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{}/>",
                pairs(points),
                theme.color(*ink),
                if *dashed { format!(" stroke-dasharray=\"{DASH}\"") } else { String::new() }
            ),
            Shape::Area { points, ink, alpha } => {
                let mut path = outline(points);
                // Neighbours of one style are one element, which keeps files small.
                while let Some(Shape::Area { points, .. }) = shapes
                    .next_if(|next| matches!(next, Shape::Area { ink: i, alpha: a, .. } if (i, a) == (ink, alpha)))
                {
                    path.push_str(&outline(points));
                }
                writeln!(out, "<path d=\"{path}\" fill=\"{}\"{}/>", theme.color(*ink), opacity(*alpha))
            }
            Shape::Disc { at: (x, y), radius, ink, alpha } => writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{}/>",
                px(*x),
                px(*y),
                px(*radius),
                theme.color(*ink),
                opacity(*alpha)
            ),
            Shape::Text { at: (x, y), text, ink, anchor } => {
                let anchor = match anchor {
                    Anchor::Left => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::Right => " text-anchor=\"end\"",
                };
                let (x, y, color, text) = (px(*x), px(y + FONT_PX * 0.35), theme.color(*ink), escape(text));
                writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{color}\"{anchor}>{text}</text>")
            }
        };
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Sketch {
    /// SVG file with a background.
    pub fn svg(&self, title: &str, text: &str, dark: bool) -> String {
        let theme = if dark { DARK } else { LIGHT };
        let (w, h) = (px(self.width), px(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
             font-family=\"system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif\" font-size=\"{FONT_PX}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>\n{}</svg>\n",
            escape(title),
            escape(text),
            theme.color(Ink::Paper),
            body(self, &theme)
        )
    }

    /// SVG element within a page that defines the colours.
    pub fn inline(&self, id: &str, title: &str, text: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" style=\"max-width:{}px\" font-size=\"{FONT_PX}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{}</svg>",
            px(self.width),
            px(self.height),
            self.width,
            escape(title),
            escape(text),
            body(self, &PAGE)
        )
    }

    /// Small SVG element within a line of text.
    pub fn symbol(&self) -> String {
        let inside = body(self, &PAGE).replace('\n', "");
        let (w, h) = (px(self.width), px(self.height));
        format!("<svg class=\"mark\" viewBox=\"0 0 {w} {h}\" aria-hidden=\"true\">{inside}</svg>")
    }

    /// PNG file on white.
    pub fn png(&self) -> Vec<u8> {
        let (w, h) = ((self.width * SCALE).round() as u32, (self.height * SCALE).round() as u32);
        let mut buffer = vec![255_u8; w as usize * h as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut buffer, (w, h)).into_drawing_area();
            // Only a font that does not read could fail here; a test would notice missing texts.
            let _ = raster(&area, self);
        }
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, w, h);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        // Into memory, only a size of 0 could fail, which no chart has.
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&buffer)?;
            writer.finish()
        });
        debug_assert!(written.is_ok(), "{written:?}");
        out
    }
}

type Painted<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn rgb(ink: Ink) -> RGBColor {
    let digits = u32::from_str_radix(&LIGHT.color(ink)[1..], 16).unwrap_or(0);
    let [_, r, g, b] = digits.to_be_bytes();
    RGBColor(r, g, b)
}

/// Points at the ends of dashes along a line.
fn dashes(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0).max(DASH);
        let at = |i: usize| {
            let t = (i as f64 * DASH / length).min(1.0);
            (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)
        };
        all.extend((0..(length / DASH).ceil() as usize).step_by(2).map(|i| vec![at(i), at(i + 1)]));
    }
    all
}

fn raster<B: DrawingBackend>(area: &DrawingArea<B, Shift>, sketch: &Sketch) -> Painted<B> {
    font::register();
    let px = |v: f64| (v * SCALE).round() as i32;
    let at = |(x, y): (f64, f64)| (px(x), px(y));
    for shape in &sketch.shapes {
        match shape {
            Shape::Line { points, ink, width, dashed } => {
                let style = rgb(*ink).stroke_width((width * SCALE).round().max(1.0) as u32);
                for line in if *dashed { dashes(points) } else { vec![points.clone()] } {
                    area.draw(&PathElement::new(line.into_iter().map(at).collect::<Vec<_>>(), style))?;
                }
            }
            Shape::Area { points, ink, alpha } => {
                let style: ShapeStyle = rgb(*ink).mix(*alpha).filled();
                area.draw(&Polygon::new(points.iter().copied().map(at).collect::<Vec<_>>(), style))?;
            }
            Shape::Disc { at: centre, radius, ink, alpha } => {
                let style: ShapeStyle = rgb(*ink).mix(*alpha).filled();
                area.draw(&Circle::new(at(*centre), px(*radius), style))?;
            }
            Shape::Text { at: middle, text, ink, anchor } => {
                let h = match anchor {
                    Anchor::Left => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::Right => HPos::Right,
                };
                let color = rgb(*ink);
                let style = TextStyle::from((FontFamily::SansSerif, LINE_PX * SCALE).into_font())
                    .color(&color)
                    .pos(Pos::new(h, VPos::Center));
                // The middle of a line lies above the middle of its letters.
                area.draw(&Text::new(text.clone(), at((middle.0, middle.1 + 1.8)), style))?;
            }
        }
    }
    area.present()
}
