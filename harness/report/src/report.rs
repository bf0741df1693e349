//! Input of a report, checked and summarised.

use std::collections::{BTreeMap, BTreeSet};

use handoff_analysis::{
    Analysis, CellSummary, Claims, ClaimsError, Group as Cells, InputError, JudgedClaim, Options, RunRows, Variants,
    WorkflowSize, analyse, judge,
};
use handoff_model::{ByteSize, Colour, Conditions, Marker, StrategySpec};
use handoff_records::Results;

/// Error of runs that make no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No run at all.
    #[error("there is no run to report: name at least one results folder")]
    Nothing,
    /// The same run is named twice, so that its trials would count twice.
    #[error("`{0}` and `{1}` hold the same run: name it once")]
    Twice(String, String),
    /// The rows do not go together.
    #[error(transparent)]
    Rows(#[from] InputError),
    /// No run has the trial.
    #[error("no trial `{given}`: {hint}")]
    NoTrial {
        /// Name that was given.
        given: String,
        /// The nearest trial.
        hint: String,
    },
    /// The trial has no spans to draw.
    #[error("trial `{0}` has no spans, because it did not start: name another trial")]
    NoSpans(String),
    /// The shipped claims cannot be read.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}

/// Rates of a link profile for all connections of a job together, in bytes a second, of the faster of the two services.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// From the job to the service.
    pub up: f64,
    /// From the service to the job.
    pub down: f64,
}

/// Runs with their analysis.
#[derive(Debug, Clone)]
pub struct Report {
    /// The runs, in the order given.
    pub runs: Vec<Results>,
    /// Analysis of the rows.
    pub analysis: Analysis,
    /// Cells of all runs together.
    pub groups: Vec<Group>,
    /// The spike's statements.
    pub claims: Claims,
    /// Each statement with its verdict.
    pub judged: Vec<JudgedClaim>,
    /// The rates of link profiles by name, as far as they limit any.
    pub links: BTreeMap<String, Link>,
    /// Hashes of plans whose matrix file of today lays out other trials.
    pub changed: BTreeSet<String>,
}

/// Cells of one workload under one set of conditions.
#[derive(Debug, Clone)]
pub struct Group {
    /// The workload.
    pub workload: String,
    /// The conditions.
    pub conditions: Conditions,
    /// The sizes, smallest first.
    pub sizes: Vec<ByteSize>,
    /// One line a strategy, in the order of the plans' facts; the baseline is last.
    pub lines: Vec<Line>,
}

/// One strategy over the sizes of its group.
#[derive(Debug, Clone)]
pub struct Line {
    /// Strategy with its options as on the command line; marked if it is the control.
    pub name: String,
    /// Strategy with its options.
    pub spec: StrategySpec,
    /// Whether it is the second trial of the reference in its round.
    pub control: bool,
    /// Whether it has no options and is not the control.
    pub plain: bool,
    /// Colour and marker in charts.
    pub look: (Colour, Marker),
    /// Summary for each size of the group; none where no trial has a row yet.
    pub cells: Vec<Option<CellSummary>>,
}

impl Report {
    /// Summarises runs; rows of one cell are pooled over the runs.
    ///
    /// # Errors
    /// No run, a run that is named twice, or rows that do not go together.
    pub fn new(runs: Vec<Results>) -> Result<Self, ReportError> {
        Self::with_options(runs, &Options::default())
    }

    /// Summarises runs with a reader's options and prices.
    ///
    /// # Errors
    /// As [`Report::new`].
    pub fn with_options(runs: Vec<Results>, options: &Options) -> Result<Self, ReportError> {
        if runs.is_empty() {
            return Err(ReportError::Nothing);
        }
        for (i, run) in runs.iter().enumerate() {
            if let Some(other) = runs[..i].iter().find(|r| r.plan.hash == run.plan.hash) {
                return Err(ReportError::Twice(other.name.clone(), run.name.clone()));
            }
        }
        let claims = Claims::spike()?;
        let rows = rows(&runs);
        let analysis = analyse(&rows, options)?;
        let groups = groups(&runs, &analysis);
        let judged = judge(&rows, options, &claims, &[]);
        Ok(Self { runs, analysis, groups, claims, judged, links: BTreeMap::new(), changed: BTreeSet::new() })
    }

