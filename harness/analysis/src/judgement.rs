//! Verdicts on the spike's statements, with the evidence that they rest on.

use handoff_model::{ByteSize, Cell, Conditions};
use serde::Serialize;

use crate::claims::{Claim, TableCell};
use crate::identity::Finding;
use crate::spread::Spread;
use crate::words::worded;

/// Coverage that the interval of a median needs before a verdict may rest on it.
pub const SURE: f64 = 0.95;

/// Trials from which the interval of a median reaches [`SURE`].
pub const FEWEST: usize = 6;

worded!(
    /// Verdict on a statement. It speaks of the strategy, not of the statement.
    #[derive(Default, PartialOrd, Ord, Serialize)]
    Judgement {
        /// The strategy takes less time than claimed.
        FasterThanClaimed = "faster than claimed",
        /// The strategy takes more time than claimed.
        SlowerThanClaimed = "slower than claimed",
        /// The measurement agrees with the statement.
        AsClaimed = "as claimed",
        /// The measurement contradicts a statement that is no time, or contradicts a time in both directions.
        NotAsClaimed = "not as claimed",
        /// No verdict, for a reason that is given beside it.
        #[default]
        NotJudged = "not judged",
    }
);

/// Unit of a measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// MiB a second.
    MibPerSecond,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
    /// One value over another one.
    Ratio,
}

/// Median of a quantity with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Unit of the values.
    pub unit: Unit,
    /// Median.
    pub median: f64,
    /// Lower end of the interval; of a single sample the sample.
    pub low: f64,
    /// Upper end of the interval; of a single sample the sample.
    pub high: f64,
    /// Coverage of the interval; 0 of a single sample.
    pub coverage: f64,
}

impl Measured {
    /// Median of samples that are whole multiples of a unit: `scale` of them are one.
    pub(crate) fn of(spread: &Spread, unit: Unit, scale: f64) -> Self {
        let value = |n: u64| n as f64 / scale;
        let (low, high, coverage) =
            spread.interval(SURE).map_or((spread.min(), spread.max(), 0.0), |i| (i.low, i.high, i.coverage));
        Self { unit, median: value(spread.median()), low: value(low), high: value(high), coverage }
    }

    /// A ratio with its interval: `0.86 [0.81–0.93, 99.2 %]`.
    pub(crate) fn ratio_text(&self) -> String {
        let Self { median, low, high, coverage, .. } = self;
        if *coverage > 0.0 {
            format!("{median:.2} [{low:.2}–{high:.2}, {:.1} %]", coverage * 100.0)
        } else {
            format!("{median:.2}")
        }
    }

    /// Whether the interval covers the median surely enough.
    pub(crate) fn is_sure(&self) -> bool {
        self.coverage >= SURE
    }
}

/// Evidence of one cell of one run on a statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// Run.
    pub run: String,
    /// Workload.
    pub workload: String,
    /// Size.
    pub size: ByteSize,
    /// Conditions.
    pub conditions: Conditions,
    /// Completed trials, or rounds in which both strategies completed.
    pub n: usize,
    /// Measured value, where the statement is about a number.
    pub measured: Option<Measured>,
    /// Measured value in words, where it is no number; what else a reader must know.
    pub note: String,
    /// Verdict of this evidence alone.
    pub judgement: Judgement,
    /// Reason why it judges nothing; empty where it judges, and where only departures prevent it.
    pub why: String,
    /// Departures of its conditions from the recipe; rows that depart judge nothing.
    pub departures: Vec<String>,
    /// Finding of the index, where the statement is about identity and the store keeps an index.
    pub index: Option<Finding>,
}

impl Evidence {
    pub(crate) fn of(run: &str, cell: &Cell, n: usize) -> Self {
        Self {
            run: run.to_owned(),
            workload: cell.workload.clone(),
            size: cell.size,
            conditions: cell.conditions.clone(),
            n,
            ..Self::default()
        }
    }

    /// The same, unless it departs from the recipe: then it judges nothing.
    pub(crate) fn unless_it_departs(self, departures: Vec<String>) -> Self {
        if departures.is_empty() {
            return self;
        }
        // What keeps the experiment itself from an answer would do so under the recipe too.
        let why = if self.decides() { String::new() } else { self.why.clone() };
        Self { departures, ..self.refused(why) }
    }

