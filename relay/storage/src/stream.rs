//! The two ends of a pipe, ready for the verbs `handoff stream upload` and `handoff stream download`:
//! `docker save IMG | zstd -3 -T0 | handoff stream upload NAME` and
//! `handoff stream download NAME | zstd -d | docker load`.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_model::SpanKind;
use serde::{Deserialize, Serialize};

use crate::artifacts::{ArtifactClient, ArtifactTarget};
use crate::clock::monotonic_ns;
use crate::download::DownloadPlan;
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::gate::Gate;
use crate::spans::TransferSpan;
use crate::upload::UploadPlan;

/// Pipes are made this large where the system allows it: fewer switches between their two ends.
const PIPE_BYTES: usize = 1 << 20;

/// What to upload as, and how.
#[derive(Debug, Clone)]
pub struct UploadArgs {
    /// The new artifact.
    pub target: ArtifactTarget,
    /// A named pipe that must say `commit` before anything is committed; without one the stream's end suffices.
    pub commit_gate: Option<PathBuf>,
    /// How long the gate may stay silent after the stream's end.
    pub gate_limit: Duration,
    /// Blocks and connections.
    pub plan: UploadPlan,
}

impl UploadArgs {
    /// A zstd stream under that name, with the usual plan, committed at its end.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            target: ArtifactTarget::zstd(name),
            commit_gate: None,
            gate_limit: Duration::from_mins(10),
            plan: UploadPlan::default(),
        }
    }
}

/// What to download, and how.
#[derive(Debug, Clone)]
pub struct DownloadArgs {
    /// The artifact.
    pub name: String,
    /// Connections.
    pub plan: DownloadPlan,
}

/// What moved the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientName {
    /// `handoff`, or the npm package.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for ClientName {
    /// Us.
    fn default() -> Self {
        Self { name: "handoff".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// What happened, in the form that the npm drivers write too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// Us.
    pub client: ClientName,
    /// When what happened; `command` is the whole call.
    pub spans: Vec<TransferSpan>,
    /// Bytes of the stream; 0 after a failure.
    pub bytes: u64,
    /// Blocks or ranges it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// `sha256:` and hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The service's number for the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Requests sent.
    pub requests: u64,
    /// Operations that were repeated.
    pub retries: u64,
    /// Connections opened.
    pub connections: u64,
    /// Why it failed, one line; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl StreamReport {
    /// Writes it as JSON, whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        std::fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&part, path)
    }
}

/// Uploads standard input to the service that the environment names. Never fails: the report says what happened, and
/// its `error` whether it went well. Blocks until done; makes its own runtime.
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

/// Downloads an artifact to standard output; otherwise as [`upload_from_stdin`].
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
    let mut report = StreamReport::default();
    let outcome = || {
        let client = ArtifactClient::new(ServiceEndpoint::from_env()?)?;
        // One thread for the network: copying into sockets is all it does, hashing and pipes have threads of their
        // own, and the job that we are measured with needs the other cores.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::System { what: "starting the runtime", source })?;
        let outcome = runtime.block_on(work(&mut report, &client));
        report.requests = client.counters().requests();
        report.retries = client.counters().retries();
        report.connections = client.counters().connections();
        outcome
    };
    report.error = outcome().err().map(|e| e.to_string());
    report.spans.insert(0, TransferSpan::ended(SpanKind::Command, what, start, Some(report.bytes)));
    report
}

/// Our own unbuffered handle of a standard stream, its pipe enlarged.
fn stream_end(fd: BorrowedFd<'_>, terminal: bool, what: &'static str) -> Result<File, Error> {
    if terminal {
        return Err(Error::System { what, source: io::Error::other("it is a terminal: connect a pipe or a file") });
    }
    let own = fd.try_clone_to_owned().map_err(|source| Error::System { what, source })?;
    // Files and limits say no to this; the stream works all the same.
    let _ = rustix::pipe::fcntl_setpipe_size(&own, PIPE_BYTES);
    Ok(File::from(own))
}
