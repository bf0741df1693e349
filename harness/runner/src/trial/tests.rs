//! Tests of a trial with jobs and a service that are shell scripts: nothing is built or moved.

use std::process::Command;

use handoff_model::{ByteSize, Conditions, Plan, PlanRequest, Span, SpanKind, StrategySpec};
use handoff_strategies::recorder::CLIENT;

use super::*;
use crate::protocol::{Event, Finished};
use crate::remote::tests::{FakeJobs, finished};

/// Process of a service. The file `requests` records every request, and the file `counters` holds the answer. With a file
/// `goes-on`, each look at the counters shows one more request.
const SERVICE: &str = r#"
dir=$(dirname "$0") number=0
echo '{"ready":{"url":"http://127.0.0.1:1/","addr":"127.0.0.1:1"}}'
while read -r line; do
    echo "$line" >> "$dir/requests"
    number=$((number + 1))
    case $line in
    *'"mint"'*) echo "{\"ok\":\"token-$number\"}" ;;
    *'"revoke"'*) echo '{"ok":true}' ;;
    *'"counters"'*) if [ -e "$dir/goes-on" ]; then echo "{\"ok\":{\"requests\":$number}}"; else cat "$dir/counters"; fi ;;
    *'"log"'*) echo '{"ok":[]}' ;;
    *'"usage"'*) echo '{"ok":{"cpu_ns":1,"peak_rss_bytes":1}}' ;;
    *) echo '{"ok":null}' ;;
    esac
done
"#;

struct TrialFixture {
    jobs: FakeJobs,
    trial: Trial,
    phases: Vec<TrialPhase>,
    timeout: Duration,
}

impl TrialFixture {
    /// Trial whose roles all succeed: the producer in 10 ns, consumers in 5 ns, each with one span.
    fn new(strategy: &str, consumers: u32, consumer_concurrency: u32) -> Self {
        let request = PlanRequest {
            sizes: vec![ByteSize(16 << 20)],
            strategies: vec![StrategySpec::plain(strategy)],
            workloads: vec!["typical".into()],
            rounds: 1,
            conditions: vec![Conditions { consumers, consumer_concurrency, ..Conditions::default() }],
            control: false,
            timeout_s: 60,
            seed: 1,
            run_id: "run".into(),
            user_image: None,
            blocks: Vec::new(),
            exclude: Vec::new(),
            matrix: None,
            compare: handoff_model::Compare::default(),
            purpose: handoff_model::Purpose::default(),
        };
        let trial = Plan::new(request).unwrap().trials.remove(0);
        let jobs = FakeJobs::new();
        jobs.write("service", SERVICE);
        jobs.write("counters", "{\"ok\":{\"requests\":3,\"bytes_up\":100,\"stored_bytes\":70}}\n");
        let fixture = Self { jobs, trial, phases: Vec::new(), timeout: Duration::from_mins(2) };
        fixture.finishes("finished", 5, None);
        fixture.finishes("producer.finished", 10, None);
        fixture.identified("identified", fixture.image());
        fixture
    }

    /// Sets the result of a role.
    fn finishes(&self, file: &str, wall_ns: u64, failure: Option<Failure>) {
        let span = Span { kind: SpanKind::Build, detail: String::new(), start_ns: 0, end_ns: wall_ns, bytes: None };
        let facts = [(CLIENT.to_owned(), "client 1".to_owned())].into();
        let finished = Finished { failure, spans: vec![span], facts, ..finished(wall_ns) };
        self.jobs.answer(file, &Event::Finished(Box::new(finished)));
    }

    fn identified(&self, file: &str, image: ImageIdentity) {
        self.jobs.answer(file, &Event::Identified(Ok(image)));
    }

    /// Identity of the trial's image.
    fn image(&self) -> ImageIdentity {
        let content = ImageSource::of(&self.trial, None, 1).unwrap().content_digest().unwrap();
        let digest = |text: &str| Some(format!("sha256:{text}"));
        let layers = digest("l").map(|layer| vec![layer]);
        ImageIdentity { index: digest("i"), config: digest("c"), layers, content, ..ImageIdentity::default() }
    }

