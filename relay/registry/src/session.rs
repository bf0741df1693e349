//! An end as a process: it says where its registry is, serves until its input ends, and reports what happened.
//!
//! The caller holds the end's standard input. The line `commit` there completes a sending end; the input's end without
//! that word, as when the caller dies, abandons it: nothing becomes visible.

use std::io::{self, BufRead, Write};
use std::path::Path;

use handoff_model::SpanKind;
use handoff_storage::{ServiceEndpoint, TransferSpan, monotonic_ns};
use serde::Serialize;

use crate::{Error, PullRegistry, PushRegistry, Settings, StoreKind};

/// The word that completes a sending end.
pub const COMMIT: &str = "commit";

/// What moved the bytes.
#[derive(Debug, Serialize)]
struct Client {
    name: &'static str,
    version: &'static str,
}

impl Default for Client {
    fn default() -> Self {
        Self { name: "handoff-relay", version: env!("CARGO_PKG_VERSION") }
    }
}

/// What happened, in the form that the other clients' reports have too.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    client: Client,
    /// Spans on the machine's monotonic clock.
    pub spans: Vec<TransferSpan>,
    /// Bytes of blobs that came or went.
    pub bytes: u64,
    /// Bytes of blobs that the store had already.
    pub reused_bytes: u64,
    /// Digest of the manifest or index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Digest of the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Digests of the uncompressed layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<String>>,
    /// Requests in flight at the end.
    pub concurrency: usize,
    /// Requests sent.
    pub requests: u64,
    /// Operations that were repeated.
    pub retries: u64,
    /// Connections opened.
    pub connections: u64,
    /// Why it failed, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the caller ended it before it was complete, and it had no failure of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abandoned: bool,
}

impl Report {
    fn span(&mut self, name: SpanKind, detail: &str, start_ns: u64, end_ns: u64, bytes: Option<u64>) {
        self.spans.push(TransferSpan { name, detail: detail.to_owned(), start_ns, end_ns, bytes });
    }

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

/// Which end, of what.
#[derive(Debug, Clone)]
pub struct Session {
    /// The name under which the image is sent.
    pub name: String,
    /// Where it is kept meanwhile.
    pub store: StoreKind,
    /// What the caller fixes.
    pub settings: Settings,
}

/// Network, hashing and copying: more threads than this only take cores from the engine.
///
/// # Errors
/// [`Error::System`] when threads cannot be started.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(cores.clamp(1, 4)).enable_all().build();
    built.map_err(|source| Error::System { what: "starting the runtime", source })
}

impl Session {
    /// A sending end, from start to commit. Never fails: the report says what happened.
    pub fn send(&self, said: impl Write) -> Report {
        self.run(said, async |session, report, said| {
            let start = monotonic_ns();
            let endpoint = ServiceEndpoint::from_env()?;
            let started = PushRegistry::start(session.store, endpoint, &session.name, &session.settings).await;
            let sender = match started {
                // Whoever asks for earlier images is content with one of this very name.
                Err(Error::Taken(name)) if session.settings.earlier.is_some() => {
                    return announce(said, &format!("sent={name}"));
                }
                started => started?,
            };
            announce(said, &format!("registry={}", sender.registry()))?;
            if session.settings.earlier.is_some() {
                announce(said, &format!("earlier={}", sender.earlier().unwrap_or_default()))?;
            }
            let opening = async {
                sender.ready().await?;
                report.span(SpanKind::Resolve, "relay: store opened", start, monotonic_ns(), None);
                Ok(())
            };
            let ((), told) = tokio::try_join!(opening, committed())?;
            if !told {
                return Err(sender.broken().map_or(Error::Abandoned, Error::Broken));
            }
            let sent = sender.commit(&session.name).await?;
            if let Some(first) = sent.first_byte_ns {
                let detail = format!("relay: {} blobs, {} lanes", sent.blobs, sent.concurrency);
                report.span(SpanKind::Upload, &detail, first, sent.uploaded_ns, Some(sent.received));
            }
            report.span(SpanKind::Resolve, "relay: committed", sent.uploaded_ns, monotonic_ns(), None);
            report.bytes = sent.received;
            report.reused_bytes = sent.reused;
            (report.index, report.config, report.layers) = (sent.digest, sent.config, sent.layers);
            (report.concurrency, report.requests) = (sent.concurrency, sent.requests);
            (report.retries, report.connections) = (sent.retries, sent.connections);
            Ok(())
        })
    }

    /// A receiving end, until the caller's end. Never fails: the report says what happened.
    pub fn receive(&self, said: impl Write) -> Report {
        self.run(said, async |session, report, said| {
            let start = monotonic_ns();
            let endpoint = ServiceEndpoint::from_env()?;
            let receiver = PullRegistry::start(session.store, endpoint, &session.name, &session.settings).await?;
            report.span(SpanKind::Resolve, "relay: table read", start, monotonic_ns(), None);
            announce(said, &format!("registry={}", receiver.registry()))?;
            committed().await?;
            let received = receiver.stop();
            if let Some((first, last)) = received.between_ns {
                let detail = format!("relay: {} lanes", received.concurrency);
                report.span(SpanKind::Download, &detail, first, last, Some(received.given));
            }
            report.bytes = received.given;
            (report.concurrency, report.requests) = (received.concurrency, received.requests);
            (report.retries, report.connections) = (received.retries, received.connections);
            received.broken.map_or(Ok(()), |broken| Err(Error::Broken(broken)))
        })
    }

    fn run<W: Write>(
        &self,
        mut said: W,
        work: impl AsyncFnOnce(&Self, &mut Report, &mut W) -> Result<(), Error>,
    ) -> Report {
        let mut report = Report::default();
        let result = runtime().and_then(|runtime| runtime.block_on(work(self, &mut report, &mut said)));
        report.abandoned = matches!(result, Err(Error::Abandoned));
        report.error = result.err().map(|e| e.to_string());
        report
    }
}

fn announce(said: &mut impl Write, line: &str) -> Result<(), Error> {
    let told = writeln!(said, "{line}").and_then(|()| said.flush());
    told.map_err(|source| Error::System { what: "writing to standard output", source })
}

/// Waits for the caller's word, or for the end of its words.
async fn committed() -> Result<bool, Error> {
    let (said, word) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be given up, and a runtime would wait for it.
    std::thread::spawn(move || {
        let word = io::stdin().lock().lines().map_while(Result::ok).next();
        let _ = said.send(word.is_some_and(|w| w.trim() == COMMIT));
    });
    word.await.map_err(|_| Error::Broken("nobody reads its input".to_owned()))
}
