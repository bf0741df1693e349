//! Tests with jobs that are shell scripts: they speak the protocol and run no engine.

use std::path::PathBuf;

use handoff_model::{Conditions, RoleUsage, StrategySpec, Ticket};
use tempfile::TempDir;

use super::*;
use crate::protocol::ToolPaths;

/// Job that answers from files: `NAME.EVENT` for the job of that name, else `EVENT`. `NAME.dies` ends a job after its first
/// answer. The files `started`, `stopped` and `ended` list jobs, one name a line.
const SCRIPT: &str = r#"
dir=$(dirname "$0") name=$(basename "$(dirname "$2")")
name=${name#*-}
answer() { cat "$dir/$name.$1" 2>/dev/null || cat "$dir/$1"; }
echo "$name" >> "$dir/started"
answer ready
while read -r line; do
    case $line in
    '"start"') answer finished ;;
    '"write_back"') answer written_back ;;
    '"identify"') answer identified ;;
    '"stop"') echo "$name" >> "$dir/stopped"; exit ;;
    esac
    if [ -e "$dir/$name.dies" ]; then exit 1; fi
done
echo "$name" >> "$dir/ended"
"#;

/// Jobs with answers chosen by a test.
pub(crate) struct FakeJobs {
    pub(crate) dir: TempDir,
}

impl FakeJobs {
    /// Jobs that start, without an answer for their role.
    pub(crate) fn new() -> Self {
        let jobs = Self { dir: tempfile::tempdir().unwrap() };
        jobs.write("handoff", SCRIPT);
        jobs.answer("ready", &Event::Ready(EngineFacts::default()));
        jobs.answer("written_back", &Event::WrittenBack(None));
        jobs
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    pub(crate) fn answer(&self, file: &str, event: &Event) {
        self.write(file, &format!("{}\n", serde_json::to_string(event).unwrap()));
    }

    /// Names in one of the files that jobs write.
    pub(crate) fn names(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn tools(&self) -> ToolPaths {
        let none = PathBuf::new;
        ToolPaths {
            node: none(),
            clients: none(),
            zstd: none(),
            handoff: self.dir.path().join("handoff"),
            relay: none(),
        }
    }

    /// Runs a job's script without namespaces.
    pub(crate) fn launch(program: &Path, args: &[OsString]) -> (OsString, Vec<OsString>) {
        let script = program.as_os_str().to_owned();
        ("sh".into(), [vec![script], args.to_vec()].concat())
    }

    fn start(&self) -> Result<RemoteJob, NoAnswer> {
        let root = self.dir.path().join("0-job");
        fs::create_dir_all(&root).unwrap();
        let tools = self.tools();
        let strategy = StrategySpec::plain("rebuild");
        let spec = JobSpec::new("0-job", &root, strategy, Conditions::default(), &tools, None);
        RemoteJob::start_by(Self::launch, &spec, &tools.handoff, &Cancel::default()).map(|(job, _)| job)
    }
}

/// Role that took `wall_ns` and has no spans.
pub(crate) fn finished(wall_ns: u64) -> Finished {
    Finished {
        failure: None,
        wall_ns,
        spans: Vec::new(),
        usage: RoleUsage::default(),
        facts: BTreeMap::new(),
        steps: None,
        built_earlier: false,
        ticket: Ticket::default(),
    }
}

const LONG: Duration = Duration::from_mins(2);

fn trial_error<T: std::fmt::Debug>(result: Result<T, NoAnswer>) -> (Outcome, String) {
    match result.unwrap_err() {
        NoAnswer::Trial(outcome, failure) => (outcome, format!("{}: {}", failure.span, failure.error)),
        NoAnswer::Run(error) => panic!("it ends the run: {error}"),
    }
}

fn run_error<T: std::fmt::Debug>(result: Result<T, NoAnswer>) -> String {
    match result.unwrap_err() {
        NoAnswer::Run(error) => error.to_string(),
        NoAnswer::Trial(_, failure) => panic!("it ends the trial: {failure:?}"),
    }
}

#[test]
fn lines_of_a_job_s_programs_are_no_answers() {
    let jobs = FakeJobs::new();
    let line = serde_json::to_string(&Event::Finished(Box::new(finished(7)))).unwrap();
    jobs.write("finished", &format!("hello\n#1 [internal] load\n\n{line}\n"));
    jobs.answer("written_back", &Event::WrittenBack(Some(5)));
    let mut job = jobs.start().unwrap();
    assert_eq!(job.run(LONG, &Cancel::default()).unwrap().wall_ns, 7);
    assert_eq!(job.write_back(&Cancel::default()).unwrap(), Some(5));
    job.stop().unwrap();
    assert_eq!((jobs.names("stopped"), jobs.names("ended")), (vec!["job".to_owned()], vec![]));
}

#[test]
fn dropped_job_ends_with_its_input() {
    let jobs = FakeJobs::new();
    drop(jobs.start().unwrap());
    assert_eq!((jobs.names("stopped"), jobs.names("ended")), (vec![], vec!["job".to_owned()]));
}

#[test]
fn unexpected_answer_ends_the_run() {
    let jobs = FakeJobs::new();
    jobs.answer("finished", &Event::WrittenBack(None));
    let mut job = jobs.start().unwrap();
    let error = run_error(job.run(LONG, &Cancel::default()));
    assert!(error.starts_with("job: unexpected answer WrittenBack(None); "), "{error}");
    jobs.answer("ready", &Event::WrittenBack(None));
    assert!(run_error(jobs.start()).contains("unexpected answer"));
}

#[test]
fn unreadable_answer_ends_the_run_with_the_line() {
    let jobs = FakeJobs::new();
    jobs.write("finished", "{\"finished\":{}}\n");
    let error = run_error(jobs.start().unwrap().run(LONG, &Cancel::default()));
    assert!(error.contains("cannot read the job's answer `{\\\"finished\\\":{}}`: missing field"), "{error}");
}

#[test]
fn engine_that_does_not_start_ends_the_run_with_its_reason() {
    let jobs = FakeJobs::new();
    jobs.answer("ready", &Event::Broken("dockerd ended".into()));
    assert!(run_error(jobs.start()).starts_with("job: dockerd ended; "));
}

#[test]
fn job_that_dies_fails_the_trial_with_its_phase() {
    let jobs = FakeJobs::new();
    jobs.write("finished", "");
    jobs.write("job.dies", "");
    let role = jobs.start().unwrap().run(LONG, &Cancel::default());
    assert_eq!(trial_error(role), (Outcome::Failed, "job: the job's process ended".into()));
    let mut job = jobs.start().unwrap();
    jobs.answer("finished", &Event::Finished(Box::new(finished(7))));
    job.run(LONG, &Cancel::default()).unwrap();
    job.child.wait().unwrap();
    assert_eq!(trial_error(job.identify(&Cancel::default())).1, "identity: the job's process ended");
    jobs.write("handoff", "exit 1");
    assert_eq!(trial_error(jobs.start()), (Outcome::Failed, "engine: the job's process ended".into()));
}

#[test]
fn job_without_an_answer_times_the_trial_out() {
    let jobs = FakeJobs::new();
    jobs.write("finished", "");
    let role = jobs.start().unwrap().run(Duration::ZERO, &Cancel::default());
    assert_eq!(trial_error(role), (Outcome::TimedOut, "job: no answer after 0 s (--timeout sets the limit)".into()));
}

#[test]
fn cancelled_wait_ends_the_run() {
    let jobs = FakeJobs::new();
    jobs.write("finished", "");
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(run_error(jobs.start().unwrap().run(LONG, &cancel)).starts_with("cancelled"));
}
