//! Judges the spike's claims: only by rows under the conditions of its recipe.

use handoff_model::conditions::LOOPBACK;
use handoff_model::{Builder, ByteSize, ImageStore, OwnImage, Side, SpanKind};

use crate::analysis::Analysis;
use crate::claims::{Claim, Claims};
use crate::decisions::Store;
use crate::group::Group;
use crate::identity::Finding;
use crate::judgement::{JudgedClaim, Judgement, Subject, Under, WorkflowSize};
use crate::number;
use crate::spread::Spread;
use crate::summary::CellSummary;

/// The sizes that the claims are for: 1 to 3 GB, in either reading of GB.
const SIZES: std::ops::RangeInclusive<u64> = 1_000_000_000..=3 * ByteSize::GIB;

/// Options of the spike's own recipes: with these a variant is still what the spike means.
const LITERAL: [(&str, &str); 5] =
    [("producer-load", "true"), ("source", "save"), ("client", "lhotari"), ("action", "v4"), ("level", "0")];

/// The client that the spike names for streaming.
const STREAM_CLIENT: &str = "lhotari";

/// The surest interval of a median that a judgement may rest on.
const SURE: f64 = 0.95;

/// Every claim with what may be said of it. `workflows` holds what was counted in the generated workflows; none: not
/// counted here.
pub fn judge(analysis: &Analysis, claims: &Claims, workflows: &[WorkflowSize]) -> Vec<JudgedClaim> {
    let mut all = Vec::new();
    for claim in &claims.claims {
        let cells = cells(analysis, claim);
        all.push(transfer(claim, &cells));
        all.push(identity(claim, &cells));
        all.push(limit(claim, &cells, analysis));
        all.push(complexity(claim, workflows));
        let rates = [
            (Subject::UploadRate, claim.upload_mib_per_s, Side::Producer, SpanKind::Upload),
            (Subject::DownloadRate, claim.download_mib_per_s, Side::Consumer, SpanKind::Download),
        ];
        for (subject, claimed, side, kind) in rates {
            all.extend(claimed.map(|claimed| rate(claim, subject, claimed, side, kind, &cells)));
        }
    }
    all
}

/// A cell that a claim could be about, in its group, and why it is not the recipe, if so.
struct Candidate<'a> {
    group: &'a Group,
    cell: &'a CellSummary,
    /// The departures that concern every claim.
    departures: Vec<String>,
    /// The departure that concerns what the client does alone.
    client: Option<String>,
}

fn cells<'a>(analysis: &'a Analysis, claim: &Claim) -> Vec<Candidate<'a>> {
    let mut all = Vec::new();
    for group in &analysis.groups {
        for cell in group.cells.iter().filter(|c| !c.cell.control && c.cell.strategy.name == claim.strategy) {
            all.push(candidate(group, cell));
        }
    }
    all
}

fn candidate<'a>(group: &'a Group, cell: &'a CellSummary) -> Candidate<'a> {
    let conditions = &cell.cell.conditions;
    let mut departures = Vec::new();
    if conditions.image_store != ImageStore::Overlay2 {
        departures.push(format!("the {} image store", conditions.image_store));
    }
    if conditions.builder != Builder::DockerContainer {
        departures.push(format!("the `{}` builder", conditions.builder));
    }
    if let Some((key, value)) =
        cell.cell.strategy.options.iter().find(|(k, v)| !LITERAL.contains(&(k.as_str(), v.as_str())))
    {
        departures.push(format!("the option {key}={value}"));
    }
    let streams = cell.cell.strategy.name == "zstd-stream";
    let named = cell.clients.iter().all(|c| c.contains(STREAM_CLIENT)) && !cell.clients.is_empty();
    let client = (streams && !named).then(|| {
        format!("another client than the one that the spike names ({STREAM_CLIENT}/gh-actions-artifact-client)")
    });
    Candidate { group, cell, departures, client }
}

impl Candidate<'_> {
    fn under(&self, judgement: Judgement) -> Under {
        Under {
            workload: self.group.key.workload.clone(),
            size: self.group.key.size,
            conditions: self.group.key.conditions.clone(),
            n: self.cell.n,
            median: None,
            low: None,
            high: None,
            coverage: None,
            levels: Vec::new(),
            judgement,
        }
    }

    /// Why a time of this cell is not the recipe's.
    fn why_no_time(&self) -> Vec<String> {
        let mut all = self.departures.clone();
        all.extend(self.client.clone());
        let (size, workload) = (self.group.key.size, &self.group.key.workload);
        if size == ByteSize::OWN || OwnImage::is_own_workload(workload) {
            all.push("an image of your own".to_owned());
        } else if !SIZES.contains(&size.bytes()) {
            all.push(format!("a size of {size}"));
        }
        all
    }
}

/// Times and rates, judged by an interval against a range.
struct Measured {
    median: f64,
    low: f64,
    high: f64,
    coverage: f64,
}

