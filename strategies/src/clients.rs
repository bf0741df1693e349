//! GitHub's npm clients, driven by the programs in `strategies/clients/`, and the report of every client.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use handoff_model::{Failure, Flow, SpanKind, StepCount, Transfer};
use serde::Deserialize;

use crate::job::tail;
use crate::{Job, StepResult};

/// Transfer pattern of the artifact client.
pub const ARTIFACT_TRANSFER: Transfer = Transfer {
    up: Flow { connections: 5, block_bytes: Some(8 << 20), calls: 2 },
    down: Flow { connections: 1, block_bytes: None, calls: 2 },
    by_layer: false,
    plain_on_overlay2: false,
};

/// Report of a client about one call, written by the drivers, by `handoff stream` and by `handoff-relay`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClientReport {
    /// Name and version of the client.
    pub client: ClientName,
    /// Spans on the machine's monotonic clock.
    pub spans: Vec<ClientSpan>,
    /// Transferred bytes.
    pub bytes: Option<u64>,
    /// Digest of the image's index, if the client handles images.
    pub index: Option<String>,
    /// Digest of the image's config.
    pub config: Option<String>,
    /// Digests of the image's uncompressed layers.
    pub layers: Option<Vec<String>>,
    /// Key of the restored cache entry; none after a cache miss.
    pub key: Option<String>,
    /// Error of a failed call.
    pub error: Option<String>,
    /// Images of the transfer with their digests.
    pub images: Vec<ClientImage>,
    /// Dockerfile steps of the client's build; none without a build, or if BuildKit's trace cannot be read.
    pub steps: Option<StepCount>,
    /// Way of the image into the engine: `import` or `pull`.
    pub import: Option<String>,
    /// Reason why the image was pulled, in one line.
    pub import_reason: Option<String>,
    /// Whether an earlier run has sent this very image, so that nothing was built or sent.
    pub sent: bool,
}

/// Image of a transfer.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ClientImage {
    /// Digest of its index or manifest.
    pub digest: String,
}

/// Name and version of a client.
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

/// Span of a client's report.
#[derive(Debug, Clone, Deserialize)]
pub struct ClientSpan {
    /// Kind of the span; `start` is the start of the program.
    pub name: String,
    /// Detail.
    #[serde(default)]
    pub detail: String,
    /// Start on the monotonic clock in ns.
    pub start_ns: u64,
    /// End on the monotonic clock in ns.
    pub end_ns: u64,
    /// Transferred bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
}

/// Runs `node strategies/clients/PROGRAM ARGS --report FILE` with the environment of a GitHub runner.
///
/// # Errors
/// The client fails or writes no report.
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
    let report = read_report(job, &report);
    if status.success() {
        return report.map_err(|e| Failure::new(kind.as_str(), format!("{step} wrote no report: {e}")));
    }
    let reason = report.ok().and_then(|r| r.error).unwrap_or_else(|| tail(&mut log));
    Err(Failure::new(kind.as_str(), format!("{step}: {reason}")))
}

/// Variables of a GitHub runner for an action on Node.
///
/// # Errors
/// The temporary folder cannot be created.
pub fn environment(job: &Job, kind: SpanKind) -> StepResult<BTreeMap<String, String>> {
    let temp = job.scratch.join("runner-temp");
    fs::create_dir_all(&temp).map_err(|e| Failure::new(kind.as_str(), format!("create {}: {e}", temp.display())))?;
    let preload = format!("--require={}", job.tools.clients.join("loopback.cjs").display());
    let mut env = job.service_env.clone();
    env.insert("NODE_OPTIONS".to_owned(), preload);
    env.insert("RUNNER_TEMP".to_owned(), temp.display().to_string());
    env.insert("GITHUB_WORKSPACE".to_owned(), job.scratch.display().to_string());
    Ok(env)
}

/// Reads a report and puts its spans on the role's clock.
///
/// # Errors
/// The file cannot be read.
pub fn read_report(job: &Job, path: &std::path::Path) -> Result<ClientReport, String> {
    let bytes = fs::read(path).map_err(|e| format!("read {}: {e}", path.display()))?;
    let report: ClientReport = serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    for span in &report.spans {
        // The command's span covers the program's start and the whole call.
        let Ok(kind) = span.name.parse::<SpanKind>() else { continue };
        if kind == SpanKind::Command {
            continue;
        }
        let at = |ns| job.recorder.from_monotonic(ns);
        job.recorder.record(kind, &span.detail, at(span.start_ns), at(span.end_ns), span.bytes);
    }
    Ok(report)
}
