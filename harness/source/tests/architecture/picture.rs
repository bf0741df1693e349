//! The picture of the rooms as SVG, for light and dark pages.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::rooms::{Floor, MODEL, ROOMS, Room};

const COLUMNS: usize = 6;
const STEP: (f64, f64) = (148.0, 112.0);
const BOX: (f64, f64) = (132.0, 58.0);
const MARGIN: f64 = 6.0;
const TOP: f64 = 14.0;
const ROWS: usize = 5;

const STYLE: &str = "\
  .page{fill:#fff} text{fill:#1f2328;font:12px system-ui,sans-serif;text-anchor:middle} .name{font:600 14px ui-monospace,monospace}
  .edge{fill:none;stroke:#6e7781;stroke-width:1.2} .head{fill:#6e7781}
  .harness{fill:#ddf4ff;stroke:#0969da} .relay{fill:#fff1e5;stroke:#bc4c00} .recipes{fill:#dafbe1;stroke:#1a7f37}
  @media (prefers-color-scheme:dark){.page{fill:#0d1117} text{fill:#e6edf3} .edge{stroke:#8b949e} .head{fill:#8b949e}
  .harness{fill:#0c2d4d;stroke:#58a6ff} .relay{fill:#47240a;stroke:#f0883e} .recipes{fill:#0f3d1c;stroke:#3fb950}}
";

/// Draws every room, and an arrow to each room that it uses, unless a longer way leads there too.
pub fn draw() -> String {
    let width = 2.0 * MARGIN + COLUMNS as f64 * STEP.0;
    let height = TOP + (ROWS - 1) as f64 * STEP.1 + BOX.1 + TOP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>The crates of Handoff and their dependencies</title>\n<style>\n{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path class=\"head\" d=\"M0 0 8 4 0 8z\"/></marker></defs>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    for room in ROOMS {
        for to in shortest(room) {
            let _ = writeln!(svg, "<path class=\"edge\" marker-end=\"url(#head)\" d=\"{}\"/>", arrow(room, to));
        }
    }
    for room in ROOMS {
        draw_room(&mut svg, room);
    }
    let legend =
        [(Floor::Harness, "measures"), (Floor::Relay, "hands over"), (Floor::Recipes, "says what is measured")];
    for (i, (floor, text)) in legend.into_iter().enumerate() {
        let y = TOP + i as f64 * 20.0;
        let x = MARGIN + 8.0;
        let class = class(floor);
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" rx=\"2\"/>");
        let _ = writeln!(svg, "<text style=\"text-anchor:start\" x=\"{}\" y=\"{}\">{text}</text>", x + 18.0, y + 10.0);
    }
    svg + "</svg>\n"
}

fn class(floor: Floor) -> &'static str {
    match floor {
        Floor::Harness => "harness",
        Floor::Relay => "relay",
        Floor::Recipes => "recipes",
    }
}

/// Left edge, top edge and width of a room.
fn area(room: &Room) -> (f64, f64, f64) {
    let (row, column) = room.position;
    // The first and the last room stand below and above several others.
    let width = if room.name == MODEL || row == 0 { BOX.0 + STEP.0 } else { BOX.0 };
    (MARGIN + column as f64 * STEP.0 + (STEP.0 - BOX.0) / 2.0, TOP + row as f64 * STEP.1, width)
}

fn draw_room(svg: &mut String, room: &Room) {
    let (x, y, width) = area(room);
    let middle = x + width / 2.0;
    let class = class(room.floor);
    let _ =
        writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" rx=\"6\"/>", BOX.1);
    let _ = writeln!(svg, "<text class=\"name\" x=\"{middle}\" y=\"{}\">{}</text>", y + 18.0, room.name);
    for (line, text) in room.holds.iter().enumerate() {
        let text = text.replace("->", "→");
        let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{}\">{text}</text>", y + 34.0 + 15.0 * line as f64);
    }
}

/// A curve from the lower edge of a room to the upper edge of another one, through gaps between the rooms of rows in between.
fn arrow(from: &Room, to: &Room) -> String {
    let ((x0, y0, w0), (x1, y1, w1)) = (area(from), area(to));
    let lean = (x1 + w1 / 2.0 - x0 - w0 / 2.0).clamp(-STEP.0, STEP.0) / STEP.0;
    let (mut x, mut y) = (x0 + w0 / 2.0 + lean * w0 * 0.3, y0 + BOX.1);
    let end = x1 + w1 / 2.0 - lean * w1 * 0.25;
    let mut path = format!("M{x:.0} {y:.0}");
    for row in from.position.0 + 1..to.position.0 {
        let top = TOP + row as f64 * STEP.1;
        let part = (row - from.position.0) as f64 / (to.position.0 - from.position.0) as f64;
        let gap = MARGIN + ((x + (end - x) * part - MARGIN) / STEP.0).round() * STEP.0;
        let middle = f64::midpoint(y, top);
        let _ = write!(path, " C{x:.0} {middle:.0} {gap:.0} {middle:.0} {gap:.0} {top:.0} V{:.0}", top + BOX.1);
        (x, y) = (gap, top + BOX.1);
    }
    let middle = f64::midpoint(y, y1);
    let _ = write!(path, " C{x:.0} {middle:.0} {end:.0} {middle:.0} {end:.0} {y1:.0}");
    path
}

/// Rooms that a room uses and that none of the others which it uses leads to.
fn shortest(room: &Room) -> Vec<&'static Room> {
    let used: Vec<&Room> = ROOMS.iter().filter(|r| room.uses.contains(&r.name)).collect();
    let behind: BTreeSet<&str> = used.iter().flat_map(|r| reachable(r)).collect();
    used.into_iter().filter(|r| !behind.contains(r.name)).collect()
}

/// Rooms that a room leads to.
fn reachable(room: &Room) -> BTreeSet<&'static str> {
    let next = ROOMS.iter().filter(|r| room.uses.contains(&r.name));
    next.flat_map(|r| reachable(r).into_iter().chain([r.name])).collect()
}
