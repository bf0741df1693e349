//! Results folders, read and analysed: shared by the verbs that say what follows from rows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use handoff_analysis::{Analysis, Mix, Options, Prices, RunRows, SmallestEffect, Variants, WorkflowSize, mix};
use handoff_model::trigger::Start;
use handoff_model::{Builder, Conditions, ImageStore, Plan, StrategySpec, regular_file};
use handoff_records::{Results, name_measured_size};
use handoff_strategies::github::{self, Target};
use handoff_strategies::options::named;
use handoff_workflows::Named;
use handoff_workflows::pins::Pins;
use handoff_workflows::recommended::{Recommended, Variant, recommended};

use crate::exit::{Damaged, bad_input, bail_input};
use crate::out;

/// Thresholds of verdicts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct VerdictArgs {
    /// Smallest difference that matters, as a share of the reference's median [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    smallest_share: Option<f64>,
    /// Smallest difference that matters, in seconds; the larger of the two thresholds counts [default: 2]
    #[arg(long, value_name = "SECONDS")]
    smallest_seconds: Option<f64>,
    /// Error rate of a family of comparisons [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    alpha: Option<f64>,
}

impl VerdictArgs {
    /// Returns the options of an analysis.
    ///
    /// # Errors
    /// A threshold out of range, with its range.
    pub fn options(&self) -> anyhow::Result<Options> {
        let in_range = |name: &str, value: f64, high: f64| {
            if value.is_finite() && (0.0..=high).contains(&value) {
                return Ok(value);
            }
            Err(bad_input(format!("{name} {value} is out of range: use a number from 0 to {high}")))
        };
        let default = SmallestEffect::default();
        let alpha = in_range("--alpha", self.alpha.unwrap_or(0.05), 0.5)?;
        if alpha < 1e-6 {
            return Err(bad_input("--alpha below 0.000001 is never reached: use for example 0.05"));
        }
        Ok(Options {
            alpha,
            smallest_effect: SmallestEffect {
                share: in_range("--smallest-share", self.smallest_share.unwrap_or(default.share), 10.0)?,
                seconds: in_range("--smallest-seconds", self.smallest_seconds.unwrap_or(default.seconds), 1e6)?,
            },
            ..Options::default()
        })
    }
}

/// Adds to a plan's facts those of the list compiled in: of the variants of a folder from before plans had facts, and of every
/// strategy, so that reports of other plans have the same order, and statements on a strategy that was not run can be judged.
fn add_facts(plan: &mut Plan) {
    let plain = handoff_strategies::names().into_iter().map(StrategySpec::plain);
    let specs: Vec<StrategySpec> = plain.chain(plan.request.strategies.iter().cloned()).collect();
    let known = handoff_strategies::variant_facts(&specs);
    plan.facts = Variants::of([plan.facts.as_slice(), &known]).into_facts();
}

/// Reads folders; two of one name stay apart by their paths. What was set aside in them, or is worth a word, goes to
/// stderr, whatever is printed on stdout.
///
/// # Errors
/// A folder that holds no readable run.
pub fn read(dirs: &[PathBuf]) -> anyhow::Result<Vec<Results>> {
    let mut all: Vec<Results> = Vec::new();
    for dir in dirs {
        let mut results = Results::read(dir)?;
        if all.iter().any(|r| r.name == results.name) {
            results.name = dir.display().to_string();
        }
        for warning in &results.warnings {
            out::warn(&format!("{}/{warning}", dir.display()));
        }
        add_facts(&mut results.plan);
        name_measured_size(&mut results.plan, &mut results.measurements);
        all.push(results);
    }
    Ok(all)
}

/// Returns the error of folders with unusable rows. Verbs call it after their output, which uses the other rows.
///
/// # Errors
/// `Damaged`, with the names of the folders.
pub fn refuse_damage(runs: &[Results]) -> anyhow::Result<()> {
    let damaged: Vec<String> = runs.iter().filter(|r| r.damaged > 0).map(|r| r.dir.display().to_string()).collect();
    if damaged.is_empty() { Ok(()) } else { Err(Damaged(damaged.join(" ")).into()) }
}

/// Replaces an error by that of unusable rows, where there are any.
///
/// # Errors
/// `Damaged` where rows are unusable, else the given error.
pub fn or_damage<T>(runs: &[Results], answer: anyhow::Result<T>) -> anyhow::Result<T> {
    if answer.is_err() {
        refuse_damage(runs)?;
    }
    answer
}

/// One sentence for each folder with trials whose rows cannot be used.
pub fn set_aside(runs: &[Results]) -> Vec<String> {
    let sentence = |r: &Results| {
        let (name, aside, all) = (&r.name, r.set_aside.len(), r.plan.trials.len());
        format!(
            "rows of {name} cannot be used ({aside} of its {all} trials are set aside), so the answer rests on the others"
        )
    };
    runs.iter().filter(|r| r.damaged > 0).map(sentence).collect()
}

/// The environments that rows come from, where it is more than one.
pub fn mixed(runs: &[Results]) -> Option<Mix> {
    mix(runs.iter().flat_map(|r| &r.measurements), runs.iter().flat_map(|r| &r.environments))
}

