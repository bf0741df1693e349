//! First container of an image, which proves that the image works and ends the consumer's clock.
//!
//! The probe is mounted as the entry point of an image that does not contain it, so that the image needs neither a shell nor
//! a user. The probe omits mounts from its digest.

use std::path::Path;
use std::time::Duration;

use handoff_docker::command;
use handoff_docker::write_back::WriteBackSampler;
use handoff_fixtures::PROBE_PATH;
use handoff_model::{Failure, SpanKind};
use handoff_strategies::Job;
use handoff_strategies::job::tail;

use crate::protocol::JobSpec;

/// Starts a container and returns the time of its first line, which ends the span. The container's end is awaited off the
/// span. Spans inside it show when the kernel wrote to the job's private disk.
pub fn first_answer(job: &Job, spec: &JobSpec) -> Result<u64, Failure> {
    let start = job.recorder.now_ns();
    let line = match &spec.probe {
        Some(probe) => with_probe(job, probe, &[], "answer"),
        None => vec![job.image.to_owned()],
    };
    let sampler = WriteBackSampler::start(&spec.disk());
    let (line, at) = run(job, "first-container", line)?;
    let expected = &spec.answer;
    job.recorder.record(SpanKind::Run, "docker run", start, at, None);
    let until = Duration::from_nanos(at - start);
    for write_back in sampler.map(|sampler| sampler.finish(until)).unwrap_or_default() {
        let [from, to] = [write_back.start, write_back.end].map(|time| start + time.as_nanos() as u64);
        job.recorder.record(SpanKind::WriteBack, "dirty pages", from, to, Some(write_back.bytes));
    }
    if line == *expected {
        Ok(at)
    } else {
        let error = format!("the container answered `{line}` instead of `{expected}`");
        Err(Failure::new(SpanKind::Run.as_str(), error))
    }
}

/// Content digest of the image's files and their total bytes, as the probe prints them in a container.
pub fn content_digest(job: &Job, spec: &JobSpec) -> Result<(String, Option<u64>), Failure> {
    let line = match &spec.probe {
        // Root can read every file, whatever user the image names.
        Some(probe) => with_probe(job, probe, &["--user=0:0"], "digest"),
        None => std::iter::once(job.image.to_owned()).chain(spec.digest_command.iter().cloned()).collect(),
    };
    let (text, _) = run(job, "content-digest", line)?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Failure::new("identity", format!("the probe printed no JSON: {e}: {text}")))?;
    let bytes = json.get("bytes").and_then(serde_json::Value::as_u64);
    let digest = json.get("content_digest").and_then(|d| d.as_str());
    digest
        .map(|digest| (digest.to_owned(), bytes))
        .ok_or_else(|| Failure::new("identity", format!("the probe printed no digest: {text}")))
}

/// Arguments of `docker run` that mount the probe as the image's entry point.
fn with_probe(job: &Job, probe: &Path, options: &[&str], verb: &str) -> Vec<String> {
    let mount = format!("type=bind,source={},target={PROBE_PATH},readonly", probe.display());
    let fixed = ["--no-healthcheck", "--mount", &mount, "--entrypoint", PROBE_PATH];
    fixed.iter().chain(options).chain(&[job.image, verb]).map(|w| (*w).to_owned()).collect()
}

/// Runs a container without a network. Returns its first line and the time of that line.
fn run(job: &Job, step: &str, line: Vec<String>) -> Result<(String, u64), Failure> {
    let failure = |e: &dyn std::fmt::Display| Failure::new(SpanKind::Run.as_str(), format!("{step}: {e}"));
    let mut log = job.log(step)?;
    let options = ["run", "--rm", "--network=none"].into_iter().map(str::to_owned).chain(job.engine.run_options());
    let error_log = log.try_clone().map_err(|e| failure(&e))?;
    let line = job.engine.docker(options.chain(line)).stderr_file(error_log);
    let (first, at, status) = command::first_answer(&line, || job.recorder.now_ns()).map_err(|e| failure(&e))?;
    if status.success() {
        Ok((first, at))
    } else {
        Err(failure(&format!("docker run ended with {status}: {}", tail(&mut log))))
    }
}
