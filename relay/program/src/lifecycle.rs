//! Course of a command: its runtime, Ctrl-C, and the files that tell how it ended.

use std::time::{Duration, Instant};

use handoff_registry::session;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Files;
use crate::outputs::{End, append};
use crate::report::Report;
use crate::{Command, Error, print};

/// Time for requests that are in flight when a command ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a command to its end, to Ctrl-C or to SIGTERM, and writes its files: also after a failure.
///
/// What the command holds is dropped before the files are written: temporary names of images and running clients of docker.
pub(crate) fn run(
    command: Command,
    name: &str,
    files: &Files,
    work: impl AsyncFnOnce(&mut Report) -> Result<(), Error>,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut report = Report::new();
    let outputs = files.outputs();
    let result = files.check().and_then(|()| block_on(work(&mut report)));
    if let Err(error) = &result {
        report.abandoned = matches!(error, Error::Cancelled);
        report.error = Some(error.line());
    }
    let end =
        End { command, name, report: &report, error: result.as_ref().err(), seconds: started.elapsed().as_secs_f64() };
    let mut written = Vec::new();
    if let Some(path) = &outputs {
        written.push(append("GITHUB_OUTPUT", path, &end.outputs()));
    }
    if let Some(path) = &files.summary {
        written.push(append("--summary", path, &end.summary()));
    }
    if let Some(path) = files.report.as_deref().filter(|_| !matches!(&result, Err(Error::BadInput(_)))) {
        written.push(report.write(path).map_err(|e| {
            Error::Failed(format!("cannot write {} (--report): {e}{}", path.display(), handoff_model::io_fix(&e)))
        }));
    }
    // The command's own failure is the more important one.
    result.and_then(|()| written.into_iter().collect())
}

fn block_on(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    handoff_storage::on_silence(print::talk);
    let runtime = session::runtime()?;
    let result = runtime.block_on(async {
        let listen = |kind| {
            signal(kind).map_err(|source| handoff_registry::Error::System { what: "listening for signals", source })
        };
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        tokio::select! {
            biased;
            _ = interrupt.recv() => Err(Error::Cancelled),
            _ = terminate.recv() => Err(Error::Cancelled),
            result = work => result,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}
