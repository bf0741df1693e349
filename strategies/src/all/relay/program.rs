//! Runs `handoff-relay`: its arguments, and its report on the role's clock.

use std::path::Path;

use handoff_docker::DaemonRestart;
use handoff_model::shell::quote;
use handoff_model::{Failure, Sources, SpanKind};

use super::{Import, Relay, Store};
use crate::buildx::{Build, Compression};
use crate::clients::{ClientReport, read_report};
use crate::job::tail;
use crate::recorder::{CLIENT, IMPORT};
use crate::{Job, StepResult};

/// Image that `send` sends, and how it comes into being.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Reference.
    pub image: &'a str,
    /// Name of the transfer.
    pub name: &'a str,
    /// Sources and builder if the program builds; none if the engine has the image.
    pub build: Option<(&'a Sources, Option<&'a str>)>,
    /// Beginning of the names of earlier runs, if there may be any.
    pub earlier: Option<&'a str>,
}

impl Relay {
    /// Arguments of both commands: the store and the connection plan.
    fn plan(&self, name: &str) -> Vec<String> {
        let mut args = vec!["--name".to_owned(), name.to_owned()];
        args.extend(["--store", self.store.as_str(), "--part"].map(str::to_owned));
        args.push(self.part.to_string());
        if self.connections > 0 {
            args.extend(["--connections".to_owned(), self.connections.to_string()]);
        }
        args
    }

    /// Arguments of `handoff-relay send`.
    pub fn send(&self, sent: &Sent) -> StepResult<Vec<String>> {
        let mut args = vec!["send".to_owned(), sent.image.to_owned()];
        args.extend(self.plan(sent.name));
        if let Some((sources, builder)) = sent.build {
            args.extend(["--context".to_owned(), text(&sources.context)?]);
            args.extend(["--compression".to_owned(), self.compression.as_str().to_owned()]);
            // Only zstd has a level.
            if self.compression == Compression::Zstd {
                args.extend(["--level".to_owned(), self.level.to_string()]);
            }
            if let Some(file) = &sources.dockerfile {
                args.extend(["--file".to_owned(), text(file)?]);
            }
            for arg in &sources.build_args {
                args.extend(["--build-arg".to_owned(), arg.clone()]);
            }
            if let Some(builder) = builder {
                args.extend(["--builder".to_owned(), builder.to_owned()]);
            }
            if sources.network {
                args.extend(["--network", "host"].map(str::to_owned));
            }
            if self.encoding != super::Encoding::DEFAULT {
                args.extend(["--encoding".to_owned(), self.encoding.as_str().to_owned()]);
            }
        }
        if let (Some(earlier), Store::Cache) = (sent.earlier, self.store) {
            args.extend(["--earlier".to_owned(), earlier.to_owned()]);
        }
        Ok(args)
    }

    /// Arguments of `handoff-relay receive`. The way into the engine is resolved; `restart` is how this engine restarts.
    pub fn receive(
        &self,
        name: &str,
        digest: Option<&str>,
        import: Import,
        restart: Option<&DaemonRestart>,
    ) -> StepResult<Vec<String>> {
        let mut args = vec!["receive".to_owned()];
        args.extend(self.plan(name));
        args.extend(["--import", import.as_str()].map(str::to_owned));
        if let Some(digest) = digest {
            args.extend(["--digest", digest].map(str::to_owned));
        }
        if self.store_switch {
            let no_restart =
                || Failure::new(SpanKind::Load.as_str(), "this engine cannot be restarted: leave store-switch out");
            let restart = restart.ok_or_else(no_restart)?;
            // No runner of GitHub hosts the job: the engine is the harness's own.
            args.push("--store-switch=force".to_owned());
            args.extend(["--daemon-config".to_owned(), text(&restart.config)?]);
            // The program gives it to a shell.
            args.extend(["--restart-command".to_owned(), quote(&text(&restart.command)?)]);
        }
        Ok(args)
    }
}

/// Path as an argument.
fn text(path: &Path) -> StepResult<String> {
    let failure = || Failure::new(SpanKind::Resolve.as_str(), format!("{} is not UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(failure)
}

/// Runs `handoff-relay` with the environment of the job's engine and of an action. A failure counts as one of `kind`.
pub fn run(job: &Job, kind: SpanKind, mut args: Vec<String>) -> StepResult<ClientReport> {
    let step = format!("relay-{}", args.first().map_or("", String::as_str));
    let report = job.logs.join(format!("{step}.json"));
    args.extend(["--report".to_owned(), text(&report)?]);
    let failure = |e: &dyn std::fmt::Display| Failure::new(kind.as_str(), format!("{step}: {e}"));
    let mut log = job.log(&step)?;
    let (out, err) = (log.try_clone().map_err(|e| failure(&e))?, log.try_clone().map_err(|e| failure(&e))?);
    let command = job.program(&job.tools.relay, args, job.service_env);
    let command = command.stdin_null().stdout_file(out).stderr_file(err).unchecked();
    let result = job.recorder.span(SpanKind::Command, &step, || command.run());
    let status = result.map_err(|e| failure(&e))?.status;
    let report = read_report(job, &report);
    if status.success() {
        let report = report.map_err(|e| failure(&format!("it wrote no report: {e}")))?;
        job.recorder.fact(CLIENT, report.client.to_string());
        if let Some(way) = &report.import {
            job.recorder.fact(IMPORT, way.clone());
        }
        return Ok(report);
    }
    let reason = report.ok().and_then(|report| report.error).unwrap_or_else(|| tail(&mut log));
    let reason = if reason.is_empty() { format!("it ended with {status}") } else { reason };
    Err(explained(kind, &step, &reason))
}

/// Failure of the program. That of a build reads as with every other strategy.
pub fn explained(kind: SpanKind, step: &str, reason: &str) -> Failure {
    match reason.strip_prefix("the build failed: ") {
        Some(cause) => Failure::new(SpanKind::Build.as_str(), format!("build: {}", Build::explained(cause))),
        None => Failure::new(kind.as_str(), format!("{step}: {reason}")),
    }
}

/// Checks that an image was imported where only that counts.
pub fn imported(import: Import, report: &ClientReport) -> StepResult<()> {
    if import != Import::Require || report.import.as_deref() == Some("import") {
        return Ok(());
    }
    let reason = report.import_reason.as_deref().unwrap_or("the report names no reason");
    let error = format!("import=require, but the engine pulled the image: {reason}");
    Err(Failure::new(SpanKind::Load.as_str(), error))
}