    pub(crate) fn judged(self, judgement: Judgement) -> Self {
        Self { judgement, why: String::new(), ..self }
    }

    pub(crate) fn refused(self, why: impl Into<String>) -> Self {
        Self { judgement: Judgement::NotJudged, why: why.into(), ..self }
    }

    /// Whether it decides anything.
    pub fn decides(&self) -> bool {
        self.judgement != Judgement::NotJudged
    }
}

/// A statement with its verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct JudgedClaim {
    /// Name of the statement.
    pub id: String,
    /// Number of the option.
    pub option: u32,
    /// Strategy that follows the option.
    pub strategy: String,
    /// Place in the spike's text.
    pub place: String,
    /// Statement.
    pub statement: String,
    /// Claimed figure or fact, with the bound that is ours.
    pub claimed: String,
    /// Cell of the spike's table that holds it.
    pub cell: Option<TableCell>,
    /// Experiment in a few words.
    pub experiment: String,
    /// Preset whose run answers it.
    pub preset: Option<String>,
    /// Verdict.
    pub judgement: Judgement,
    /// Scope of the verdict, where it covers less than the statement: sizes, levels of identity.
    pub scope: String,
    /// Whether sizes of the statement are left open.
    pub is_partial: bool,
    /// Reason of the verdict; never empty where it is [`Judgement::NotJudged`].
    pub reason: String,
    /// Evidence, run by run.
    pub evidence: Vec<Evidence>,
}

impl JudgedClaim {
    pub(crate) fn new(claim: &Claim, strategy: &str, judgement: Judgement, reason: String) -> Self {
        Self {
            id: claim.id.clone(),
            option: claim.option,
            strategy: strategy.to_owned(),
            place: claim.place.clone(),
            statement: claim.statement.clone(),
            claimed: claim.claimed_text(),
            cell: claim.cell,
            experiment: claim.rule.experiment(),
            preset: claim.preset.clone(),
            judgement,
            reason,
            ..Self::default()
        }
    }

    /// Verdict in words, with what it holds for; the reason follows where nothing is judged.
    pub fn verdict(&self) -> String {
        match self.judgement {
            Judgement::NotJudged => format!("not judged: {}", self.reason),
            judgement if self.scope.is_empty() => judgement.words().to_owned(),
            judgement => format!("{} {}", judgement.words(), self.scope),
        }
    }

    /// Verdict without the reason, and without what is left open: for cells of a table.
    pub fn short_verdict(&self) -> String {
        let scope = self.scope.split("; ").next().unwrap_or_default();
        format!("{} {scope}", self.judgement.words()).trim_end().to_owned()
    }

    /// Evidence worth showing, the best first: what agrees with the verdict, then what decides otherwise, then what is open,
    /// each with the most trials first. All rows under the recipe are shown; rows that depart from it only where there are no
    /// others, or where only their store keeps an index.
    pub fn shown(&self) -> Vec<&Evidence> {
        let mut all: Vec<&Evidence> = self.evidence.iter().collect();
        if all.iter().any(|e| e.departures.is_empty()) {
            all.retain(|e| e.departures.is_empty() || e.index.is_some());
        }
        let open = |e: &&Evidence| (e.judgement != self.judgement, !e.decides(), !e.departures.is_empty());
        all.sort_by_key(|e| (open(e), std::cmp::Reverse(e.n)));
        all
    }
}

/// Effort of a strategy's workflow: counted, not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowSize {
    /// Strategy.
    pub strategy: String,
    /// Steps of both jobs.
    pub steps: u32,
    /// Lines of the two jobs' steps.
    pub lines: u32,
    /// All actions that are not GitHub's own.
    pub actions: Vec<String>,
    /// Actions that are not Docker's either: third-party code that a team would run. The recommendation counts
    /// these.
    pub third_party_actions: Vec<String>,
}

/// Owner of the actions that build in every workflow.
const BUILDS: &str = "docker/";

impl WorkflowSize {
    /// Effort of a workflow with these actions, none of which is GitHub's own.
    pub fn new(strategy: &str, steps: u32, lines: u32, actions: Vec<String>) -> Self {
        let third_party_actions = actions.iter().filter(|a| !a.starts_with(BUILDS)).cloned().collect();
        Self { strategy: strategy.to_owned(), steps, lines, actions, third_party_actions }
    }
}
