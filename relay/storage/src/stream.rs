//! Upload from and download to a shell pipe, for the verbs `handoff stream upload` and `handoff stream download`:
//! `docker save IMG | zstd -3 -T0 | handoff stream upload NAME` and
//! `handoff stream download NAME | zstd -d | docker load`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use handoff_model::SpanKind;
use serde::{Deserialize, Serialize};

use crate::artifacts::ArtifactClient;
use crate::clock::monotonic_ns;
use crate::download::DownloadPlan;
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::gate::Gate;
use crate::retry::Traffic;
use crate::spans::TransferSpan;
use crate::target::ArtifactTarget;
use crate::timeouts::GATE_TIMEOUT;
use crate::upload::UploadPlan;

/// Size of a pipe in bytes, where the system allows it: a larger pipe needs fewer context switches.
const PIPE_BYTES: usize = 1 << 20;

/// Arguments of an upload.
#[derive(Debug, Clone)]
pub struct UploadArgs {
    /// New artifact.
    pub target: ArtifactTarget,
    /// Named pipe that must deliver the line `commit` before the upload is committed. Without it the end of the stream commits.
    pub commit_gate: Option<PathBuf>,
    /// Time that the gate may stay silent after the end of the stream.
    pub gate_limit: std::time::Duration,
    /// Blocks and connections.
    pub plan: UploadPlan,
}

impl UploadArgs {
    /// Arguments for a zstd stream with the default plan, committed at its end.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            target: ArtifactTarget::zstd(name),
            commit_gate: None,
            gate_limit: GATE_TIMEOUT,
            plan: UploadPlan::default(),
        }
    }
}

/// Arguments of a download.
#[derive(Debug, Clone)]
pub struct DownloadArgs {
    /// Name of the artifact.
    pub name: String,
    /// Ranges and connections.
    pub plan: DownloadPlan,
}

/// Program that moved the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientName {
    /// `handoff`, or the npm package.
    pub name: String,
    /// Version.
    pub version: String,
}

impl ClientName {
    /// Program of this workspace.
    pub fn ours(name: &str) -> Self {
        Self { name: name.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Default for ClientName {
    /// This crate.
    fn default() -> Self {
        Self::ours("handoff")
    }
}

/// Report of a transfer, in the format of the npm drivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// Program that moved the bytes.
    pub client: ClientName,
    /// Spans; `command` is the whole call.
    pub spans: Vec<TransferSpan>,
    /// Bytes of the stream; 0 after a failure.
    pub bytes: u64,
    /// Number of blocks or ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// Digest, `sha256:` and hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Number of the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Counts of requests.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Reason of a failure, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl StreamReport {
    /// Writes the report as JSON, atomically.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_report(path, self)
    }
}

/// Writes a report as JSON, atomically.
///
/// # Errors
/// Errors of the file system.
pub fn write_report(path: &Path, report: &impl Serialize) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, serde_json::to_vec_pretty(report)?)?;
    std::fs::rename(&part, path)
}

/// Uploads standard input to the service named by the environment. Failures are in the report's `error`.
///
/// Blocks until the end, on a runtime of its own.
pub fn upload_from_stdin(args: &UploadArgs) -> StreamReport {
    run(format!("stream upload {}", args.target.name), async |report, client| {
        let gate = args.commit_gate.as_deref().map(Gate::open).transpose()?;
        let limit = args.gate_limit;
        let finish = move || gate.map_or(Ok(()), |gate| gate.wait(limit)).map_err(|e| e.to_string());
        let stdin = io::stdin();
        let reader = stream_end(stdin.as_fd(), stdin.is_terminal(), "standard input")?;
        let done = client.upload_stream(reader, &args.target, &args.plan, finish).await?;
        report.spans = done.spans;
        report.bytes = done.bytes;
        report.blocks = Some(done.blocks);
        report.digest = Some(format!("sha256:{}", done.sha256));
        report.id = Some(done.artifact_id.to_string());
        Ok(())
    })
}

/// Downloads an artifact to standard output. Failures are in the report, as for [`upload_from_stdin`].
pub fn download_to_stdout(args: &DownloadArgs) -> StreamReport {
    run(format!("stream download {}", args.name), async |report, client| {
        let stdout = io::stdout();
        let writer = stream_end(stdout.as_fd(), stdout.is_terminal(), "standard output")?;
        let done = client.download_stream(&args.name, writer, &args.plan).await?;
        report.spans = done.spans;
        report.bytes = done.bytes;
        report.digest = Some(format!("sha256:{}", done.sha256));
        report.id = Some(done.artifact_id.to_string());
        Ok(())
    })
}

fn run(what: String, work: impl AsyncFnOnce(&mut StreamReport, &ArtifactClient) -> Result<(), Error>) -> StreamReport {
    let start = monotonic_ns();
    // The other streams are the pipe's.
    crate::pulse::on_silence(|line| {
        let _ = writeln!(io::stderr(), "handoff: {line}");
    });
    let mut report = StreamReport::default();
    let outcome = || {
        let client = ArtifactClient::new(ServiceEndpoint::from_env()?)?;
        // One thread for the network: hashing and pipes have their own, and the measured job needs the other cores.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::System { what: "starting the runtime", source })?;
        let outcome = runtime.block_on(work(&mut report, &client));
        report.traffic = client.counters().traffic();
        outcome
    };
    report.error = outcome().err().map(|e| e.to_string());
    report.spans.insert(0, TransferSpan::ended(SpanKind::Command, what, start, Some(report.bytes)));
    report
}

/// Unbuffered handle of a standard stream, with an enlarged pipe.
fn stream_end(fd: BorrowedFd<'_>, terminal: bool, what: &'static str) -> Result<File, Error> {
    if terminal {
        return Err(Error::System { what, source: io::Error::other("it is a terminal: connect a pipe or a file") });
    }
    let stream = fd.try_clone_to_owned().map_err(|source| Error::System { what, source })?;
    // Fails for files and beyond a user's limit; the stream works without it.
    let _ = rustix::pipe::fcntl_setpipe_size(&stream, PIPE_BYTES);
    Ok(File::from(stream))
}
