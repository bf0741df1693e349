//! What all jobs of a run have left, joined into the rows of a journal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use handoff_model::rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};
use handoff_model::span::build_ns;
use handoff_model::usage::StepCount;
use handoff_model::{Failure, IdentityCheck, ImageIdentity, Outcome, Plan, Side, Span, SpanKind, Trial, plan};
use handoff_strategies::github;

use super::{CellJob, SIDE_FILE, SideFile, read_side};
use crate::DriverError;
use crate::journal::Journal;

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
pub fn read_sides(dir: &Path) -> Result<BTreeMap<String, Vec<SideFile>>, DriverError> {
    let mut sides: BTreeMap<String, Vec<SideFile>> = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
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
) -> Result<Collected, DriverError> {
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

fn rows(plan: &Plan, trial: &Trial, cell: &CellJob, files: &[SideFile], wait: &Waits) -> Result<Rows, DriverError> {
    let on = github::find(&trial.cell.strategy).map_err(|e| DriverError::Job(e.to_string()))?;
    let moves_image = on.strategy.facts().moves_image;
    let after = on.recipe.saves_afterwards(&cell.options).map(|what| format!("Post {}: {what}", cell.strategy));
    let files = &with_after(files, after.as_ref().and_then(|name| wait.after.get_key_value(name)));
    let producer = files.iter().find(|f| f.side == Side::Producer);
    let consumers: Vec<&SideFile> = files.iter().filter(|f| f.side == Side::Consumer).collect();
    let mut identity = IdentityCheck::default();
    let mut consumer_rows = Vec::new();
    let mut result = expected(cell, producer, &consumers, wait);
    if let Some(name) = after.as_ref().filter(|name| result.is_ok() && !wait.after.contains_key(*name)) {
        let error = format!("the step `{name}` is timed by GitHub's jobs API only, and that said nothing of it");
        result = Err(Failure::new("upload", error));
    }
    if result.is_ok() {
        let content = cell.image_spec()?.content_digest()?;
        for file in &consumers {
            let check = check(producer.map(|p| &p.identity), &content, &file.identity);
            let refused = check.refused(moves_image);
            if consumer_rows.is_empty() || !refused.is_empty() {
                identity = check.clone();
            }
            if !refused.is_empty() {
                let error = format!("{} not proven equal; {}", refused.join(", "), check.note);
                result = Err(Failure::new("identity", error.trim_end_matches("; ")));
                break;
            }
            consumer_rows.push(consumer_row(trial, file, &check));
        }
    }
    let first = files.first();
    let measurement = Measurement {
        trial: trial.clone(),
        environment: first.map(|f| f.environment.id.clone()).unwrap_or_default(),
        started_at: first.map(|f| f.started_at.clone()).unwrap_or_default(),
        source: first.map(|f| f.source.clone()).unwrap_or_default(),
        client: first.map(|f| f.client.clone()).unwrap_or_default(),
        seed: plan.request.seed,
        contended: false,
        identity,
        result: match &result {
            Ok(()) => Ok(Box::new(measured(cell, producer, &consumers)?)),
            Err(failure) => Err((outcome(wait), failure.clone())),
        },
    };
    if result.is_err() {
        consumer_rows.clear();
    }
    let mut row = MeasurementRow::from(&measurement);
    leave_out(&mut row, files);
    row.queue_ns = wait.queue_ns;
    if let Some(store) = first.and_then(|f| f.image_store.parse().ok()) {
        row.image_store = store;
    }
    let spans = files.iter().flat_map(|f| f.spans.iter().map(|s| SpanRow::new(&trial.id, f.side, f.consumer, s)));
    Ok((consumer_rows, spans.collect(), row))
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

/// Whether every job of the trial has left what it had to.
fn expected(cell: &CellJob, producer: Option<&SideFile>, consumers: &[&SideFile], wait: &Waits) -> Result<(), Failure> {
    let ended = wait.conclusion.as_ref().map(|c| format!(" (it ended with `{c}`)")).unwrap_or_default();
    let missing = |side: &str| Failure::new("job", format!("the {side} left no marks{ended}: its log says why"));
    if cell.produces {
        let file = producer.ok_or_else(|| missing("producer"))?;
        file.failure.clone().map_or(Ok(()), Err)?;
    }
    for number in &cell.consumers {
        let file = consumers
            .iter()
            .find(|f| f.consumer == Some(*number))
            .ok_or_else(|| missing(&format!("consumer {number}")))?;
        file.failure.clone().map_or(Ok(()), Err)?;
    }
    Ok(())
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

fn consumer_row(trial: &Trial, file: &SideFile, check: &IdentityCheck) -> ConsumerRow {
    ConsumerRow {
        schema_version: plan::SCHEMA_VERSION,
        trial: trial.id.clone(),
        consumer: file.consumer.unwrap_or(1),
        consume_ns: file.wall_ns,
        bytes_up: None,
        bytes_down: None,
        requests: None,
        retries: None,
        cpu_ns: file.usage.cpu_ns,
        peak_memory_bytes: None,
        peak_disk_bytes: None,
        index_equal: check.index,
        config_equal: check.config,
        layers_equal: check.layers,
        content_equal: check.content,
        environment: file.environment.id.clone(),
    }
}

fn measured(cell: &CellJob, producer: Option<&SideFile>, consumers: &[&SideFile]) -> Result<Measured, DriverError> {
    let sides: Vec<&SideFile> = producer.into_iter().chain(consumers.iter().copied()).collect();
    let sum = |value: &dyn Fn(&SideFile) -> u64| sides.iter().map(|s| value(s)).sum::<u64>();
    Ok(Measured {
        produce_ns: producer.map(|p| p.wall_ns),
        consume_ns: consumers.iter().map(|c| c.wall_ns).max().unwrap_or(0),
        runner_ns: sum(&|s| s.wall_ns),
        build_ns: build_ns(&sides.first().map(|s| s.spans.clone()).unwrap_or_default()),
        bytes_up: 0,
        bytes_down: 0,
        bytes_stored: 0,
        entries_stored: 0,
        entries_reused: None,
        bytes_reused: None,
        producer_steps: producer
            .filter(|p| p.traced)
            .map(|p| StepCount { executed: p.executed.len() as u64, cached: p.cached.len() as u64 }),
        requests: 0,
        retries: 0,
        connections: 0,
        producer_cpu_ns: producer.and_then(|p| p.usage.cpu_ns),
        consumer_cpu_ns: consumers.iter().map(|c| c.usage.cpu_ns).sum(),
        producer_peak_memory_bytes: None,
        consumer_peak_memory_bytes: None,
        producer_peak_disk_bytes: None,
        consumer_peak_disk_bytes: None,
        service_cpu_ns: 0,
        service_peak_memory_bytes: 0,
        harness_wall_ns: sum(&|s| s.usage.harness_wall_ns),
        harness_cpu_ns: 0,
        load_1m: sides.first().map_or(0.0, |s| s.usage.load_1m),
        cpu_pressure_ns: sides.iter().map(|s| s.usage.cpu_pressure_ns).sum(),
        steal_ns: sum(&|s| s.usage.steal_ns),
        settle_ns: 0,
        image_bytes: Some(cell.image_spec()?.predicted_bytes()),
        throttled: None,
        producer_written_bytes: None,
    })
}

/// Nobody counts bytes and requests of a service that is not ours, and nobody samples the machine: such columns are empty.
fn leave_out(row: &mut MeasurementRow, files: &[SideFile]) {
    for column in [
        &mut row.bytes_up,
        &mut row.bytes_down,
        &mut row.bytes_stored,
        &mut row.entries_stored,
        &mut row.requests,
        &mut row.retries,
        &mut row.connections,
        &mut row.consumer_peak_memory_bytes,
        &mut row.consumer_peak_disk_bytes,
        &mut row.service_cpu_ns,
        &mut row.service_peak_memory_bytes,
        &mut row.harness_cpu_ns,
        &mut row.settle_ns,
    ] {
        *column = None;
    }
    if !files.first().is_some_and(|f| f.traced) {
        row.build_ns = None;
        row.transfer_ns = None;
    }
}
