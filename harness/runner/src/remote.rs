//! The runner's end of a job: starts it in namespaces of its own, speaks with it, and sees to it that it is gone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use handoff_docker::buildkit::BuildkitImage;
use handoff_docker::namespace;
use handoff_model::{DiskMeasurement, Failure, ImageIdentity, Outcome};

use crate::protocol::{Command, EngineFacts, Event, Finished, JobSpec};
use crate::{Cancel, RunError};

const START_LIMIT: Duration = Duration::from_mins(2);
/// Its image may have to be pulled first.
const PULL_LIMIT: Duration = Duration::from_mins(10);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const WRITE_BACK_LIMIT: Duration = Duration::from_mins(10);
/// The measurement takes seconds; a disk that hangs ends it.
const DISK_LIMIT: Duration = Duration::from_mins(2);
const IDENTIFY_LIMIT: Duration = Duration::from_mins(30);
/// How often a wait looks whether it was cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The command line that runs a program with arguments. Tests without root run it as it is.
pub(crate) type Launch = fn(&Path, &[OsString]) -> (OsString, Vec<OsString>);

/// A job that runs.
#[derive(Debug)]
pub struct RemoteJob {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
    /// Identifies the job's process namespace, to prove that nobody is left in it.
    namespace: Option<String>,
}

/// Why a job did not answer as it should.
#[derive(Debug)]
pub enum NoAnswer {
    /// The trial failed: a row.
    Trial(Outcome, Failure),
    /// The run ends.
    Run(RunError),
}

impl From<RunError> for NoAnswer {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl RemoteJob {
    /// Starts a job in namespaces of its own and waits until its engine answers.
    pub fn start(spec: &JobSpec, handoff: &Path, cancel: &Cancel) -> Result<(Self, EngineFacts), NoAnswer> {
        Self::start_by(namespace::command, spec, handoff, cancel)
    }

