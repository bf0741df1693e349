//! The first container of an image: it proves that the image can be used, and ends the consumer's clock.

use std::io::{BufRead, BufReader, Read, pipe};

use handoff_model::{Failure, SpanKind};
use handoff_strategies::Job;
use handoff_strategies::job::tail;

/// Starts a container and waits for its first line. The span ends with that line; the container's end is awaited after.
pub fn first_answer(job: &Job, expected: &str) -> Result<u64, Failure> {
    let start = job.recorder.now_ns();
    let (line, at) = run(job, "first-container", &[])?;
    job.recorder.record(SpanKind::Run, "docker run", start, at, None);
    if line.trim() == expected {
        Ok(at)
    } else {
        Err(Failure::new(SpanKind::Run.as_str(), format!("the container answered `{}`, not `{expected}`", line.trim())))
    }
}

/// The content digest of the image's tree, printed by the probe in a container.
pub fn content_digest(job: &Job, command: &[String]) -> Result<String, Failure> {
    let (text, _) = run(job, "content-digest", command)?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Failure::new("identity", format!("the probe printed no JSON: {e}: {}", text.trim())))?;
    let digest = json.get("content_digest").and_then(|d| d.as_str());
    digest
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("identity", format!("the probe printed no digest: {}", text.trim())))
}

/// Runs a container without a network, and returns its first line and when it came.
fn run(job: &Job, step: &str, command: &[String]) -> Result<(String, u64), Failure> {
    let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Run.as_str(), format!("{step}: {e}"));
    let mut log = job.log(step)?;
    let (reader, writer) = pipe().map_err(|e| failure(&e))?;
    let options = ["run", "--rm", "--network=none"].into_iter().map(str::to_owned).chain(job.engine.run_options());
    let image = std::iter::once(job.image.to_owned());
    let line = job.engine.docker(options.chain(image).chain(command.iter().cloned()));
    let error_log = log.try_clone().map_err(|e| failure(&e))?;
    // The expression holds the pipe's writing end: it must be gone before the reader can see the end.
    let handle = {
        let line = line.stdin_null().stdout_file(writer).stderr_file(error_log).unchecked();
        line.start().map_err(|e| failure(&e))?
    };
    let mut reader = BufReader::new(reader);
    let mut first = String::new();
    reader.read_line(&mut first).map_err(|e| failure(&e))?;
    let at = job.recorder.now_ns();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).map_err(|e| failure(&e))?;
    let status = handle.wait().map_err(|e| failure(&e))?.status;
    if status.success() {
        Ok((first, at))
    } else {
        Err(failure(&format!("docker run ended with {status}: {}", tail(&mut log))))
    }
}