impl Measured {
    fn against(&self, low: f64, high: f64, slow_is_high: bool) -> Judgement {
        let (above, below) = if slow_is_high {
            (Judgement::TooFast, Judgement::TooSlow)
        } else {
            (Judgement::TooSlow, Judgement::TooFast)
        };
        if self.coverage < SURE {
            Judgement::NotTested
        } else if self.low > high {
            above
        } else if self.high < low {
            below
        } else if (low..=high).contains(&self.median) {
            Judgement::Holds
        } else {
            Judgement::NotTested
        }
    }
}

fn numeric(
    claim: &Claim,
    subject: Subject,
    claimed: String,
    candidates: &[Candidate<'_>],
    measure: impl Fn(&Candidate<'_>) -> Option<Measured>,
    judge: impl Fn(&Measured) -> Judgement,
) -> JudgedClaim {
    let mut under = Vec::new();
    let mut departures: Vec<String> = Vec::new();
    let mut few = false;
    for candidate in candidates {
        let why = candidate.why_no_time();
        let measured = measure(candidate);
        let judgement = match (&measured, why.is_empty()) {
            (_, false) => Judgement::NotTheRecipe,
            (Some(m), true) => judge(m),
            (None, true) => Judgement::NotTested,
        };
        few |= why.is_empty() && judgement == Judgement::NotTested;
        for reason in why {
            if !departures.contains(&reason) {
                departures.push(reason);
            }
        }
        let mut one = candidate.under(judgement);
        if let Some(m) = measured {
            (one.median, one.low, one.high, one.coverage) =
                (Some(m.median), Some(m.low), Some(m.high), Some(m.coverage));
        }
        under.push(one);
    }
    let judgement = overall(&under);
    let reason = match judgement {
        Judgement::NotTested if under.is_empty() => "no trial of this strategy".to_owned(),
        Judgement::NotTested if few => {
            "trials under the recipe's conditions are too few, or their interval reaches over the border of the claim"
                .to_owned()
        }
        Judgement::NotTested => "nothing is claimed that a trial here could test".to_owned(),
        Judgement::NotTheRecipe => format!("measured with {}", departures.join(", ")),
        _ => verdict_reason(&under, judgement),
    };
    JudgedClaim { strategy: claim.strategy.clone(), subject, claimed, judgement, under, reason }
}

fn verdict_reason(under: &[Under], judgement: Judgement) -> String {
    let decided = || under.iter().filter(|u| !matches!(u.judgement, Judgement::NotTested | Judgement::NotTheRecipe));
    let sizes: Vec<String> = decided().map(|u| format!("{} at {}", u.judgement.words(), u.size)).collect();
    let mut text = format!("{}: {}", judgement.words(), sizes.join(", "));
    if decided().any(|u| u.conditions.profile == LOOPBACK) {
        text.push_str("; on loopback, where no network slows a transfer down");
    }
    text
}

/// One word for all that a claim was judged under: the worst of those that decide.
fn overall(under: &[Under]) -> Judgement {
    let has = |j: Judgement| under.iter().any(|u| u.judgement == j);
    match (has(Judgement::TooSlow), has(Judgement::TooFast)) {
        (true, true) => Judgement::Wrong,
        (true, false) => Judgement::TooSlow,
        (false, true) => Judgement::TooFast,
        _ if has(Judgement::Wrong) => Judgement::Wrong,
        _ if has(Judgement::Holds) => Judgement::Holds,
        _ if has(Judgement::NotTested) || under.is_empty() => Judgement::NotTested,
        _ => Judgement::NotTheRecipe,
    }
}

fn seconds(spread: &Spread) -> Option<Measured> {
    let interval = spread.interval(SURE)?;
    let s = |ns: u64| ns as f64 / 1e9;
    Some(Measured {
        median: s(spread.median()),
        low: s(interval.low),
        high: s(interval.high),
        coverage: interval.coverage,
    })
}

fn transfer(claim: &Claim, candidates: &[Candidate<'_>]) -> JudgedClaim {
    let (low, high) = (claim.transfer_low_s, claim.transfer_high_s);
    numeric(
        claim,
        Subject::Transfer,
        format!("{low}-{high} s"),
        candidates,
        |c| seconds(c.cell.transfer.as_ref()?),
        |m| m.against(f64::from(low), f64::from(high), true),
    )
}

/// A rate is claimed as one number; it holds if what is measured comes within a tenth of it.
fn rate(
    claim: &Claim,
    subject: Subject,
    claimed: u32,
    side: Side,
    kind: SpanKind,
    candidates: &[Candidate<'_>],
) -> JudgedClaim {
    let measure = |c: &Candidate<'_>| {
        let spans = c.group.spans.iter().find(|s| s.cell == c.cell.cell)?;
        let rates = &spans.kinds.iter().find(|k| k.side == side && k.kind == kind)?.rates_mib_s;
        // As whole bytes a second, so that the one interval of medians serves here too.
        let spread = Spread::of(rates.iter().map(|r| (r * 1_048_576.0).round() as u64))?;
        let interval = spread.interval(SURE)?;
        let mib = |b: u64| b as f64 / 1_048_576.0;
        Some(Measured {
            median: mib(spread.median()),
            low: mib(interval.low),
            high: mib(interval.high),
            coverage: interval.coverage,
        })
    };
    let claimed_rate = f64::from(claimed);
    numeric(claim, subject, format!("{claimed} MiB/s or more"), candidates, measure, |m| {
        // "180+" is a lower bound: more is no fault of the claim.
        match m.against(claimed_rate * 0.9, f64::INFINITY, false) {
            Judgement::TooFast => Judgement::TooFast,
            other => other,
        }
    })
}

fn identity(claim: &Claim, candidates: &[Candidate<'_>]) -> JudgedClaim {
    let mut under = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for candidate in candidates {
        let identity = &candidate.cell.identity;
        let of = |f: Finding| identity.levels().iter().any(|(level, c)| *level != "index" && c.finding() == f);
        let judgement = if !candidate.departures.is_empty() {
            Judgement::NotTheRecipe
        } else if candidate.cell.n == 0 || claim.byte_identical.is_none() {
            Judgement::NotTested
        } else if claim.byte_identical == Some(of(Finding::Different) || of(Finding::Mixed)) {
            Judgement::Wrong
        } else if of(Finding::Absent) {
            Judgement::NotTested
        } else {
            Judgement::Holds
        };
        let mut one = candidate.under(judgement);
        one.levels = identity.levels().map(|(level, count)| (level, count.finding())).to_vec();
        if candidate.cell.n > 0 {
            let words = format!("{}: {}", candidate.group.key.conditions.image_store, identity.words());
            if !reasons.contains(&words) {
                reasons.push(words);
            }
        }
        under.push(one);
    }
    let judgement = overall(&under);
    if reasons.is_empty() {
        reasons.push("no completed trial of this strategy".to_owned());
    }
    JudgedClaim {
        strategy: claim.strategy.clone(),
        subject: Subject::Identity,
        claimed: match claim.byte_identical {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => String::new(),
        },
        judgement,
        under,
        reason: reasons.join("; "),
    }
}

/// The limit is a fact of the service, not a measurement: it holds if the strategy keeps its bytes where the claim says.
fn limit(claim: &Claim, candidates: &[Candidate<'_>], analysis: &Analysis) -> JudgedClaim {
    let store = analysis.options.stores.get(&claim.strategy);
    let prices = &analysis.options.prices;
    let claimed = claim.cache_limit.clone().unwrap_or_default();
    let says_cache = claimed.contains("10 GB");
    let (judgement, reason) = match (claimed.is_empty(), store) {
        (true, _) => (Judgement::NotTested, "nothing is claimed".to_owned()),
        (_, None) => (Judgement::NotTested, "where the strategy keeps its bytes is not known here".to_owned()),
        (_, Some(store)) if says_cache == (*store == Store::Cache) => {
            let gb = number(prices.cache.included_bytes as f64 / 1e9);
            let mut text = match store {
                Store::Cache => {
                    format!(
                        "by the service's documentation: {gb} GB are included ({}), more can be bought",
                        prices.cache.source
                    )
                }
                _ => "by the service's documentation: artifacts count against the plan's storage".to_owned(),
            };
            let bytes =
                candidates.iter().filter_map(|c| Some((c.group.key.size, c.cell.bytes_stored.as_ref()?.median())));
            let shares: Vec<String> = bytes
                .filter(|(_, b)| *b > 0 && *store == Store::Cache)
                .map(|(size, b)| format!("{} commits at {size}", prices.cache.included_bytes / b))
                .collect();
            if !shares.is_empty() {
                text = format!("{text}; it holds {}", shares.join(", "));
            }
            (Judgement::Holds, text)
        }
        _ => (Judgement::Wrong, "the strategy keeps its bytes in the other service".to_owned()),
    };
    JudgedClaim {
        strategy: claim.strategy.clone(),
        subject: Subject::CacheLimit,
        claimed,
        judgement,
        under: Vec::new(),
        reason,
    }
}

/// Counted, not judged: whether nine steps are simple is the reader's to say.
fn complexity(claim: &Claim, workflows: &[WorkflowSize]) -> JudgedClaim {
    let reason = match workflows.iter().find(|w| w.strategy == claim.strategy) {
        None => "not counted here".to_owned(),
        Some(w) => {
            let third = match w.third_party_actions.as_slice() {
                [] => "no third-party action".to_owned(),
                some => format!("third-party actions: {}", some.join(", ")),
            };
            format!("counted, not judged: {} steps, {} lines, {third}", w.steps, w.lines)
        }
    };
    JudgedClaim {
        strategy: claim.strategy.clone(),
        subject: Subject::Complexity,
        claimed: claim.complexity.clone().unwrap_or_default(),
        judgement: Judgement::NotTested,
        under: Vec::new(),
        reason,
    }
}
