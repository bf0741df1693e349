//! What all jobs of a run have left, joined into the rows of a journal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use handoff_model::usage::StepCount;
use handoff_model::{Failure, IdentityCheck, ImageIdentity, ImageStore, Outcome, Plan, Side, Span, SpanKind, Trial};
use handoff_records::Journal;
use handoff_records::join::{JobReport, TrialReport, consumer_row};
use handoff_records::{ConsumerRow, Measurement, MeasurementRow, SpanRow};
use handoff_strategies::github;

use super::{CellJob, SIDE_FILE, SideFile, read_side};
use crate::GithubError;

/// What GitHub says of a trial's jobs.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// Time in which the jobs of the critical path waited for a runner, in ns.
    pub queue_ns: Option<u64>,
    /// How a job without marks ended, in GitHub's words.
    pub conclusion: Option<String>,
    /// Whether somebody ended the jobs before they were done: that says nothing of the strategy.
    pub cancelled: bool,
    /// What the producer's steps took after its last one, by name, as GitHub tells it to the second.
    pub after: BTreeMap<String, Duration>,
}

/// What [`join`] has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Rows with times.
    pub completed: usize,
    /// Rows without.
    pub failed: usize,
    /// Trials of the plan that were not started, or were cancelled.
    pub outstanding: usize,
}

/// Reads the files of all jobs below a folder, by trial.
///
/// # Errors
/// A folder that cannot be read, or a job's file that does not read: to leave them out would make failed trials of good ones.
pub fn read_sides(dir: &Path) -> Result<BTreeMap<String, Vec<SideFile>>, GithubError> {
    let mut sides: BTreeMap<String, Vec<SideFile>> = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(GithubError::io("read", &folder))? {
            let entry = entry.map_err(GithubError::io("read", &folder))?;
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() == SIDE_FILE {
                let side = read_side(&path)?;
                sides.entry(side.trial.clone()).or_default().push(side);
            }
        }
    }
    for files in sides.values_mut() {
        files.sort_by_key(|s| s.consumer);
    }
    Ok(sides)
}

/// Appends a row for every started trial that the journal does not hold yet. Without `waits`, nothing is known of how jobs ended.
///
/// A trial that left nothing because somebody cancelled it, or because the run ended before its jobs existed, has no row: it can be
/// dispatched again.
pub fn join(
    journal: &mut Journal,
    started: &[CellJob],
    sides: &BTreeMap<String, Vec<SideFile>>,
    waits: &BTreeMap<String, Waits>,
) -> Result<Collected, GithubError> {
    let plan: Plan = journal.plan().clone();
    let mut collected = Collected::default();
    let remaining: Vec<Trial> = journal.remaining().cloned().collect();
    for trial in &remaining {
        let Some(cell) = started.iter().find(|c| c.id == trial.id) else {
            collected.outstanding += 1;
            continue;
        };
        let none = Vec::new();
        let files = sides.get(&trial.id).unwrap_or(&none);
        let told = waits.get(&trial.id);
        let ended_before = !waits.is_empty() && told.is_none() && files.is_empty();
        if ended_before || told.is_some_and(|w| w.cancelled) {
            collected.outstanding += 1;
            continue;
        }
        for file in files {
            journal.add_environment(&file.environment)?;
        }
        let wait = told.cloned().unwrap_or_default();
        let (consumers, spans, row) = rows(&plan, trial, cell, files, &wait)?;
        if row.outcome == Outcome::Completed {
            collected.completed += 1;
        } else {
            collected.failed += 1;
        }
        journal.append(&consumers, &spans, &row)?;
    }
    Ok(collected)
}

type Rows = (Vec<ConsumerRow>, Vec<SpanRow>, MeasurementRow);

