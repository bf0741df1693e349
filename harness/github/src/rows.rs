//! Rows of a results folder from the files of a run's jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use handoff_model::usage::StepCount;
use handoff_model::{Failure, ImageStore, Outcome, Plan, Role, Span, SpanKind, Trial};
use handoff_records::join::{JobReport, TrialJoin, TrialReport, TrialRows};
use handoff_records::{Journal, Measured};
use handoff_strategies::github;

use crate::cell::CellJob;
use crate::job::JobFile;
use crate::waits::Waits;
use crate::{GithubError, Result};

/// Numbers of collected and outstanding trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Rows of completed trials.
    pub completed: usize,
    /// Rows of failed trials.
    pub failed: usize,
    /// Trials of the plan that were not started, or were cancelled.
    pub outstanding: usize,
}

/// Appends a row for every started trial that the journal lacks. Without `waits`, the conclusions of jobs are unknown.
///
/// A cancelled trial, or one whose jobs never existed, has no row, so that it can be dispatched again.
pub(crate) fn append(
    journal: &mut Journal,
    started: &[CellJob],
    files: &BTreeMap<String, Vec<JobFile>>,
    waits: &BTreeMap<String, Waits>,
) -> Result<Collected> {
    let plan: Plan = journal.plan().clone();
    let mut collected = Collected::default();
    let remaining: Vec<Trial> = journal.remaining().cloned().collect();
    for trial in &remaining {
        let Some(cell) = started.iter().find(|c| c.id == trial.id) else {
            collected.outstanding += 1;
            continue;
        };
        let none = Vec::new();
        let files = files.get(&trial.id).unwrap_or(&none);
        let wait = waits.get(&trial.id);
        let never_existed = !waits.is_empty() && wait.is_none() && files.is_empty();
        if never_existed || wait.is_some_and(|w| w.cancelled) {
            collected.outstanding += 1;
            continue;
        }
        for file in files {
            journal.add_environment(&file.environment)?;
        }
        let wait = wait.cloned().unwrap_or_default();
        let TrialRows { consumers, spans, measurement } = rows(&plan, trial, cell, files, &wait)?;
        if measurement.outcome == Outcome::Completed {
            collected.completed += 1;
        } else {
            collected.failed += 1;
        }
        journal.append(&consumers, &spans, &measurement)?;
    }
    Ok(collected)
}

fn rows(plan: &Plan, trial: &Trial, cell: &CellJob, files: &[JobFile], wait: &Waits) -> Result<TrialRows> {
    let strategy = github::find(&trial.cell.strategy).map_err(GithubError::job)?;
    let after = strategy.recipe().saves_afterwards(&cell.options).map(|what| format!("Post {}: {what}", cell.strategy));
    let files = &with_after(files, after.as_ref().and_then(|name| wait.after.get_key_value(name)));
    let producer = files.iter().find(|f| f.role == Role::Producer);
    let mut join = TrialJoin::new(trial, plan.request.seed, strategy.facts().moves_image);
    join.queue_ns = wait.queue_ns;
    if let Some(first) = files.first() {
        join.environment = Some(first.environment.id.clone());
        join.started_at = Some(first.started_at.clone());
        join.source.clone_from(&first.source);
        join.client.clone_from(&first.client);
    }
    for file in files {
        join.add_spans(file.role, file.consumer, &file.spans);
    }
    let unknown = after.filter(|name| !wait.after.contains_key(name));
    let consumers = expected(trial, cell, producer, files, wait).and_then(|consumers| match unknown {
        Some(name) => {
            let error = format!("GitHub's jobs API, the only source of its time, does not list the step `{name}`");
            Err(Failure::new("upload", error))
        }
        None => Ok(consumers),
    });
    let result = match consumers {
        Ok(consumers) => measured(&mut join, cell, producer, &consumers)?,
        Err(failure) => Err(failure),
    };
    Ok(join.rows(result.map_err(|failure| (outcome(wait), failure))))
}