    /// Starts a job by the command line that `launch` makes of a program and its arguments.
    pub(crate) fn start_by(
        launch: Launch,
        spec: &JobSpec,
        handoff: &Path,
        cancel: &Cancel,
    ) -> Result<(Self, EngineFacts), NoAnswer> {
        fs::create_dir_all(&spec.logs).map_err(RunError::io("create", &spec.logs))?;
        let file = spec.root.join("job.json");
        let json = serde_json::to_vec_pretty(spec).map_err(|e| RunError::Job(e.to_string()))?;
        // It holds the job's token and the values of build arguments: for this user alone.
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        written.and_then(|mut f| f.write_all(&json)).map_err(RunError::io("write", &file))?;
        let log = spec.logs.join("job.log");
        let stderr = File::create(&log).map_err(RunError::io("create", &log))?;
        let (program, args) = launch(handoff, &["job".into(), file.into()]);
        let mut child = Process::new(&program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // A group of its own: Ctrl-C in the terminal is the runner's to handle, not the job's.
            .process_group(0)
            .spawn()
            .map_err(RunError::io("start", &program))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or_else(|| RunError::Job("no output".to_owned()))?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            // A pipe that breaks is the end of the job: whoever waits sees that.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // What a program of the job prints is none of its answers.
                if line.starts_with('{') && sender.send(event(&line)).is_err() {
                    break;
                }
            }
        });
        let mut job = Self { child, stdin, events, namespace: None };
        match job.wait(START_LIMIT, "engine", cancel)? {
            Event::Ready(facts) => {
                job.namespace = namespace_of_child(job.child.id());
                Ok((job, facts))
            }
            Event::Broken(error) => Err(NoAnswer::Run(RunError::Job(error))),
            other => Err(unexpected(&other)),
        }
    }

    fn say(&mut self, command: &Command) -> Result<(), RunError> {
        let line = serde_json::to_string(command).map_err(|e| RunError::Job(format!("{command:?}: {e}")))?;
        let stdin = self.stdin.as_mut().ok_or_else(|| RunError::Job("it was told to stop".to_owned()))?;
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).map_err(|e| RunError::Job(format!("it is gone: {e}")))
    }

    /// Says a command and waits for its answer. A job that is gone takes no command, and the wait says so: it fails the trial, as
    /// a job does that ends a moment later.
    fn ask(&mut self, command: &Command, limit: Duration, what: &str, cancel: &Cancel) -> Result<Event, NoAnswer> {
        let _ = self.say(command);
        self.wait(limit, what, cancel)
    }

    fn wait(&self, limit: Duration, what: &str, cancel: &Cancel) -> Result<Event, NoAnswer> {
        let deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(POLL_INTERVAL) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(NoAnswer::Trial(Outcome::Failed, Failure::new(what, "the job's process ended")));
                }
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(RunError::Cancelled.into()),
                Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                    let error = format!("no end after {} s (--timeout sets the limit)", limit.as_secs());
                    return Err(NoAnswer::Trial(Outcome::TimedOut, Failure::new(what, error)));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Runs the side: the clock is the job's.
    pub fn run(&mut self, limit: Duration, cancel: &Cancel) -> Result<Finished, NoAnswer> {
        match self.ask(&Command::Start, limit, "job", cancel)? {
            Event::Finished(finished) => Ok(*finished),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the job's pages written back, off the clock; returns the bytes that have reached its disk since its clock started,
    /// if it has one of its own.
    pub fn write_back(&mut self, cancel: &Cancel) -> Result<Option<u64>, NoAnswer> {
        match self.ask(&Command::WriteBack, WRITE_BACK_LIMIT, "write-back", cancel)? {
            Event::WrittenBack(bytes) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    /// Looks at the image, off the clock.
    pub fn identify(&mut self, cancel: &Cancel) -> Result<ImageIdentity, NoAnswer> {
        match self.ask(&Command::Identify, IDENTIFY_LIMIT, "identity", cancel)? {
            Event::Identified(result) => result.map_err(|f| NoAnswer::Trial(Outcome::Failed, f)),
            other => Err(unexpected(&other)),
        }
    }

    /// Boots a builder from an image, off the clock; returns what it says of itself.
    pub fn try_builder(
        &mut self,
        image: &BuildkitImage,
        cancel: &Cancel,
    ) -> Result<BTreeMap<String, String>, NoAnswer> {
        match self.ask(&Command::TryBuilder(image.clone()), PULL_LIMIT, "builder", cancel)? {
            Event::Builder(result) => result.map_err(|f| NoAnswer::Trial(Outcome::Failed, f)),
            other => Err(unexpected(&other)),
        }
    }

    /// Measures the job's file system, off every clock.
    pub fn measure_disk(&mut self, cancel: &Cancel) -> Result<DiskMeasurement, NoAnswer> {
        match self.ask(&Command::MeasureDisk, DISK_LIMIT, "disk", cancel)? {
            Event::Disk(measurement) => Ok(measurement),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the job in good order, and proves that no process of it is left.
    pub fn stop(mut self) -> Result<(), RunError> {
        let told = self.say(&Command::Stop);
        let deadline = Instant::now() + STOP_LIMIT;
        while told.is_ok() && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        let namespace = self.namespace.take();
        drop(self);
        match namespace.map(|ns| inhabitants(&ns)).filter(|pids| !pids.is_empty()) {
            Some(pids) => Err(RunError::Job(format!("processes {pids:?} outlived their job"))),
            None => Ok(()),
        }
    }
}

fn unexpected(event: &Event) -> NoAnswer {
    RunError::Job(format!("unexpected answer {event:?}")).into()
}

/// A job's line. One that does not read is an answer, too: left out, it would be waited for until the time limit.
fn event(line: &str) -> Event {
    serde_json::from_str(line).unwrap_or_else(|e| Event::Broken(format!("the job's line `{line}` does not read: {e}")))
}

impl Drop for RemoteJob {
    fn drop(&mut self) {
        // The end of its input ends the job's first process, that ends its namespace.
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The process namespace in which the child of `unshare` lives, if it is not this process's own.
fn namespace_of_child(unshare: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let child = namespace(children.split_whitespace().next()?)?;
    (Some(&child) != namespace("self").as_ref()).then(|| child.display().to_string())
}

/// The processes that live in a process namespace.
fn inhabitants(namespace: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids =
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let lives = |pid: &String| {
        fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|ns| ns.display().to_string() == namespace)
    };
    pids.filter(lives).collect()
}

#[cfg(test)]
pub(crate) mod tests;
