//! Handle of a job: starts its process in new namespaces, sends requests, and proves that no process is left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::disk_check::DiskCheck;
use handoff_docker::namespace;
use handoff_machine::proc::{first_child, pid_namespace, processes_in};
use handoff_model::{DiskMeasurement, Failure, ImageIdentity, Outcome};

use crate::protocol::{EngineFacts, Event, Finished, JobSpec, Request};
use crate::{Cancel, RunError, timeouts};

/// Function that makes the command line of a job. Tests without root use no namespaces.
pub(crate) type Launch = fn(&Path, &[OsString]) -> (OsString, Vec<OsString>);

/// Phase of a job in which its role runs, under the plan's time limit.
const ROLE: &str = "job";

/// Running job.
#[derive(Debug)]
pub struct RemoteJob {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
    /// PID namespace of the job, which must be empty after the job.
    namespace: Option<String>,
}

/// Reason why a job did not give the expected answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// Failed trial, which becomes a row.
    Trial(Outcome, Failure),
    /// Error that ends the run.
    Run(RunError),
}

impl From<RunError> for NoAnswer {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl RemoteJob {
    /// Starts a job in new namespaces and waits until its engine answers.
    ///
    /// # Errors
    /// The process or the engine does not start in time, or the run is cancelled.
    pub fn start(spec: &JobSpec, handoff: &Path, cancel: &Cancel) -> Result<(Self, EngineFacts), NoAnswer> {
        Self::start_by(namespace::command, spec, handoff, cancel)
    }