/// Measurement of a trial whose jobs all succeeded, if each consumer's image passes the identity gate.
fn measured(
    join: &mut TrialJoin,
    cell: &CellJob,
    producer: Option<&JobFile>,
    consumers: &[(u32, &JobFile)],
) -> Result<Result<Measured, Failure>> {
    let image = cell.image_spec()?;
    // The generator predicts the content.
    join.expect_image(producer.map(|p| &p.identity), Some(&image.content_digest()?));
    for (number, file) in consumers {
        if let Err(failure) = join.add_consumer(*number, &report(file), &file.identity) {
            return Ok(Err(failure));
        }
    }
    let (producer, image_bytes) = (producer.map(report), Some(image.predicted_bytes()));
    let consumers = consumers.iter().map(|(_, file)| report(file)).collect();
    Ok(Ok(TrialReport { producer, consumers, service: None, settle_ns: None, image_bytes }.measured()))
}

/// Files of a trial, with the time of the producer's post step added to its clock.
fn with_after(files: &[JobFile], after: Option<(&String, &Duration)>) -> Vec<JobFile> {
    let mut files = files.to_vec();
    let producer = files.iter_mut().find(|f| f.role == Role::Producer);
    if let Some((producer, (name, took))) = producer.zip(after) {
        let (start_ns, took_ns) = (producer.wall_ns, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        producer.wall_ns = start_ns.saturating_add(took_ns);
        let (detail, end_ns) = (format!("{name} (jobs API, to the second)"), producer.wall_ns);
        producer.spans.push(Span { kind: SpanKind::Upload, detail, start_ns, end_ns, bytes: None });
    }
    files
}

fn outcome(wait: &Waits) -> Outcome {
    match wait.conclusion.as_deref() {
        Some("timed_out") => Outcome::TimedOut,
        _ => Outcome::Failed,
    }
}

/// Files of the consumers by number, if every job of the trial succeeded on a machine that matches the plan.
fn expected<'a>(
    trial: &Trial,
    cell: &CellJob,
    producer: Option<&JobFile>,
    files: &'a [JobFile],
    wait: &Waits,
) -> Result<Vec<(u32, &'a JobFile)>, Failure> {
    let ended = wait.conclusion.as_ref().map(|c| format!(" (it ended with `{c}`)")).unwrap_or_default();
    let missing = |role: &str| Failure::new("job", format!("the {role} left no marks{ended}: its log has the reason"));
    if cell.produces {
        let file = producer.ok_or_else(|| missing("producer"))?;
        file.failure.clone().map_or(Ok(()), Err)?;
        fits(trial, file)?;
    }
    let consumer = |number: u32| {
        let of = |f: &&JobFile| f.role == Role::Consumer && f.consumer == Some(number);
        let file = files.iter().find(of).ok_or_else(|| missing(&format!("consumer {number}")))?;
        file.failure.clone().map_or(Ok(()), Err)?;
        fits(trial, file)?;
        Ok((number, file))
    };
    cell.consumers.iter().map(|number| consumer(*number)).collect()
}

/// Refuses a machine with another image store than planned, which the row would name wrongly.
fn fits(trial: &Trial, file: &JobFile) -> Result<(), Failure> {
    let planned = trial.cell.conditions.image_store;
    if file.image_store == planned.as_str() {
        return Ok(());
    }
    let has = &file.image_store;
    let fix = match has.parse::<ImageStore>() {
        Ok(store) => format!("dispatch with --image-store {store}"),
        Err(_) => "use a runner with the planned store".to_owned(),
    };
    let error = format!("the machine's engine has the image store {has}, the plan says {planned}: {fix}");
    Err(Failure::new("image-store", error))
}

/// Report of a job, without the traffic, which GitHub's services do not report.
fn report(file: &JobFile) -> JobReport<'_> {
    let count = |steps: &Vec<String>| steps.len() as u64;
    JobReport {
        wall_ns: file.wall_ns,
        spans: &file.spans,
        usage: &file.usage,
        steps: file.traced.then(|| StepCount { executed: count(&file.executed), cached: count(&file.cached) }),
        traffic: None,
        written_bytes: None,
        environment: &file.environment.id,
    }
}

#[cfg(test)]
mod tests;
