//! One strategy completes where another one fails for a declared reason.

use handoff_model::{ByteSize, Cell, Conditions, Outcome, StrategySpec};
use handoff_records::MeasurementRow;

use super::trials::{Trials, completed, failed};
use crate::claims::{Quantity, Rule, Where};
use crate::judgement::{Evidence, Judgement};
use crate::number::plural;
use crate::spread::Spread;

/// Figure of a profile's name that limits what the cache holds.
const STORAGE_LIMIT: &str = "storage_limit=";

/// Most characters of an error that a verdict quotes.
const QUOTED: usize = 80;

/// A failure for another reason than the declared ones is no evidence, on either side.
pub(super) fn judge(
    one: Evidence,
    rule: &Rule,
    run: &Trials<'_>,
    cell: &Cell,
    first: &[&MeasurementRow],
    second: &[&MeasurementRow],
) -> Evidence {
    let Rule::OnlyOne { succeeds, fails, error, refuting_error, fits_beside } = rule else { return one };
    let done = completed(first).count();
    let ((missed, of), (broke, others)) = (failed(first, error), failed(second, error));
    let note = format!("{done} of {of} trials completed; {broke} of {others} of the other failed with `{error}`");
    let one = Evidence { note, ..one };
    let declared: Vec<&str> = std::iter::once(error).chain(refuting_error).map(String::as_str).collect();
    let other_reasons: Vec<&str> = [undeclared(first, &declared), undeclared(second, &[error])].concat();
    if of == 0 || others == 0 {
        return one.refused("no trial of one of the two has run");
    }
    if let Some(fits) = fits_beside
        && let Some(why) = limit_tests_nothing(run, cell, (succeeds, fails), fits)
    {
        return one.refused(why);
    }
    let refuting = refuting_error.as_ref().map_or(0, |e| failed(first, e).0);
    let second_completed = completed(second).count();
    match () {
        // The limit was not too small for the second: nothing had to be rescued.
        () if second_completed > 0 && fits_beside.is_some() => {
            one.refused(format!("`{fails}` completes under the limit"))
        }
        () if second_completed > 0 => one.judged(Judgement::NotAsClaimed),
        () if !other_reasons.is_empty() => one.refused(because(&other_reasons)),
        () if missed + refuting > 0 => one.judged(Judgement::NotAsClaimed),
        () if done == of && broke == others => one.judged(Judgement::AsClaimed),
        () => one.refused("no trial of one of the two completed or failed"),
    }
}

/// Errors of trials that failed for other reasons than the declared ones.
fn undeclared<'a>(rows: &[&'a MeasurementRow], declared: &[&str]) -> Vec<&'a str> {
    rows.iter()
        .filter(|r| r.outcome == Outcome::Failed && !declared.iter().any(|d| r.error.starts_with(d)))
        .map(|r| r.error.as_str())
        .collect()
}

fn because(errors: &[&str]) -> String {
    let first: String = errors.first().into_iter().flat_map(|e| e.chars()).take(QUOTED).collect();
    format!("{} failed for another reason: {first}", plural(errors.len(), "trial", "trials"))
}

/// Reason why a storage limit cannot separate the two strategies: it holds neither cache, nor the image's bytes.
fn limit_tests_nothing(
    run: &Trials<'_>,
    cell: &Cell,
    (succeeds, fails): (&StrategySpec, &StrategySpec),
    fits: &StrategySpec,
) -> Option<String> {
    if run.beside(cell, fits).is_some_and(|rows| completed(rows).next().is_some()) {
        return None;
    }
    let (profile, figures) = cell.conditions.profile.split_once(':')?;
    let limit: ByteSize = figures.split(',').find_map(|f| f.split_once(STORAGE_LIMIT)?.1.parse().ok())?;
    // Failed trials have no bytes: the same profile without the limit does.
    let unlimited = Conditions { profile: profile.to_owned(), ..cell.conditions.clone() };
    let stored = |spec: &StrategySpec| {
        let cells = run.cells(spec, &Where { cache_state: Some(cell.conditions.cache_state), ..Where::default() });
        let rows = cells
            .into_iter()
            .find(|(c, _)| c.workload == cell.workload && c.size == cell.size && c.conditions == unlimited)?;
        Spread::of(rows.1.iter().filter_map(|r| run.value(r, Quantity::BytesStored))).map(|s| s.median())
    };
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    match (stored(succeeds), stored(fails)) {
        (Some(a), Some(b)) if a <= limit.bytes() && limit.bytes() < b => None,
        (Some(a), Some(b)) => Some(format!(
            "the limit of {} is not between the two caches ({} of `{succeeds}`, {} of `{fails}`), and `{fits}` does not \
             complete either",
            mb(limit.bytes()),
            mb(a),
            mb(b)
        )),
        _ => Some(format!("`{fits}` does not complete either: the limit has no room for the image")),
    }
}