    /// Adds the counts of the generated workflows, for the claims on complexity.
    #[must_use]
    pub fn with_workflows(self, workflows: &[WorkflowSize]) -> Self {
        let judged = judge(&rows(&self.runs), &self.analysis.options, &self.claims, workflows);
        Self { judged, ..self }
    }

    /// Analysis of one size of a group.
    pub(crate) fn analysed(&self, group: &Group, i: usize) -> Option<&Cells> {
        let same = |g: &&Cells| {
            g.key.workload == group.workload && g.key.conditions == group.conditions && g.key.size == group.sizes[i]
        };
        self.analysis.groups.iter().find(same)
    }

    /// Cells that the answer is about, of those that `wanted` takes: those with the most strategies that finished, then the most rounds,
    /// then the largest size.
    pub(crate) fn headline(&self, wanted: impl Fn(&Cells) -> bool) -> Option<&Cells> {
        let done = |g: &&Cells| g.cells.iter().filter(|c| c.n > 0 && !c.cell.control).count();
        let groups = self.analysis.groups.iter().filter(|g| wanted(g) && done(g) > 0);
        // Of equals the first, so that the order of the groups decides and nothing else.
        groups.rev().max_by_key(|g| (done(g), g.rounds(), g.key.size))
    }

    /// Index of the group that has the cells.
    pub(crate) fn group_of(&self, cells: &Cells) -> Option<usize> {
        self.groups.iter().position(|g| g.conditions == cells.key.conditions && g.workload == cells.key.workload)
    }

    /// Facts of the variants, and their order in every table.
    pub(crate) fn variants(&self) -> &Variants {
        &self.analysis.variants
    }

    /// Summaries of all cells.
    pub fn cells(&self) -> impl Iterator<Item = &CellSummary> {
        self.groups.iter().flat_map(|g| &g.lines).flat_map(|l| l.cells.iter().flatten())
    }
}

fn rows(runs: &[Results]) -> Vec<RunRows<'_>> {
    runs.iter().map(RunRows::from).collect()
}

/// Sorts summaries into tables. A planned cell without a row is an empty cell, so that a gap is visible.
fn groups(runs: &[Results], analysis: &Analysis) -> Vec<Group> {
    type Key = (String, Conditions);
    type Sizes = BTreeMap<ByteSize, Option<CellSummary>>;
    // By the strategy's rank in the facts, its name (of those without facts), and the line's name.
    type RankRange = ((bool, usize), String, String);
    type Lines = BTreeMap<RankRange, (StrategySpec, bool, Sizes)>;
    let mut tables: BTreeMap<Key, Lines> = BTreeMap::new();
    let planned = runs.iter().flat_map(|r| &r.plan.trials).map(|t| (t.cell.clone(), None));
    let measured = analysis.cells().map(|s| (s.cell.clone(), Some(s.clone())));
    for (cell, summary) in planned.chain(measured) {
        let mut name = cell.strategy.to_string();
        if cell.control {
            name.push_str(" (control)");
        }
        let line = tables
            .entry((cell.workload, cell.conditions))
            .or_default()
            .entry((analysis.variants.table_order(&cell.strategy), cell.strategy.name.clone(), name))
            .or_insert_with(|| (cell.strategy.clone(), cell.control, Sizes::new()));
        let known = line.2.entry(cell.size).or_default();
        if summary.is_some() {
            *known = summary;
        }
    }
    let group = |((workload, conditions), lines): (Key, Lines)| {
        let sizes: BTreeSet<ByteSize> = lines.values().flat_map(|l| l.2.keys().copied()).collect();
        let sizes: Vec<ByteSize> = sizes.into_iter().collect();
        let line = |((.., name), (spec, control, mut cells)): (RankRange, (StrategySpec, bool, Sizes))| Line {
            plain: spec.options.is_empty() && !control,
            look: analysis.variants.look(&spec),
            spec,
            control,
            name,
            cells: sizes.iter().map(|size| cells.remove(size).flatten()).collect(),
        };
        let lines = lines.into_iter().map(line).collect();
        Group { workload, conditions, sizes, lines }
    };
    let mut groups: Vec<Group> = tables.into_iter().map(group).collect();
    groups.sort_by(|a, b| a.workload.cmp(&b.workload).then_with(|| a.conditions.order().cmp(&b.conditions.order())));
    groups
}
