//! The answer of `handoff recommend`: one document, as JSON or as a workflow file with the answer in its comments.

use std::fmt::Write;

use handoff_analysis::{Candidate, CellSummary, CurveBasis, GroupKey, Recommendation, plural};
use handoff_model::conditions::GITHUB;
use handoff_model::trigger::Start;
use handoff_model::{Builder, CacheState};
use handoff_strategies::github;
use handoff_workflows::recommended::Recommended;
use serde::Serialize;

use crate::analysed::workflow;

/// The answer with the workflow of exactly the variant that it names.
#[derive(Debug, Serialize)]
pub struct Advice {
    /// The answer.
    #[serde(flatten)]
    pub answer: Recommendation,
    /// The file.
    pub workflow: String,
}

/// Returns the workflow of a cell's variant, or the reason why there is none.
///
/// # Errors
/// A variant that no workflow can express, with the reason.
pub fn workflow_of(key: &GroupKey, cell: &CellSummary, consumers: u32, start: Start) -> Result<Recommended, String> {
    let spec = &cell.cell.strategy;
    let strategy = github::named(spec).map_err(|e| e.to_string())?;
    if key.conditions.cache_state != CacheState::Cold && strategy.outlives_a_run() {
        return Err(format!(
            "no workflow has it: measured with {} caches of earlier runs, and the workflow's keys are those of one run",
            key.conditions.cache_state
        ));
    }
    let sources: Vec<&str> = cell.sources.iter().map(String::as_str).collect();
    let source = match sources.as_slice() {
        [] => None,
        [one] => Some(*one),
        several => return Err(format!("its trials were made in {} ways: {}", several.len(), several.join(", "))),
    };
    workflow(spec, &key.conditions, source, consumers, start)
}

impl Advice {
    /// The document: what is to be known of the workflow beside its steps goes to the notes. `programs` are the versions of
    /// Handoff that the chosen trials were run by.
    pub fn new(mut answer: Recommendation, flow: Recommended, programs: &[&str]) -> Self {
        let conditions = &answer.group.conditions;
        let measured = if conditions.profile == GITHUB {
            "Measured on GitHub's runners, with GitHub's services".to_owned()
        } else {
            format!(
                "Not measured at GitHub, but with profile {} and services of Handoff",
                conditions.profile_and_disk()
            )
        };
        let mut notes = vec![measured];
        if !programs.is_empty() {
            notes.push(format!(
                "Trials run by handoff {}; options that are not named had its defaults, the workflow has those of this program",
                programs.join(", ")
            ));
        }
        if conditions.builder != Builder::DockerContainer {
            notes.push(format!(
                "The workflow makes a docker-container builder, which runs on every runner; the trials had the {} builder with the {} \
                 store",
                conditions.builder, conditions.image_store
            ));
        }
        if let Some(chosen) = &answer.chosen
            && let Ok(found) = github::named(chosen)
        {
            let given = found.recipe().of_the_machine.iter().filter(|(o, _)| chosen.options.contains_key(*o));
            notes.extend(given.map(|(option, instead)| {
                format!("Option {option} is of the machine that measured: in the workflow {instead}")
            }));
        }
        notes.append(&mut answer.notes);
        answer.notes = notes;
        Self { answer, workflow: flow.text }
    }

    /// The workflow file, with everything that the document says in its comments. What is not certain comes first.
    pub fn text(&self) -> String {
        let answer = &self.answer;
        let mut text = String::new();
        let mut say = |line: &str| {
            let _ = writeln!(text, "{}", format!("# {}", line.replace(['\n', '\r'], " ")).trim_end());
        };
        if let Some(undecided) = &answer.undecided {
            say(&undecided.sentence);
        }
        let ask = &answer.ask;
        if let Some(chosen) = &answer.chosen {
            let jobs = plural(ask.consumers as usize, "job", "jobs");
            let pushes = plural(ask.pushes_per_day as usize, "push", "pushes");
            say(&format!("Recommended: {chosen} for {jobs}, {pushes} a day, an image of {}.", ask.image_size));
        }
        answer.reasons.iter().for_each(|why| say(&format!("Why: {why}.")));
        if let Some(next) = &answer.runner_up {
            say(&format!("Runner-up: {next}."));
        }
        answer.one_job.iter().for_each(|one| say(&one.sentence()));
        say("What would change the answer:");
        answer.changes.iter().for_each(|c| say(&format!("- {c}")));
        say("");
        say("strategy: a push waits, all jobs take, billed minutes a month, dollars for them; bytes held; set-up");
        answer.candidates.iter().for_each(|c| say(&line(c)));
        let c = &answer.group.conditions;
        say("");
        say(&format!(
            "From trials of {} at {}: {} store, {} builder, profile {}.",
            answer.group.workload,
            answer.group.size,
            c.image_store,
            c.builder,
            c.profile_and_disk()
        ));
        answer.notes.iter().for_each(|n| say(&format!("{n}.")));
        format!("{text}\n{}", self.workflow.trim_end())
    }
}

/// A candidate in one line.
fn line(c: &Candidate) -> String {
    let usd = c.cost.runner_usd.map_or("?".to_owned(), |usd| format!("{usd:.2}"));
    let gb = c.cost.held_bytes.map_or("?".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e9));
    let basis = if c.basis == CurveBasis::Measured { "measured" } else { "modelled" };
    let set_up = c.workflow.as_ref().map_or(String::new(), |w| {
        let foreign = &w.third_party_actions;
        let needs = if foreign.is_empty() { String::new() } else { format!(", third-party {}", foreign.join(", ")) };
        format!("; {} steps{needs}", w.steps)
    });
    let out = c.excluded.as_ref().map_or(String::new(), |why| format!("; out: {why}"));
    format!(
        "{}: {:.1} s, {:.1} s, {}, {usd}; {gb} GB ({basis}){set_up}{out}",
        c.strategy, c.wait_s, c.runner_s, c.cost.billed_minutes
    )
}
