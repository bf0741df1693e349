//! What the measurements say of the spike's claims.

use handoff_analysis::{JudgedClaim, Judgement, Subject, Under};

use crate::document::{Block, Cell, Grid, Tone};
use crate::format::NONE;
use crate::plot::look;
use crate::report::Report;

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let mut grid = Grid::new(&[
        ("Approach", false),
        ("Claim", false),
        ("Claimed", false),
        ("Measured", false),
        ("Judgement", false),
        ("Why", false),
    ]);
    for claim in report.judged.iter().filter(|c| !c.claimed.is_empty()) {
        let name = Cell { text: claim.strategy.clone(), look: Some(look(&claim.strategy, true)), ..Cell::default() };
        let mut row = vec![name];
        row.extend([claim.subject.words().to_owned(), claim.claimed.clone(), measured(claim)].map(Cell::from));
        row.push(Cell::toned(claim.judgement.words(), tone(claim.judgement)));
        row.push(claim.reason.clone().into());
        grid.rows.push(row);
    }
    if grid.rows.is_empty() {
        return Vec::new();
    }
    vec![Block::Heading(3, "The spike's claims, one by one".to_owned()), Block::Table(grid)]
}

pub(crate) fn tone(judgement: Judgement) -> Tone {
    match judgement {
        Judgement::Holds => Tone::Good,
        Judgement::TooSlow | Judgement::TooFast | Judgement::Wrong => Tone::Bad,
        Judgement::NotTested | Judgement::NotTheRecipe => Tone::Open,
    }
}

/// What is said of one claim on a strategy.
pub(crate) fn on<'a>(report: &'a Report, strategy: &str, subject: Subject) -> Option<&'a JudgedClaim> {
    report.judged.iter().find(|c| c.strategy == strategy && c.subject == subject)
}

/// The measured side: each place with its interval. More than three would bury the rest.
fn measured(claim: &JudgedClaim) -> String {
    const MOST: usize = 3;
    let mut parts: Vec<String> = claim.under.iter().filter_map(place).collect();
    // The same under many conditions is said once.
    parts.dedup();
    if parts.len() > MOST {
        let more = parts.len() - MOST;
        parts.truncate(MOST);
        parts.push(format!("and {more} more (tables above)"));
    }
    if parts.is_empty() { NONE.to_owned() } else { parts.join("; ") }
}

fn place(under: &Under) -> Option<String> {
    if under.n == 0 {
        return None;
    }
    if let Some(median) = under.median {
        let interval = match (under.low, under.high, under.coverage) {
            (Some(low), Some(high), Some(c)) => format!(" [{low:.1}–{high:.1}, {:.1} %]", c * 100.0),
            _ => String::new(),
        };
        return Some(format!("{}: {median:.1}{interval} (n = {})", under.size, under.n));
    }
    let levels: Vec<String> =
        under.levels.iter().map(|(name, finding)| format!("{name} {}", finding_word(*finding))).collect();
    (!levels.is_empty()).then(|| format!("{}: {}", under.size, levels.join(", ")))
}

fn finding_word(finding: handoff_analysis::Finding) -> &'static str {
    use handoff_analysis::Finding;
    match finding {
        Finding::Equal => "equal",
        Finding::Different => "differs",
        Finding::Absent => "not known",
        Finding::Mixed => "mixed",
    }
}