fn rows(plan: &Plan, trial: &Trial, cell: &CellJob, files: &[SideFile], wait: &Waits) -> Result<Rows, GithubError> {
    let on = github::find(&trial.cell.strategy).map_err(|e| GithubError::Job(e.to_string()))?;
    let moves_image = on.facts().moves_image;
    let after = on.recipe().saves_afterwards(&cell.options).map(|what| format!("Post {}: {what}", cell.strategy));
    let files = &with_after(files, after.as_ref().and_then(|name| wait.after.get_key_value(name)));
    let producer = files.iter().find(|f| f.side == Side::Producer);
    let mut identity = IdentityCheck::default();
    let mut consumer_rows = Vec::new();
    let mut result = expected(trial, cell, producer, files, wait);
    if let Some(name) = after.as_ref().filter(|name| result.is_ok() && !wait.after.contains_key(*name)) {
        let error = format!("the step `{name}` is timed by GitHub's jobs API only, and that said nothing of it");
        result = Err(Failure::new("upload", error));
    }
    if let Ok(consumers) = &result {
        let content = cell.image_spec()?.content_digest()?;
        let mut refusal = None;
        for (number, file) in consumers {
            let check = check(producer.map(|p| &p.identity), &content, &file.identity);
            let refused = check.refused(moves_image);
            identity =
                if consumer_rows.is_empty() || !refused.is_empty() { check.clone() } else { identity.worst(&check) };
            if !refused.is_empty() {
                let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
                refusal = Some(Failure::new("identity", error.trim_end_matches("; ")));
                break;
            }
            consumer_rows.push(consumer_row(trial, *number, &report(file), &check));
        }
        result = refusal.map_or(result, Err);
    }
    let first = files.first();
    let measurement = Measurement {
        trial: trial.clone(),
        environment: first.map(|f| f.environment.id.clone()),
        started_at: first.map(|f| f.started_at.clone()),
        // Empty where no bytes were moved, and where no job told.
        source: first.map(|f| f.source.clone()).unwrap_or_default(),
        client: first.map(|f| f.client.clone()).unwrap_or_default(),
        seed: plan.request.seed,
        contended: false,
        queue_ns: wait.queue_ns,
        identity,
        result: match result {
            Ok(consumers) => {
                let report = TrialReport {
                    producer: producer.map(report),
                    consumers: consumers.iter().map(|(_, file)| report(file)).collect(),
                    service: None,
                    settle_ns: None,
                    image_bytes: Some(cell.image_spec()?.predicted_bytes()),
                };
                Ok(Box::new(report.measured()))
            }
            Err(failure) => {
                consumer_rows.clear();
                Err((outcome(wait), failure))
            }
        },
    };
    let spans = files.iter().flat_map(|f| f.spans.iter().map(|s| SpanRow::new(&trial.id, f.side, f.consumer, s)));
    Ok((consumer_rows, spans.collect(), MeasurementRow::from(&measurement)))
}

/// A trial's files, with what the producer's job did after its last mark put at the end of its clock.
fn with_after(files: &[SideFile], after: Option<(&String, &Duration)>) -> Vec<SideFile> {
    let mut files = files.to_vec();
    let producer = files.iter_mut().find(|f| f.side == Side::Producer);
    if let Some((producer, (name, took))) = producer.zip(after) {
        let (start_ns, took_ns) = (producer.wall_ns, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        producer.wall_ns = start_ns.saturating_add(took_ns);
        producer.spans.push(Span {
            kind: SpanKind::Upload,
            detail: format!("{name} (jobs API, to the second)"),
            start_ns,
            end_ns: producer.wall_ns,
            bytes: None,
        });
    }
    files
}

fn outcome(wait: &Waits) -> Outcome {
    match wait.conclusion.as_deref() {
        Some("timed_out") => Outcome::TimedOut,
        _ => Outcome::Failed,
    }
}

/// The consumers' files by number, if every job of the trial has left what it had to, on a machine as the plan says.
fn expected<'a>(
    trial: &Trial,
    cell: &CellJob,
    producer: Option<&SideFile>,
    files: &'a [SideFile],
    wait: &Waits,
) -> Result<Vec<(u32, &'a SideFile)>, Failure> {
    let ended = wait.conclusion.as_ref().map(|c| format!(" (it ended with `{c}`)")).unwrap_or_default();
    let missing = |side: &str| Failure::new("job", format!("the {side} left no marks{ended}: its log says why"));
    if cell.produces {
        let file = producer.ok_or_else(|| missing("producer"))?;
        file.failure.clone().map_or(Ok(()), Err)?;
        fits(trial, file)?;
    }
    let consumer = |number: u32| {
        let of = |f: &&SideFile| f.side == Side::Consumer && f.consumer == Some(number);
        let file = files.iter().find(of).ok_or_else(|| missing(&format!("consumer {number}")))?;
        file.failure.clone().map_or(Ok(()), Err)?;
        fits(trial, file)?;
        Ok((number, file))
    };
    cell.consumers.iter().map(|number| consumer(*number)).collect()
}

/// Refuses a machine whose engine keeps images elsewhere than the plan says: the row would name a store that was not there.
fn fits(trial: &Trial, file: &SideFile) -> Result<(), Failure> {
    let planned = trial.cell.conditions.image_store;
    if file.image_store == planned.as_str() {
        return Ok(());
    }
    let has = &file.image_store;
    let fix = match has.parse::<ImageStore>() {
        Ok(store) => format!("dispatch with --image-store {store}"),
        Err(_) => "take a runner whose engine has the planned one".to_owned(),
    };
    let error = format!("the machine's engine keeps images in {has}, the plan says {planned}: {fix}");
    Err(Failure::new("image-store", error))
}

/// Compares what arrived with what was built. Content is known beforehand, from the generator.
fn check(built: Option<&ImageIdentity>, content: &str, arrived: &ImageIdentity) -> IdentityCheck {
    let nothing = ImageIdentity {
        notes: vec!["no producer: nothing but content to compare with".to_owned()],
        ..ImageIdentity::default()
    };
    let reference = ImageIdentity { content: Some(content.to_owned()), ..built.cloned().unwrap_or(nothing) };
    IdentityCheck::compare(&reference, arrived)
}

/// Report of a job. Nobody counts the traffic of a service that is not ours.
fn report(file: &SideFile) -> JobReport<'_> {
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