    fn run(&mut self, cancel: &Cancel) -> Result<TrialRows, RunError> {
        let dir = self.jobs.dir.path();
        let mut workspace = Workspace::create(&dir.join("lock"), dir, "run").unwrap();
        let mut service = Command::new("sh");
        service.arg(dir.join("service"));
        let mut context = RunContext {
            workspace: &mut workspace,
            service: &Client::spawn(service).unwrap(),
            tools: &self.jobs.tools(),
            buildkit: None,
            host_daemon: None,
            environment: "e",
            timeout: self.timeout,
            seed: 1,
            cores: 8,
            user_image: None,
            image_tar: None,
            cancel,
            launch: FakeJobs::launch,
            wait_for_writeback: || 1,
        };
        run(&mut context, &self.trial, dir.join("logs"), &mut |phase| self.phases.push(phase))
    }

    /// Runs a trial that must fail. Returns its rows, outcome and error.
    fn failed(&mut self) -> (TrialRows, Outcome, String) {
        let record = self.run(&Cancel::default()).unwrap();
        let row = record.measurement.clone();
        assert_eq!((row.produce_ns, row.consume_ns, row.critical_path_ns, row.bytes_up), (None, None, None, None));
        assert!(record.consumers.is_empty(), "a failed trial has no row of a consumer");
        let why = format!("{}: {}", row.failed_span, row.error);
        (record, row.outcome, why)
    }

    fn requests(&self, kind: &str) -> usize {
        let begins = format!("{{\"{kind}\"");
        self.jobs.names("requests").iter().filter(|line| line.starts_with(&begins)).count()
    }

    /// Asserts that every token is revoked, every folder removed, and the service purged.
    fn assert_clean(&self) {
        let jobs = self.jobs.names("started").len();
        assert!(self.requests("revoke") >= jobs && self.requests("mint") == jobs);
        assert_eq!(self.requests("purge"), 1);
        assert!(!self.jobs.dir.path().join("run").exists());
    }
}

fn span_consumers(record: &TrialRows) -> Vec<Option<u32>> {
    record.spans.iter().map(|span| span.consumer).collect()
}

#[test]
fn completed_trial_joins_the_clocks_and_counters_of_its_jobs() {
    let mut fixture = TrialFixture::new("artifact", 3, 2);
    fixture.finishes("consumer-2.finished", 6, None);
    let record = fixture.run(&Cancel::default()).unwrap();
    let row = record.measurement.clone();
    assert_eq!(row.outcome, Outcome::Completed, "{} {}", row.failed_span, row.error);
    assert_eq!((row.produce_ns, row.consume_ns, row.critical_path_ns), (Some(10), Some(6), Some(16)));
    assert_eq!((row.runner_ns, row.bytes_up, row.bytes_stored), (Some(26), Some(400), Some(70)));
    assert_eq!((row.content_equal, row.layers_equal, row.client.as_str()), (Some(true), Some(true), "client 1"));
    let clocks: Vec<_> = record.consumers.iter().map(|row| (row.consumer, row.consume_ns)).collect();
    assert_eq!(clocks, [(1, 5), (2, 6), (3, 5)]);
    assert_eq!(span_consumers(&record), [None, Some(1), Some(2), Some(3)]);
    let [producer, two, one] = &fixture.phases[..] else { panic!("{:?}", fixture.phases) };
    assert_eq!((*producer, two.to_string()), (TrialPhase::Producer, "consumers 1 to 2 of 3".to_owned()));
    assert_eq!(one.to_string(), "consumer 3 of 3");
    assert_eq!(fixture.jobs.names("stopped").len(), 4, "every job ends in good order");
    fixture.assert_clean();
}

#[test]
fn strategy_without_a_producer_runs_its_consumers_only() {
    let mut fixture = TrialFixture::new("rebuild", 1, 1);
    let row = fixture.run(&Cancel::default()).unwrap().measurement;
    assert_eq!((row.outcome, row.produce_ns, row.critical_path_ns), (Outcome::Completed, None, Some(5)));
    assert_eq!((row.content_equal, row.layers_equal), (Some(true), None), "only the content is known beforehand");
    assert_eq!(fixture.jobs.names("started"), ["consumer-1"]);
}