    /// Starts a job by the command line of `launch`.
    pub(crate) fn start_by(
        launch: Launch,
        spec: &JobSpec,
        handoff: &Path,
        cancel: &Cancel,
    ) -> Result<(Self, EngineFacts), NoAnswer> {
        fs::create_dir_all(&spec.logs).map_err(RunError::io("create", &spec.logs))?;
        let file = spec.root.join("job.json");
        let json = serde_json::to_vec_pretty(spec).map_err(|e| RunError::Job(e.to_string()))?;
        // The file holds the job's token and build arguments: only this user may read it.
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        written.and_then(|mut f| f.write_all(&json)).map_err(RunError::io("write", &file))?;
        let log = spec.logs.join("job.log");
        let stderr = File::create(&log).map_err(RunError::io("create", &log))?;
        let (program, args) = launch(handoff, &["job".into(), file.into()]);
        let mut child = Command::new(&program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // In another process group, so that Ctrl-C in the terminal reaches the runner only.
            .process_group(0)
            .spawn()
            .map_err(RunError::io("start", &program))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| RunError::Job("it has no standard output".to_owned()))?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            // A broken pipe ends the channel, which ends every wait.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Other lines come from programs of the job.
                if line.starts_with('{') && sender.send(event(&line)).is_err() {
                    break;
                }
            }
        });
        let mut job = Self { child, stdin, events, namespace: None };
        match job.wait(timeouts::JOB_START, "engine", cancel)? {
            Event::Ready(facts) => {
                job.namespace = namespace_of_child(job.child.id());
                Ok((job, facts))
            }
            Event::Broken(error) => Err(NoAnswer::Run(RunError::Job(error))),
            other => Err(unexpected(&other)),
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), RunError> {
        let line = serde_json::to_string(request).map_err(|e| RunError::Job(format!("{request:?}: {e}")))?;
        let stdin = self.stdin.as_mut().ok_or_else(|| RunError::Job("its input is closed".to_owned()))?;
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).map_err(|e| RunError::Job(format!("it has ended: {e}")))
    }

    /// Sends a request and waits for the answer. A job that has ended fails the trial in the wait.
    fn ask(&mut self, request: &Request, limit: Duration, what: &str, cancel: &Cancel) -> Result<Event, NoAnswer> {
        let _ = self.send(request);
        self.wait(limit, what, cancel)
    }

    fn wait(&self, limit: Duration, what: &str, cancel: &Cancel) -> Result<Event, NoAnswer> {
        let deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(timeouts::CANCEL_POLL) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(NoAnswer::Trial(Outcome::Failed, Failure::new(what, "the job's process ended")));
                }
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(RunError::Cancelled.into()),
                Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                    let hint = if what == ROLE { " (--timeout sets the limit)" } else { "" };
                    let error = format!("no answer after {} s{hint}", limit.as_secs());
                    return Err(NoAnswer::Trial(Outcome::TimedOut, Failure::new(what, error)));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Runs the role on the job's clock.
    ///
    /// # Errors
    /// The job exceeds the limit or ends early, or the run is cancelled.
    pub fn run(&mut self, limit: Duration, cancel: &Cancel) -> Result<Finished, NoAnswer> {
        match self.ask(&Request::Start, limit, ROLE, cancel)? {
            Event::Finished(finished) => Ok(*finished),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes the job's dirty pages back, off the clock. Returns the bytes that reached the job's private disk since the
    /// clock started, if it has one.
    ///
    /// # Errors
    /// As for [`RemoteJob::run`].
    pub fn write_back(&mut self, cancel: &Cancel) -> Result<Option<u64>, NoAnswer> {
        match self.ask(&Request::WriteBack, timeouts::WRITE_BACK, "write-back", cancel)? {
            Event::WrittenBack(bytes) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    /// Identity of the job's image, read off the clock.
    ///
    /// # Errors
    /// As for [`RemoteJob::run`], and an image that cannot be identified.
    pub fn identify(&mut self, cancel: &Cancel) -> Result<ImageIdentity, NoAnswer> {
        match self.ask(&Request::Identify, timeouts::IDENTITY, "identity", cancel)? {
            Event::Identified(result) => result.map_err(|f| NoAnswer::Trial(Outcome::Failed, f)),
            other => Err(unexpected(&other)),
        }
    }

    /// Boots a builder from an image, off the clock. Returns its versions by name.
    ///
    /// # Errors
    /// As for [`RemoteJob::run`], and a builder that does not boot.
    pub fn try_builder(
        &mut self,
        image: &BuildkitImage,
        cancel: &Cancel,
    ) -> Result<BTreeMap<String, String>, NoAnswer> {
        match self.ask(&Request::TryBuilder(image.clone()), timeouts::BUILDER_CHECK, "builder", cancel)? {
            Event::Builder(result) => result.map_err(|f| NoAnswer::Trial(Outcome::Failed, f)),
            other => Err(unexpected(&other)),
        }
    }

    /// Measures the job's file system, off every clock.
    ///
    /// # Errors
    /// As for [`RemoteJob::run`].
    pub fn measure_disk(&mut self, cancel: &Cancel) -> Result<DiskMeasurement, NoAnswer> {
        match self.ask(&Request::MeasureDisk, timeouts::DISK_MEASUREMENT, "disk", cancel)? {
            Event::Disk(measurement) => Ok(measurement),
            other => Err(unexpected(&other)),
        }
    }

    /// Measures the rates of the job's private disk under its limit.
    ///
    /// # Errors
    /// As for [`RemoteJob::run`], and a disk that cannot be measured.
    pub fn check_disk(&mut self, cancel: &Cancel) -> Result<DiskCheck, NoAnswer> {
        match self.ask(&Request::CheckDisk, timeouts::DISK_CHECK, "disk", cancel)? {
            Event::CheckedDisk(result) => result.map_err(|f| NoAnswer::Trial(Outcome::Failed, f)),
            other => Err(unexpected(&other)),
        }
    }

    /// Stops the job and proves that none of its processes is left.
    ///
    /// # Errors
    /// A process outlives the job.
    pub fn stop(mut self) -> Result<(), RunError> {
        let sent = self.send(&Request::Stop);
        let deadline = Instant::now() + timeouts::JOB_STOP;
        while sent.is_ok() && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(timeouts::EXIT_POLL);
        }
        let namespace = self.namespace.take();
        drop(self);
        match namespace.map(|ns| processes_in(&ns)).filter(|pids| !pids.is_empty()) {
            Some(pids) => Err(RunError::Job(format!("processes {pids:?} outlived their job"))),
            None => Ok(()),
        }
    }
}

fn unexpected(event: &Event) -> NoAnswer {
    RunError::Job(format!("unexpected answer {event:?}")).into()
}

/// Event of a job's line. An unreadable line is a failure, because the runner would wait for it until the timeout.
fn event(line: &str) -> Event {
    serde_json::from_str(line).unwrap_or_else(|e| Event::Broken(format!("cannot read the job's answer `{line}`: {e}")))
}

impl Drop for RemoteJob {
    fn drop(&mut self) {
        // The end of its input ends the job's first process, which ends the namespace.
        drop(self.stdin.take());
        let deadline = Instant::now() + timeouts::JOB_KILL;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(timeouts::EXIT_POLL);
        }
    }
}

/// PID namespace of the child of `unshare`, if it differs from this process's.
fn namespace_of_child(unshare: u32) -> Option<String> {
    let namespace = pid_namespace(&first_child(unshare)?.to_string());
    namespace.filter(|ns| Some(ns) != pid_namespace("self").as_ref())
}

#[cfg(test)]
pub(crate) mod tests;