/// Analyses runs together. Rows of several environments are analysed, and named on stderr.
///
/// # Errors
/// Rows that do not go together, or a reference without rows.
pub fn analyse(runs: &[Results], options: &Options) -> anyhow::Result<Analysis> {
    if let Some(mixed) = mixed(runs) {
        out::warn(&mixed.to_string());
    }
    let rows: Vec<RunRows<'_>> = runs.iter().map(RunRows::from).collect();
    let analysis = handoff_analysis::analyse(&rows, options).map_err(bad_input)?;
    reference_is_there(&analysis, options)?;
    Ok(analysis)
}

/// Refuses a reference that has no row.
///
/// # Errors
/// The strategies that have rows.
pub fn reference_is_there(analysis: &Analysis, options: &Options) -> anyhow::Result<()> {
    let Some(reference) = &options.reference else { return Ok(()) };
    has_rows("--reference", &reference.to_string(), analysis.cells().map(|c| c.cell.strategy.to_string()))
}

/// Refuses an option's value that no row has.
///
/// # Errors
/// The values that rows have.
pub fn has_rows(option: &str, given: &str, values: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let known: BTreeSet<String> = values.collect();
    if known.contains(given) {
        return Ok(());
    }
    bail_input!("{option} {given} has no row here: use one of {}", Vec::from_iter(known).join(", "))
}

/// Returns the prices of a file, else the built-in ones.
///
/// # Errors
/// A file that cannot be read or holds no prices.
pub fn prices(file: Option<&Path>) -> anyhow::Result<Prices> {
    let Some(file) = file else { return Prices::shipped().map_err(bad_input) };
    let text = regular_file::read_to_string(file)
        .map_err(|e| bad_input(format!("cannot read {}: {e}{}", file.display(), handoff_model::io_fix(&e))))?;
    Prices::parse(&text).map_err(|e| bad_input(format!("{}: {e}", file.display())))
}

/// The workflow of a variant as it was measured: options that depend on the conditions have the value that those make of
/// them, and the tar or push comes from `source`, where rows say so. Never that of another variant.
///
/// # Errors
/// An option that no step of a user's workflow can have, with the reason.
pub fn workflow(
    spec: &StrategySpec,
    conditions: &Conditions,
    source: Option<&str>,
    consumers: u32,
    start: Start,
) -> Result<Recommended, String> {
    let mut strategy = github::named(spec).map_err(|e| e.to_string())?;
    if let (Some(source), Some(known)) = (source.and_then(named), strategy.source()) {
        *known = source;
    }
    let options =
        github::express(&*strategy, conditions, Target::Workflow).map_err(|e| format!("no workflow has it: {e}"))?;
    let (spec, defaults) = (spec.to_string(), github::defaults(&*strategy));
    let strategy = Named { name: strategy.facts().name, recipe: strategy.recipe() };
    let variant = Variant { strategy, spec: &spec, options: &options, defaults: &defaults, start };
    let pins = Pins::built_in().map_err(|e| e.to_string())?;
    recommended(&pins, crate::revision::COMMIT, &variant, consumers).map_err(|e| e.to_string())
}

/// Size of a workflow, for the strategy of that name.
pub fn workflow_size(strategy: &str, counted: Recommended) -> WorkflowSize {
    WorkflowSize::new(strategy, counted.steps, counted.lines, counted.actions)
}

/// Sizes of the strategies' workflows on GitHub's runners, which have the overlay2 store and a container builder.
///
/// # Errors
/// A strategy whose workflow cannot be written.
pub fn workflow_sizes() -> anyhow::Result<Vec<WorkflowSize>> {
    let (image_store, builder) = (ImageStore::Overlay2, Builder::DockerContainer);
    let profile = handoff_model::conditions::GITHUB.to_owned();
    let conditions = Conditions { image_store, builder, profile, ..Conditions::default() };
    handoff_strategies::ALL
        .iter()
        .map(|s| {
            let strategy = s.facts().name;
            let counted = workflow(&StrategySpec::plain(strategy), &conditions, None, 2, Start::default());
            Ok(workflow_size(strategy, counted.map_err(|e| bad_input(format!("{strategy}: {e}")))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Source files below a folder, without files of tests.
    fn sources(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
        let is_source = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs");
        entries.flat_map(below).filter(is_source).collect()
    }

    #[test]
    fn analysis_and_report_ask_for_no_strategy_by_its_name() {
        for room in ["analysis", "report"] {
            let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room).join("src"));
            assert!(all.len() > 20, "{all:?}");
            for path in all {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                for name in handoff_strategies::names() {
                    assert!(!code.contains(&format!("{name:?}")), "{} asks for {name}", path.display());
                }
            }
        }
    }

    #[test]
    fn built_in_facts_are_used_for_a_plan_without_facts() {
        let specs = StrategySpec::parse_list("relay:store=cache,zstd-stream:ranges=8").unwrap();
        let facts = handoff_strategies::variant_facts(&specs);
        let plan = Plan { facts, ..Plan::new(handoff_model::PlanRequest::of(specs)).unwrap() };
        let mut old = Plan { facts: Vec::new(), ..plan.clone() };
        add_facts(&mut old);
        assert!(plan.facts.len() == 2 && plan.facts.iter().all(|facts| old.facts.contains(facts)), "{:?}", old.facts);
        assert!(plan.facts.iter().all(|facts| facts.ours), "{:?}", plan.facts);
        let names = old.facts.iter().filter(|f| f.strategy.options.is_empty()).map(|f| f.strategy.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), handoff_strategies::names());
    }
}