#[test]
fn failed_producer_starts_no_consumer() {
    let mut fixture = TrialFixture::new("artifact", 2, 2);
    fixture.finishes("producer.finished", 10, Some(Failure::new("export", "no space")));
    let (record, outcome, why) = fixture.failed();
    assert_eq!((outcome, why.as_str()), (Outcome::Failed, "export: no space"));
    assert_eq!((span_consumers(&record), fixture.phases.as_slice()), (vec![None], &[TrialPhase::Producer][..]));
    assert_eq!((fixture.jobs.names("started"), fixture.jobs.names("stopped").len()), (vec!["producer".to_owned()], 1));
    fixture.assert_clean();
}

#[test]
fn failure_of_one_consumer_fails_the_trial_and_keeps_the_spans_of_all() {
    for at_once in [1, 3] {
        let mut fixture = TrialFixture::new("artifact", 3, at_once);
        fixture.finishes("consumer-2.finished", 5, Some(Failure::new("load", "bad tar")));
        let (record, outcome, why) = fixture.failed();
        assert_eq!((outcome, why.as_str()), (Outcome::Failed, "load: bad tar"));
        let ran = if at_once == 3 { 4 } else { 3 };
        assert_eq!((record.spans.len(), fixture.jobs.names("started").len()), (ran, ran));
        fixture.assert_clean();
    }
}

#[test]
fn consumer_with_another_image_fails_the_trial() {
    let mut fixture = TrialFixture::new("artifact", 3, 3);
    fixture.identified("consumer-2.identified", ImageIdentity { content: Some("other".into()), ..fixture.image() });
    let (record, outcome, why) = fixture.failed();
    assert_eq!((outcome, why.as_str()), (Outcome::Failed, "identity: content not proven equal"));
    let check = &record.measurement;
    assert_eq!(
        (check.content_equal, check.layers_equal),
        (Some(false), Some(true)),
        "the row shows the failed comparison"
    );
    fixture.assert_clean();
}

#[test]
fn unknown_layers_fail_only_strategies_that_move_the_image() {
    let without = |fixture: &TrialFixture| ImageIdentity {
        layers: None,
        notes: vec!["no layers here".into()],
        ..fixture.image()
    };
    let mut moved = TrialFixture::new("artifact", 1, 1);
    moved.identified("consumer-1.identified", without(&moved));
    assert_eq!(moved.failed().2, "identity: layers not proven equal; no layers here");
    let mut built = TrialFixture::new("gha-cache", 1, 1);
    built.identified("consumer-1.identified", without(&built));
    let row = built.run(&Cancel::default()).unwrap().measurement;
    assert_eq!((row.outcome, row.layers_equal), (Outcome::Completed, None), "{}", row.error);
}

#[test]
fn consumer_that_hangs_times_the_trial_out() {
    let mut fixture = TrialFixture::new("artifact", 2, 2);
    fixture.jobs.write("consumer-2.finished", "");
    fixture.timeout = Duration::from_secs(3);
    let (record, outcome, why) = fixture.failed();
    assert_eq!((outcome, why.as_str()), (Outcome::TimedOut, "job: no answer after 3 s (--timeout sets the limit)"));
    assert_eq!(span_consumers(&record), [None, Some(1)]);
    assert_eq!(fixture.jobs.names("stopped"), ["producer"], "no wait for a job that hangs");
    fixture.assert_clean();
}

#[test]
fn job_that_dies_fails_the_trial() {
    let mut fixture = TrialFixture::new("artifact", 1, 1);
    fixture.jobs.write("consumer-1.finished", "");
    fixture.jobs.write("consumer-1.dies", "");
    let (_, outcome, why) = fixture.failed();
    assert_eq!((outcome, why.as_str()), (Outcome::Failed, "job: the job's process ended"));
    fixture.assert_clean();
}

#[test]
fn requests_after_the_clock_fail_the_trial() {
    let mut fixture = TrialFixture::new("artifact", 1, 1);
    fixture.jobs.write("goes-on", "");
    let (_, outcome, why) = fixture.failed();
    assert!(outcome == Outcome::Failed && why.starts_with("request-during-verification: "), "{why}");
    fixture.assert_clean();
}

#[test]
fn cancelled_trial_ends_the_run_and_leaves_no_job() {
    let mut fixture = TrialFixture::new("artifact", 1, 1);
    fixture.jobs.write("producer.finished", "");
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(matches!(fixture.run(&cancel), Err(RunError::Cancelled)));
    assert_eq!((fixture.requests("mint"), fixture.requests("revoke")), (1, 1));
    assert!(!fixture.jobs.dir.path().join("run").exists());
}
