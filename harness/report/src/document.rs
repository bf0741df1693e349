//! Report as blocks, before it is laid out for a medium.

use crate::block::Block;
use crate::format::capital;
use crate::report::Report;
use crate::sections::{claims, fan_out, first, identity, links, ours, sizes, storage, threats, time, verdicts};
use crate::{details, provenance, repeat};

/// Heading above the spike's statements.
const CLAIMS: &str = "The spike's statements";
const OTHERS: &str = "Other conditions";
const AGAIN: &str = "To run it again";

/// The whole report.
pub fn document(report: &Report) -> Vec<Block> {
    let (names, ours) = ours::blocks(report).unwrap_or_default();
    let sections = [
        (OTHERS, first::others(report)),
        ("Verdicts", verdicts::blocks(report)),
        ("Where the time goes", time::blocks(report)),
        ("Sizes", sizes::blocks(report)),
        ("Links side by side", links::blocks(report)),
        (&format!("{} beside the others", capital(&names)), ours),
        ("Fan-out", fan_out::blocks(report)),
        ("Identity", identity::blocks(report)),
        (CLAIMS, claims::blocks(report)),
        ("Storage and cost", storage::blocks(report)),
        ("Failures", details::failures(report)),
        ("Environment", provenance::environment(report)),
        ("Threats to validity", threats::blocks(report)),
        (AGAIN, repeat::again(report)),
    ];
    whole(report, sections)
}

/// Summary for a terminal: answer, tables, verdicts, the spike's statements, failures.
pub fn summary(report: &Report) -> Vec<Block> {
    let mut failures = details::failures(report);
    failures.push(Block::Text(provenance::simulated(report)));
    let sections = [
        (OTHERS, first::others(report)),
        ("Verdicts", verdicts::blocks(report)),
        (CLAIMS, claims::blocks(report)),
        ("Failures", failures),
        (AGAIN, repeat::again(report)),
    ];
    whole(report, sections)
}

/// Title, first screen, contents, and the sections that are not empty.
fn whole<'a>(report: &Report, sections: impl IntoIterator<Item = (&'a str, Vec<Block>)>) -> Vec<Block> {
    let sections: Vec<_> = sections.into_iter().filter(|(_, blocks)| !blocks.is_empty()).collect();
    let mut blocks = vec![Block::Heading(1, provenance::title(report))];
    blocks.extend(first::blocks(report));
    blocks.push(Block::Contents(sections.iter().map(|(name, _)| (*name).to_owned()).collect()));
    for (name, section) in sections {
        blocks.push(Block::Heading(2, name.to_owned()));
        blocks.extend(section);
    }
    blocks
}
