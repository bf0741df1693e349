//! End of a job: the first container, then, off the clock, the records of the builds and the identity of the image.

use std::path::Path;

use handoff_build::trace::Trace;
use handoff_docker::command;
use handoff_fixtures::PROBE_PATH;
use handoff_machine::between;
use handoff_model::recipe::BuiltAt;
use handoff_model::span::union_ns;
use handoff_model::{Cell, Failure, ImageIdentity, Recipe, Role, RoleUsage, SpanKind};
use handoff_strategies::Recorder;
use handoff_strategies::recorder::monotonic_ns;

use super::{JOB_DIR, JobFile, WORK_DIR, begin, docker, engine, file_path, marks, read_file, write_file};
use crate::cell::CellJob;
use crate::{GithubError, Result};

/// Starts the first container and stops the clock at its answer.
///
/// # Errors
/// The container does not start, or gives another answer.
pub fn answer(dir: &Path, cell: &CellJob) -> Result<()> {
    marks::mark(dir, SpanKind::Run.as_str(), "docker run")?;
    let error = |e: &dyn std::fmt::Display| GithubError::Job(format!("docker run: {e}"));
    let run = duct::cmd!("docker", "run", "--rm", "--network=none", &cell.image);
    let (answer, at, status) = command::first_answer(&run, monotonic_ns).map_err(|e| error(&e))?;
    let expected = cell.image_spec()?.answer();
    if !status.success() || answer != expected {
        return Err(error(&format!(
            "the container answered `{answer}` instead of `{expected}` and ended with {status}"
        )));
    }
    marks::mark_at(dir, at, marks::STOP, "")
}

/// Completes the job's file with marks, build records and the identity of the image. Returns the job's failure, if any.
///
/// # Errors
/// `HANDOFF_JOB_STATUS` is not set, or a file cannot be read or written.
pub fn finish(dir: &Path, cell: &CellJob) -> Result<Option<Failure>> {
    let unset = "HANDOFF_JOB_STATUS is not set: set it to `${{ job.status }}`";
    let status = std::env::var("HANDOFF_JOB_STATUS").map_err(|_| GithubError::input(unset))?;
    let mut file = read_file(&file_path(dir))?;
    let marks = marks::read(dir)?;
    let (spans, end) = marks::spans(&marks);
    file.spans = spans;
    file.usage = usage(&file);
    file.failure = match end {
        Some(end) if status == "success" => {
            file.wall_ns = end;
            None
        }
        _ => Some(unfinished(&marks, &status)),
    };
    let Cell { strategy, conditions, .. } = &cell.trial.cell;
    let found = handoff_strategies::github::find(strategy).map_err(GithubError::job)?;
    let mut strategy = found.resolved(conditions);
    file.client = client(strategy.recipe(), &file);
    file.source = strategy.source().map(|source| source.as_str().to_owned()).unwrap_or_default();
    if file.role == Role::Consumer && strategy.facts().has_producer {
        // The column belongs to the role that writes the tar.
        file.source.clear();
    }
    trace(dir, cell, &mut file);
    let covered = union_ns(file.spans.iter().map(|s| (s.start_ns.min(file.wall_ns), s.end_ns.min(file.wall_ns))));
    file.usage.harness_wall_ns = Some(file.wall_ns.saturating_sub(covered));
    if file.failure.is_none() {
        let checked =
            require_cache_hit(strategy.recipe(), &file).and_then(|()| identify(dir, cell, strategy.built_at(), &file));
        match checked {
            Ok(identity) => file.identity = identity,
            Err(failure) => file.failure = Some(failure),
        }
    }
    file.environment.programs.insert("buildkit".to_owned(), docker::buildkit());
    handoff_model::environment::set_id(&mut file.environment);
    engine::stop(dir)?;
    write_file(dir, &file)?;
    Ok(file.failure)
}

/// Failure of a job without a `stop` mark.
fn unfinished(marks: &[marks::Mark], status: &str) -> Failure {
    let last = marks.iter().rfind(|m| m.what != marks::START && m.what != marks::STOP);
    let span = last.map_or("job", |m| m.what.as_str());
    let step = last.map_or("the first step", |m| m.detail.as_str());
    Failure::new(span, format!("job ended with `{status}` in `{step}`: its log has the reason"))
}

