//! The analysis for programs: JSON (`docs/analysis.schema.json`) and CSV.

use handoff_analysis::{Analysis, Claims, Comparison, FamilyKind, Group, JudgedClaim, Mix, RunRows, judge};
use handoff_model::{Compare, Purpose};
use handoff_records::Results;
use serde::Serialize;

use crate::analysed;

/// Version of the JSON document.
const SCHEMA_VERSION: u32 = 1;

/// Origin of the rows of a run.
#[derive(Debug, Serialize)]
struct Provenance<'a> {
    run: &'a str,
    plan: &'a str,
    compare: Compare,
    purpose: Purpose,
    planned: usize,
    rows: usize,
    /// Trials whose rows cannot be used.
    set_aside: usize,
    environments: Vec<&'a str>,
    warnings: &'a [String],
}

/// The document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema_version: u32,
    provenance: Vec<Provenance<'a>>,
    mixed: Option<Mix>,
    analysis: &'a Analysis,
    claims: Vec<JudgedClaim>,
    workflows: Vec<handoff_analysis::WorkflowSize>,
}

/// Returns the analysis as JSON.
///
/// # Errors
/// A value that JSON cannot hold.
pub fn json(runs: &[Results], analysis: &Analysis) -> anyhow::Result<String> {
    let provenance = runs
        .iter()
        .map(|results| Provenance {
            run: &results.name,
            plan: &results.plan.hash,
            compare: results.plan.request.compare,
            purpose: results.plan.request.purpose,
            planned: results.plan.trials.len(),
            rows: results.measurements.len(),
            set_aside: results.set_aside.len(),
            environments: results.environments.iter().map(|e| e.id.as_str()).collect(),
            warnings: &results.warnings,
        })
        .collect();
    let workflows = analysed::workflow_sizes()?;
    let rows: Vec<_> = runs.iter().map(RunRows::from).collect();
    let claims = judge(&rows, &analysis.options, &Claims::spike()?, &workflows);
    let mixed = analysed::mixed(runs);
    let document = Document { schema_version: SCHEMA_VERSION, provenance, mixed, analysis, claims, workflows };
    Ok(serde_json::to_string_pretty(&document)?)
}

/// Declares the columns of the CSV, whose lines are comparisons: each column with its type and its value.
macro_rules! columns {
    (($group:ident, $family:ident, $c:ident); $($column:ident: $kind:ty = $value:expr,)+) => {
        /// One line of the CSV.
        #[derive(Debug, Serialize)]
        struct Line<'a> {
            $($column: $kind,)+
        }

        fn line<'a>($group: &'a Group, $family: &handoff_analysis::Family, $c: &Comparison) -> Line<'a> {
            Line { $($column: $value,)+ }
        }
    };
}

columns! {
    (group, family, c);
    workload: &'a str = &group.key.workload,
    size_bytes: u64 = group.key.size.bytes(),
    engine: &'a str = group.key.conditions.engine.as_str(),
    image_store: &'a str = group.key.conditions.image_store.as_str(),
    builder: &'a str = group.key.conditions.builder.as_str(),
    profile: &'a str = &group.key.conditions.profile,
    cache_state: &'a str = group.key.conditions.cache_state.as_str(),
    consumers: u32 = group.key.conditions.consumers,
    consumer_concurrency: u32 = group.key.conditions.consumer_concurrency,
    family: FamilyKind = family.kind,
    metric: &'static str = family.metric.as_str(),
    family_size: usize = family.size,
    strategy: String = c.strategy.to_string(),
    reference: String = c.reference.to_string(),
    rank: Option<usize> = group.rank_range(&c.strategy).map(|p| p.rank),
    worst_rank: Option<usize> = group.rank_range(&c.strategy).map(|p| p.worst_rank),
    pairs: usize = c.pairs,
    left_out: usize = c.left_out,
    shift_s: Option<f64> = c.shift_s.map(|e| e.value),
    shift_low_s: Option<f64> = c.shift_s.and_then(|e| e.low),
    shift_high_s: Option<f64> = c.shift_s.and_then(|e| e.high),
    ratio: Option<f64> = c.ratio.map(|e| e.value),
    ratio_low: Option<f64> = c.ratio.and_then(|e| e.low),
    ratio_high: Option<f64> = c.ratio.and_then(|e| e.high),
    p: Option<f64> = c.p,
    p_adjusted: Option<f64> = c.p_adjusted,
    level: f64 = c.level,
    smallest_effect_s: f64 = c.smallest_effect_s,
    noise_floor_s: Option<f64> = group.noise.as_ref().map(|n| n.floor_s),
    decided_in: Option<FamilyKind> = c.decided_in,
    verdict: &'static str = c.verdict.word(),
    why: &'static str = c.verdict.inconclusive().map_or("", |m| m.why.words()),
    rounds_at_least: Option<usize> = c.verdict.inconclusive().map(|m| m.rounds_at_least),
    rounds_estimated: Option<usize> = c.verdict.inconclusive().and_then(|m| m.rounds_estimated),
    engine_version: String = group.key.conditions.engine_version.to_string(),
    builder_pull_ms: u64 = group.key.conditions.builder_pull_ms,
    disk_limit: String = group.key.conditions.disk_limit.to_string(),
}

/// Returns every comparison as CSV, with the rank of its strategy.
///
/// # Errors
/// A row that cannot be written.
pub fn csv(analysis: &Analysis) -> anyhow::Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    for group in &analysis.groups {
        for family in group.families.iter().chain(&group.pairs) {
            for comparison in &family.comparisons {
                writer.serialize(line(group, family, comparison))?;
            }
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
