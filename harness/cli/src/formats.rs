//! The analysis for programs: JSON (`docs/analysis.schema.json`) and CSV.

use handoff_analysis::{Analysis, Claims, Comparison, FamilyKind, Group, JudgedClaim, Mix, judge};
use handoff_model::{Compare, Purpose};
use handoff_records::Results;
use serde::Serialize;

use crate::analysed;

/// Version of the JSON document.
const SCHEMA_VERSION: u32 = 1;

/// Where the rows of a run come from.
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

/// The analysis as JSON.
pub fn json(runs: &[(String, Results)], analysis: &Analysis) -> anyhow::Result<String> {
    let provenance = runs
        .iter()
        .map(|(run, results)| Provenance {
            run,
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
    let rows: Vec<_> = runs.iter().map(|(run, results)| analysed::rows(run, results)).collect();
    let claims = judge(&rows, &analysis.options, &Claims::spike()?, &workflows);
    let mixed = analysed::mixed(runs);
    let document = Document { schema_version: SCHEMA_VERSION, provenance, mixed, analysis, claims, workflows };
    Ok(serde_json::to_string_pretty(&document)?)
}

/// One line of the CSV: a comparison.
#[derive(Debug, Serialize)]
struct Line<'a> {
    workload: &'a str,
    size_bytes: u64,
    engine: &'a str,
    image_store: &'a str,
    builder: &'a str,
    profile: &'a str,
    cache_state: &'a str,
    consumers: u32,
    consumer_concurrency: u32,
    family: &'static str,
    metric: &'static str,
    family_size: usize,
    strategy: String,
    reference: String,
    rank: Option<usize>,
    worst_rank: Option<usize>,
    pairs: usize,
    left_out: usize,
    shift_s: Option<f64>,
    shift_low_s: Option<f64>,
    shift_high_s: Option<f64>,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    p: Option<f64>,
    p_adjusted: Option<f64>,
    level: f64,
    smallest_effect_s: f64,
    noise_floor_s: Option<f64>,
    decided_in: &'static str,
    verdict: &'static str,
    why: &'static str,
    rounds_at_least: Option<usize>,
    rounds_estimated: Option<usize>,
}

/// Every comparison as CSV, with the rank of its strategy.
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

fn word(kind: FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Reference => "reference",
        FamilyKind::AllPairs => "all_pairs",
    }
}

fn line<'a>(group: &'a Group, family: &handoff_analysis::Family, c: &Comparison) -> Line<'a> {
    let conditions = &group.key.conditions;
    let missing = c.verdict.inconclusive();
    Line {
        workload: &group.key.workload,
        size_bytes: group.key.size.bytes(),
        engine: conditions.engine.as_str(),
        image_store: conditions.image_store.as_str(),
        builder: conditions.builder.as_str(),
        profile: &conditions.profile,
        cache_state: conditions.cache_state.as_str(),
        consumers: conditions.consumers,
        consumer_concurrency: conditions.consumer_concurrency,
        family: word(family.kind),
        metric: family.metric.as_str(),
        family_size: family.size,
        strategy: c.strategy.to_string(),
        reference: c.reference.to_string(),
        rank: group.place(&c.strategy).map(|p| p.rank),
        worst_rank: group.place(&c.strategy).map(|p| p.worst_rank),
        pairs: c.pairs,
        left_out: c.left_out,
        shift_s: c.shift_s.map(|e| e.value),
        shift_low_s: c.shift_s.and_then(|e| e.low),
        shift_high_s: c.shift_s.and_then(|e| e.high),
        ratio: c.ratio.map(|e| e.value),
        ratio_low: c.ratio.and_then(|e| e.low),
        ratio_high: c.ratio.and_then(|e| e.high),
        p: c.p,
        p_adjusted: c.p_adjusted,
        level: c.level,
        smallest_effect_s: c.smallest_effect_s,
        noise_floor_s: group.noise.as_ref().map(|n| n.floor_s),
        decided_in: c.decided_in.map_or("", word),
        verdict: c.verdict.word(),
        why: missing.map_or("", |m| m.why.words()),
        rounds_at_least: missing.map(|m| m.rounds_at_least),
        rounds_estimated: missing.and_then(|m| m.rounds_estimated),
    }
}
