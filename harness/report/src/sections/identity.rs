//! Identity of the image that arrived with the image that was built, level by level.

use handoff_analysis::Finding;

use super::group_heading;
use crate::block::Block;
use crate::format::NONE;
use crate::grid::{Cell, Grid, Tone};
use crate::report::{Group, Line, Report};

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Text(String::from(
        "Each level is compared with the image that was built. Content is every file of the image, and layers are the uncompressed \
         layers. Config is the image's config, and index is the digest by which the engine knows the image. A trial counts only if \
         its content is equal. Other levels may differ where the consumer builds again.",
    ))];
    let alike = report.groups.iter().all(|g| grid(g) == grid(&report.groups[0]));
    for group in &report.groups {
        let table = grid(group);
        if table.rows.is_empty() {
            continue;
        }
        if !alike {
            blocks.extend(group_heading(report, group));
        }
        blocks.push(Block::Table(table));
        if alike {
            break;
        }
    }
    blocks.extend(crate::details::findings(report));
    blocks
}

fn grid(group: &Group) -> Grid {
    let mut grid = Grid::new("Approach | Content | Layers | Config | Index");
    grid.rows.extend(group.lines.iter().filter_map(row));
    grid
}

/// Row for all sizes; a level on which sizes differ has counts.
fn row(line: &Line) -> Option<Vec<Cell>> {
    let cells: Vec<_> = line.cells.iter().flatten().filter(|c| c.n > 0).collect();
    if cells.is_empty() {
        return None;
    }
    let mut row = vec![Cell::strategy(line)];
    for level in 0..4 {
        let counts: Vec<_> = cells.iter().map(|c| c.identity.levels()[level].1).collect();
        let (equal, all) = counts.iter().fold((0, 0), |(e, n), c| (e + c.equal, n + c.n()));
        let first = counts[0].finding();
        row.push(match first {
            Finding::Equal if counts.iter().all(|c| c.finding() == first) => Cell::toned("equal", Tone::Good),
            Finding::Different if counts.iter().all(|c| c.finding() == first) => Cell::toned("differs", Tone::Bad),
            Finding::Absent if counts.iter().all(|c| c.finding() == first) => Cell::toned("not known", Tone::Open),
            _ => Cell::toned(format!("equal in {equal} of {all}"), Tone::Bad),
        });
    }
    debug_assert!(row.iter().all(|c| c.text != NONE));
    Some(row)
}
