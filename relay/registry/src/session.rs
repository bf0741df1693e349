//! Sender or receiver as a process: prints its registry's address, serves until its input ends, writes a report.
//!
//! The caller holds the standard input of the process. The line `commit` completes a sender. An input that ends without
//! this line, for example because the caller died, abandons the sender: nothing becomes visible.

use std::io::{self, BufRead, Write};
use std::path::Path;

use handoff_model::SpanKind;
use handoff_storage::stream::{ClientName, write_report};
use handoff_storage::{COMMIT, ServiceEndpoint, Traffic, TransferSpan, monotonic_ns};
use serde::Serialize;

use crate::{Error, PullRegistry, PushRegistry, Settings, StoreKind};

/// Report of a transfer, with the fields of the other clients' reports.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    client: ClientName,
    /// Spans on the machine's monotonic clock.
    pub spans: Vec<TransferSpan>,
    /// Bytes of blobs that a sender received or a receiver delivered.
    pub bytes: u64,
    /// Bytes of blobs that were already in the store.
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
    /// Counts of requests.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Reason of the failure, one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the caller abandoned the transfer before any other failure.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abandoned: bool,
}

impl Report {
    fn span(&mut self, name: SpanKind, detail: &str, start_ns: u64, end_ns: u64, bytes: Option<u64>) {
        self.spans.push(TransferSpan { name, detail: detail.to_owned(), start_ns, end_ns, bytes });
    }

    /// Writes the report as JSON, atomically.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_report(path, self)
    }
}

/// Configuration of a sender or receiver process.
#[derive(Debug, Clone)]
pub struct Session {
    /// Name of the relayed image.
    pub name: String,
    /// Service that stores the image between the jobs.
    pub store: StoreKind,
    /// Settings of the registry.
    pub settings: Settings,
}

/// Starts the runtime of a sender or receiver: at most 4 threads, because the engine needs the other cores.
///
/// # Errors
/// [`Error::System`] when threads cannot be started.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(cores.clamp(1, 4)).enable_all().build();
    built.map_err(|source| Error::System { what: "starting the runtime", source })
}

impl Session {
    /// Runs a sender from start to commit. Failures are in the report.
    pub fn send(&self, out: impl Write) -> Report {
        self.run(out, async |session, report, out| {
            let start = monotonic_ns();
            let endpoint = ServiceEndpoint::from_env()?;
            let started = PushRegistry::start(session.store, endpoint, &session.name, &session.settings).await;
            let sender = match started {
                // A caller that asks for earlier images accepts one of this very name.
                Err(Error::Taken(name)) if session.settings.earlier.is_some() => {
                    return print_line(out, &format!("sent={name}"));
                }
                started => started?,
            };
            print_line(out, &format!("registry={}", sender.registry()))?;
            if session.settings.earlier.is_some() {
                print_line(out, &format!("earlier={}", sender.earlier().unwrap_or_default()))?;
            }
            let opening = async {
                sender.ready().await?;
                report.span(SpanKind::Resolve, "relay: store opened", start, monotonic_ns(), None);
                Ok(())
            };
            let ((), commit_requested) = tokio::try_join!(opening, wait_for_commit())?;
            if !commit_requested {
                return Err(sender.broken().map_or(Error::Abandoned, Error::Broken));
            }
            // The caller pushes one image. What it has no tag for, receivers find by digest.
            let last = sender.tags().pop();
            let references: Vec<_> = last.iter().map(|tag| (session.name.as_str(), tag.as_str())).collect();
            let sent = sender.commit(&references).await?;
            if let Some(first) = sent.first_byte_ns {
                let detail = format!("relay: {} blobs, {} lanes", sent.blobs, sent.concurrency);
                report.span(SpanKind::Upload, &detail, first, sent.uploaded_ns, Some(sent.uploaded));
            }
            report.span(SpanKind::Resolve, "relay: committed", sent.uploaded_ns, monotonic_ns(), None);
            report.bytes = sent.received;
            report.reused_bytes = sent.reused;
            (report.index, report.config, report.layers) = (sent.digest, sent.config, sent.layers);
            (report.concurrency, report.traffic) = (sent.concurrency, sent.traffic);
            Ok(())
        })
    }

    /// Runs a receiver until the input ends. Failures are in the report.
    pub fn receive(&self, out: impl Write) -> Report {
        self.run(out, async |session, report, out| {
            let start = monotonic_ns();
            let endpoint = ServiceEndpoint::from_env()?;
            let receiver = PullRegistry::start(session.store, endpoint, &session.name, &session.settings).await?;
            report.span(SpanKind::Resolve, "relay: table read", start, monotonic_ns(), None);
            print_line(out, &format!("registry={}", receiver.registry()))?;
            wait_for_commit().await?;
            let received = receiver.stop();
            if let Some((first, last)) = received.between_ns {
                let detail = format!("relay: {} lanes", received.concurrency);
                report.span(SpanKind::Download, &detail, first, last, Some(received.given));
            }
            report.bytes = received.given;
            (report.concurrency, report.traffic) = (received.concurrency, received.traffic);
            received.broken.map_or(Ok(()), |broken| Err(Error::Broken(broken)))
        })
    }

    fn run<W: Write>(
        &self,
        mut out: W,
        work: impl AsyncFnOnce(&Self, &mut Report, &mut W) -> Result<(), Error>,
    ) -> Report {
        let mut report = Report { client: ClientName::ours("handoff-relay"), ..Report::default() };
        let result = runtime().and_then(|runtime| runtime.block_on(work(self, &mut report, &mut out)));
        report.abandoned = matches!(result, Err(Error::Abandoned));
        report.error = result.err().map(|e| e.to_string());
        report
    }
}

fn print_line(out: &mut impl Write, line: &str) -> Result<(), Error> {
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|source| Error::System { what: "writing to standard output", source })
}

/// Waits for the first line or the end of standard input: true for `commit`.
async fn wait_for_commit() -> Result<bool, Error> {
    let (sender, word) = tokio::sync::oneshot::channel();
    // On a thread outside the runtime: a read of standard input cannot be cancelled, and the runtime would wait for it.
    std::thread::spawn(move || {
        let word = io::stdin().lock().lines().map_while(Result::ok).next();
        let _ = sender.send(word.is_some_and(|w| w.trim() == COMMIT));
    });
    word.await.map_err(|_| Error::Broken("the thread that reads standard input ended: run it again".to_owned()))
}
