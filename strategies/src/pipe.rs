//! Pipe of programs, each with its span. The spans of a pipe overlap.

use std::io::pipe;
use std::sync::Arc;
use std::thread;

use duct::{Expression, Handle};
use handoff_model::{Failure, SpanKind};

use crate::job::{explained, tail};
use crate::{Job, StepResult};

/// Program of a pipe.
#[derive(Debug)]
pub struct Stage {
    /// Kind of its span.
    pub kind: SpanKind,
    /// Name of its log and span.
    pub step: &'static str,
    /// Command without its standard streams.
    pub command: Expression,
}

impl Stage {
    /// Program with its span's kind and name.
    pub fn new(kind: SpanKind, step: &'static str, command: Expression) -> Self {
        Self { kind, step, command }
    }
}

/// Running pipe.
#[derive(Debug)]
pub struct Running {
    stages: Vec<(SpanKind, &'static str, Arc<Handle>)>,
    start_ns: u64,
}

/// Starts all stages and connects each output to the next input.
///
/// # Errors
/// A program cannot be started: those before it are killed.
pub fn start(job: &Job, stages: Vec<Stage>) -> StepResult<Running> {
    let mut running = Running { stages: Vec::new(), start_ns: job.recorder.now_ns() };
    let mut input = None;
    let last = stages.len().saturating_sub(1);
    for (i, stage) in stages.into_iter().enumerate() {
        let failure = |e: std::io::Error| Failure::new(stage.kind.as_str(), format!("{}: {e}", stage.step));
        let log = job.log(stage.step)?;
        let mut command = stage.command.unchecked().stderr_file(log.try_clone().map_err(failure)?);
        command = match input.take() {
            Some(reader) => command.stdin_file::<std::io::PipeReader>(reader),
            None => command.stdin_null(),
        };
        command = if i == last {
            command.stdout_file(log)
        } else {
            let (reader, writer) = pipe().map_err(failure)?;
            input = Some(reader);
            command.stdout_file(writer)
        };
        match command.start() {
            Ok(handle) => running.stages.push((stage.kind, stage.step, Arc::new(handle))),
            Err(e) => {
                running.kill();
                return Err(failure(e));
            }
        }
    }
    Ok(running)
}

impl Running {
    fn kill(&self) {
        for (_, _, handle) in &self.stages {
            // A program that has ended needs no kill.
            let _ = handle.kill();
        }
    }

    /// Waits for all stages, and calls `between` when the first `count` stages have succeeded.
    ///
    /// # Errors
    /// A stage or `between` fails: the other stages are killed. The error is the first in the order of the pipe.
    pub fn finish(self, job: &Job, count: usize, between: impl FnOnce() -> StepResult<()>) -> StepResult<()> {
        let wait = |handle: Arc<Handle>| {
            let result = handle.wait().map(|output| output.status).map_err(|e| e.to_string());
            (result, crate::recorder::monotonic_ns())
        };
        let handles = self.stages.iter().map(|(_, _, handle)| Arc::clone(handle));
        let waits: Vec<_> = handles.map(|handle| thread::spawn(move || wait(handle))).collect();
        let mut failed = None;
        let mut between = Some(between);
        for (i, wait) in waits.into_iter().enumerate() {
            if i == count
                && failed.is_none()
                && let Some(between) = between.take()
                && let Err(failure) = between()
            {
                failed = Some(failure);
                self.kill();
            }
            let (kind, step, _) = &self.stages[i];
            let watched = wait.join().map_err(|_| "its thread panicked".to_owned());
            if let Ok((_, end)) = &watched {
                job.recorder.record(*kind, step, self.start_ns, job.recorder.from_monotonic(*end), None);
            }
            let result = watched.and_then(|(result, _)| result);
            let reason = match result {
                Ok(status) if status.success() => continue,
                Ok(status) => format!(
                    "{step} ended with {status}: {}",
                    job.log(step).map(|mut l| explained(tail(&mut l))).unwrap_or_default()
                ),
                Err(error) => format!("{step}: {error}"),
            };
            if failed.is_none() {
                failed = Some(Failure::new(kind.as_str(), reason));
                self.kill();
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
