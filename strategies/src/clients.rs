//! GitHub's npm clients, driven by the programs in `strategies/clients/`, and the report that each writes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use handoff_model::{Failure, Flow, SpanKind, Transfer};
use serde::Deserialize;

use crate::job::tail;
use crate::{Job, StepResult};

/// How the client of artifacts moves bytes.
pub const ARTIFACT_TRANSFER: Transfer = Transfer {
    up: Flow { connections: 5, block_bytes: Some(8 << 20), calls: 2 },
    down: Flow { connections: 1, block_bytes: None, calls: 2 },
    by_layer: false,
    plain_on_overlay2: false,
};

/// What a client's driver, or our own streaming client, wrote of its call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClientReport {
    /// The client.
    pub client: ClientName,
    /// Spans on the machine's monotonic clock.
    pub spans: Vec<ClientSpan>,
    /// Bytes that travelled.
    pub bytes: Option<u64>,
    /// Digest of the index that was moved, where the client knows images.
    pub index: Option<String>,
    /// Digest of its config.
    pub config: Option<String>,
    /// Digests of its uncompressed layers.
    pub layers: Option<Vec<String>>,
    /// The key of the cache entry that was restored; none after a miss.
    pub key: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// It was ended before it was complete, and had no failure of its own.
    pub abandoned: bool,
}

/// A client's name and version.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ClientName {
    /// Package or program.
    pub name: String,
    /// Version.
    pub version: String,
}

impl std::fmt::Display for ClientName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// A span as a client reports it.
#[derive(Debug, Clone, Deserialize)]
pub struct ClientSpan {
    /// The span's kind by name; `start` is the program's own start.
    pub name: String,
    /// What exactly.
    #[serde(default)]
    pub detail: String,
    /// Start on the monotonic clock.
    pub start_ns: u64,
    /// End on the monotonic clock.
    pub end_ns: u64,
    /// Bytes moved.
    #[serde(default)]
    pub bytes: Option<u64>,
}

/// Runs `node strategies/clients/PROGRAM ARGS --report FILE` with a runner's environment.
pub fn node(job: &Job, program: &str, args: &[&str], kind: SpanKind) -> StepResult<ClientReport> {
    let verb = args.first().copied().unwrap_or_default();
    let report = job.logs.join(format!("{}-{verb}.json", program.trim_end_matches(".mjs")));
    let mut line: Vec<OsString> = vec![job.tools.clients.join(program).into()];
    line.extend(args.iter().map(Into::into));
    line.extend(["--report".into(), report.clone().into()]);
    let command = job.program(&job.tools.node, line, &environment(job, kind)?);
    let step = format!("{program} {verb}");
    let mut log = job.log(&step.replace(' ', "-"))?;
    let handle = |e: std::io::Error| Failure::new(kind.as_str(), format!("{step}: {e}"));
    let (out, err) = (log.try_clone().map_err(handle)?, log.try_clone().map_err(handle)?);
    let command = command.stdin_null().stdout_file(out).stderr_file(err).unchecked();
    let result = job.recorder.span(SpanKind::Command, &step, || command.run());
    let status = result.map_err(handle)?.status;
    let told = read_report(job, &report);
    if status.success() {
        return told.map_err(|e| Failure::new(kind.as_str(), format!("{step} wrote no report: {e}")));
    }
    let reason = told.ok().and_then(|r| r.error).unwrap_or_else(|| tail(&mut log));
    Err(Failure::new(kind.as_str(), format!("{step}: {reason}")))
}

/// The variables that a runner gives to an action that runs on Node.
pub fn environment(job: &Job, kind: SpanKind) -> StepResult<BTreeMap<String, String>> {
    let temp = job.scratch.join("runner-temp");
    fs::create_dir_all(&temp).map_err(|e| Failure::new(kind.as_str(), format!("create {}: {e}", temp.display())))?;
    let preload = format!("--require={}", job.tools.clients.join("loopback.cjs").display());
    let mut env = job.service.env.clone();
    env.insert("NODE_OPTIONS".to_owned(), preload);
    env.insert("RUNNER_TEMP".to_owned(), temp.display().to_string());
    env.insert("GITHUB_WORKSPACE".to_owned(), job.scratch.display().to_string());
    Ok(env)
}

/// Reads a report and puts its spans on the side's clock.
pub fn read_report(job: &Job, path: &std::path::Path) -> Result<ClientReport, String> {
    let bytes = fs::read(path).map_err(|e| format!("read {}: {e}", path.display()))?;
    let report: ClientReport = serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    for span in &report.spans {
        // The program's own start and its whole call are inside the command's span already.
        let Ok(kind) = span.name.parse::<SpanKind>() else { continue };
        if kind == SpanKind::Command {
            continue;
        }
        let at = |ns| job.recorder.from_monotonic(ns);
        job.recorder.record(kind, &span.detail, at(span.start_ns), at(span.end_ns), span.bytes);
    }
    Ok(report)
}