fn usage(file: &JobFile) -> RoleUsage {
    let now = begin::readings();
    let start = &file.start;
    RoleUsage {
        cpu_ns: between(start.busy_ns, now.busy_ns),
        load_1m: start.load_1m,
        cpu_pressure_ns: between(start.pressure_ns, now.pressure_ns),
        steal_ns: between(start.steal_ns, now.steal_ns),
        // No sampler runs between the job's steps.
        ..RoleUsage::default()
    }
}

/// Program that moved the bytes: named by the recipe, or the action of a marked step.
fn client(recipe: &Recipe, file: &JobFile) -> String {
    let moved = file.spans.iter().find(|s| matches!(s.kind, SpanKind::Upload | SpanKind::Download));
    recipe.client.map_or_else(|| moved.map(|s| s.detail.clone()).unwrap_or_default(), str::to_owned)
}

/// Puts `BuildKit`'s records of this job's builds on the job's clock.
fn trace(dir: &Path, cell: &CellJob, file: &mut JobFile) {
    let logs = match docker::build_records() {
        Ok(logs) => logs,
        Err(error) => {
            file.identity.notes.push(format!("BuildKit has no records of builds: {error}"));
            return;
        }
    };
    let mut whole = true;
    let recorder = Recorder::resume(file.start.monotonic_ns, i128::from(file.start.wall_ns));
    for (number, log) in logs.iter().enumerate() {
        // The copy is for people only.
        let _ = std::fs::write(dir.join(JOB_DIR).join(format!("build-{}.rawjson", number + 1)), log);
        let trace = Trace::parse(log);
        recorder.record_trace(&trace, cell.loads(file.role));
        if let Some(unread) = &trace.unread {
            file.identity.notes.push(format!("the build time is unknown: {unread}"));
            whole = false;
        }
        // The trace of a build without steps has vertices of its preparation.
        file.traced |= trace.vertices > 0;
        file.executed.extend(trace.executed);
        file.cached.extend(trace.cached);
        file.cache_layers.extend(layers(log));
    }
    file.traced &= whole;
    // Earlier spans belong to builds before this job's clock.
    file.spans.extend(recorder.spans().into_iter().filter(|s| s.end_ns > 0));
    file.spans.sort_by_key(|s| (s.start_ns, s.end_ns));
    file.cache_layers.sort();
    file.cache_layers.dedup();
}

/// Digests of the layers that a build wrote to a cache.
fn layers(log: &str) -> Vec<String> {
    let written = log.split("writing layer sha256:").skip(1);
    written.map(|t| t.chars().take_while(char::is_ascii_hexdigit).collect()).collect()
}

/// Refuses a consumer that built again although its strategy transfers a cache.
fn require_cache_hit(recipe: &Recipe, file: &JobFile) -> Result<(), Failure> {
    if file.role == Role::Producer || !recipe.consumer_is_cached {
        return Ok(());
    }
    match file.executed.first() {
        Some(step) => Err(Failure::new("build", format!("cache missed: {step}"))),
        None if !file.traced => Err(Failure::new("build", "cache hit not proven: BuildKit recorded no step")),
        None => Ok(()),
    }
}

fn identify(dir: &Path, cell: &CellJob, built: BuiltAt, file: &JobFile) -> Result<ImageIdentity, Failure> {
    let work = dir.join(WORK_DIR);
    let failure = |e: &dyn std::fmt::Display| Failure::new("identity", e);
    let mut known = match (file.role, built) {
        (Role::Producer, BuiltAt::Tar(name)) => {
            handoff_docker::identity::of_tar(&work.join(name)).map_err(|e| failure(&e))?
        }
        (Role::Producer, BuiltAt::BuilderCache | BuiltAt::Pushed) => {
            // The engine does not have the image: load it from the builder's cache.
            let sources = work.join("sources").display().to_string();
            docker::docker(&["buildx", "build", "--load", "--tag", &cell.image, &sources]).map_err(|e| failure(&e))?;
            let loaded = docker::identity(&cell.image, &work)?;
            let pushed = built == BuiltAt::Pushed;
            ImageIdentity { index: loaded.index.filter(|_| !pushed), ..loaded }
        }
        _ => docker::identity(&cell.image, &work)?,
    };
    if file.role == Role::Consumer {
        let text = docker::docker(&["run", "--rm", "--network=none", &cell.image, PROBE_PATH, "digest"]);
        let json: serde_json::Value = serde_json::from_str(&text.map_err(|e| failure(&e))?).map_err(|e| failure(&e))?;
        known.content = json.get("content_digest").and_then(|d| d.as_str()).map(str::to_owned);
    }
    known.notes.extend(file.identity.notes.clone());
    Ok(known)
}
