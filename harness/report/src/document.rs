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
    let mut sections = vec![
        (OTHERS.to_owned(), first::others(report)),
        ("Verdicts".to_owned(), verdicts::blocks(report)),
        ("Where the time goes".to_owned(), time::blocks(report)),
        ("Sizes".to_owned(), sizes::blocks(report)),
        ("Links side by side".to_owned(), links::blocks(report)),
    ];
    sections.extend(ours::blocks(report).map(|(names, ours)| (format!("{} beside the others", capital(&names)), ours)));
    sections.extend([
        ("Fan-out".to_owned(), fan_out::blocks(report)),
        ("Identity".to_owned(), identity::blocks(report)),
        (CLAIMS.to_owned(), claims::blocks(report)),
        ("Storage and cost".to_owned(), storage::blocks(report)),
        ("Failures".to_owned(), details::failures(report)),
        ("Environment".to_owned(), provenance::environment(report)),
        ("Threats to validity".to_owned(), threats::blocks(report)),
        (AGAIN.to_owned(), repeat::again(report)),
    ]);
    sections.retain(|(_, blocks)| !blocks.is_empty());
    let mut blocks = head(report);
    blocks.push(Block::Contents(sections.iter().map(|(name, _)| name.clone()).collect()));
    blocks.extend(sections.into_iter().flat_map(section));
    blocks
}

/// Title and first screen.
fn head(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(1, provenance::title(report))];
    blocks.extend(first::blocks(report));
    blocks
}

fn section((name, blocks): (String, Vec<Block>)) -> impl Iterator<Item = Block> {
    [Block::Heading(2, name)].into_iter().chain(blocks)
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
    let shown = sections.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    head(report).into_iter().chain(shown.flat_map(|(name, blocks)| section((name.to_owned(), blocks)))).collect()
}
