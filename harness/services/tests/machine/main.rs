//! The real clients: `@actions/artifact` and `@actions/cache` as they are installed for the strategies. Needs Node.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use handoff_link::{Fault, RequestKind, RequestRecord, profile};
use serde_json::{Value, json};

#[path = "../it/support.rs"]
#[expect(dead_code, reason = "no request is written by hand here")]
mod support;

use support::{Fixture, noise};

/// The folder of the npm clients.
fn clients() -> PathBuf {
    let clients = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../strategies/clients");
    assert!(
        clients.join("node_modules/@actions/cache").exists(),
        "the npm clients are not installed: run `make setup`"
    );
    clients.canonicalize().unwrap()
}

struct Job<'a> {
    fixture: &'a Fixture,
    token: String,
    workspace: PathBuf,
}

impl<'a> Job<'a> {
    fn new(fixture: &'a Fixture, name: &str) -> Self {
        let workspace = fixture.dir.path().join(name);
        fs::create_dir_all(workspace.join("temp")).unwrap();
        Self { fixture, token: fixture.token(|spec| spec.job = name.into()), workspace }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.workspace.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    // What the client answered, or its error.
    fn call(&self, verb: &str, fields: impl Into<Value>) -> Result<Value, String> {
        self.call_with(verb, fields, &[])
    }

    // The same, with more variables in the client's environment.
    fn call_with(&self, verb: &str, fields: impl Into<Value>, more: &[(&str, &str)]) -> Result<Value, String> {
        let clients = clients();
        let mut call = json!({"verb": verb, "workspace": self.workspace});
        support::merge(&mut call, fields.into());
        let answer = self.workspace.join("temp/answer.json");
        let mut node = Command::new("node");
        node.arg("--require").arg(clients.join("loopback.cjs"));
        node.args(["--input-type=module", "-e", include_str!("clients.mjs")]).current_dir(&clients);
        node.envs(self.fixture.service.client_env(&self.token));
        node.env("RUNNER_TEMP", self.workspace.join("temp")).env("GITHUB_WORKSPACE", &self.workspace);
        node.envs(more.iter().copied());
        node.env("HANDOFF_CALL", call.to_string()).env("HANDOFF_ANSWER", &answer);
        let output = node.output().expect("node is not installed: run `make setup`");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{verb}: {}{}", text(&output.stdout), text(&output.stderr));
        let mut answer: Value = serde_json::from_slice(&fs::read(answer).unwrap()).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }

    fn log(&self, kind: RequestKind) -> Vec<RequestRecord> {
        let log = self.fixture.service.request_log(&self.token);
        log.into_iter().filter(|record| record.kind == kind).collect()
    }
}

// The most requests that were answered at the same time.
fn in_flight(log: &[RequestRecord]) -> usize {
    let running = |at: u64| log.iter().filter(|record| record.start_ns <= at && at < record.end_ns).count();
    log.iter().map(|record| running(record.start_ns)).max().unwrap_or(0)
}

#[test]
fn npm_artifact_client_uploads_lists_downloads_and_deletes() {
    let fixture = Fixture::new();
    let (producer, consumer) = (Job::new(&fixture, "producer"), Job::new(&fixture, "consumer"));
    let content = noise(50_000_000, 1);
    let file = producer.write("image.tar", &content);
    let upload = json!({"name": "image", "files": [file], "options": {"compressionLevel": 0}});
    let done = producer.call("upload", upload.clone()).unwrap();
    let id = done["id"].as_u64().unwrap();
    let blocks = producer.log(RequestKind::PutBlock);
    assert!(blocks.len() >= 6, "8 MiB blocks: {}", blocks.len());

    let error = producer.call("upload", upload).unwrap_err();
    assert!(error.contains("409") && error.contains("already exists"), "{error}");

    let listed = consumer.call("list", json!({})).unwrap();
    assert_eq!((&listed["artifacts"][0]["name"], &listed["artifacts"][0]["id"]), (&json!("image"), &json!(id)));
    let digest = format!("sha256:{}", done["digest"].as_str().unwrap());
    assert_eq!(listed["artifacts"][0]["digest"], json!(digest));

    let to = consumer.workspace.join("to");
    let got = consumer.call("download", json!({"name": "image", "to": to})).unwrap();
    assert_eq!(got["digestMismatch"], json!(false), "{got}");
    assert!(fs::read(to.join("image.tar")).unwrap() == content);
    let gets = consumer.log(RequestKind::GetBlob);
    assert_eq!((gets.len(), gets[0].range), (1, None), "one connection, one GET");

    assert_eq!(consumer.call("remove", json!({"name": "image"})).unwrap()["id"], json!(id));
    assert_eq!(consumer.call("list", json!({})).unwrap()["artifacts"], json!([]));
    let error = consumer.call("get", json!({"name": "image"})).unwrap_err();
    assert!(error.contains("not found") || error.contains("Not Found"), "{error}");
    for job in [&producer, &consumer] {
        assert_eq!(fixture.service.counters(&job.token).retries, 0);
    }
}

#[test]
fn npm_artifact_client_round_trips_a_raw_file() {
    let fixture = Fixture::new();
    let (producer, consumer) = (Job::new(&fixture, "producer"), Job::new(&fixture, "consumer"));
    let content = noise(1_000_000, 2);
    let file = producer.write("image.tar.zst", &content);
    producer.call("upload", json!({"name": "ignored", "files": [file], "options": {"skipArchive": true}})).unwrap();
    let to = consumer.workspace.join("to");
    let got = consumer.call("download", json!({"name": "image.tar.zst", "to": to})).unwrap();
    assert_eq!(got["digestMismatch"], json!(false), "{got}");
    assert!(fs::read(to.join("image.tar.zst")).unwrap() == content);
}

#[test]
fn npm_cache_client_transfers_in_parallel_both_ways() {
    let fixture = Fixture::new();
    let job = Job::new(&fixture, "job");
    // More than 128 MiB that do not compress: several blocks up, two segments down.
    let content = noise(150 << 20, 3);
    let file = job.write("image.tar", &content);
    let id = job.call("save", json!({"paths": [file], "key": "image-1"})).unwrap();
    assert!(id.as_u64().is_some(), "{id}");
    let blocks = job.log(RequestKind::PutBlock);
    assert_eq!((blocks.len(), job.log(RequestKind::PutBlockList).len()), (3, 1), "64 MiB blocks");
    assert!(in_flight(&blocks) > 1, "{blocks:?}");

    fs::remove_file(&file).unwrap();
    assert_eq!(job.call("restore", json!({"paths": [file], "key": "image-1"})).unwrap(), "image-1");
    assert!(fs::read(&file).unwrap() == content);
    let ranges = job.log(RequestKind::GetBlob);
    assert!(ranges.len() >= 37 && ranges.iter().all(|range| range.range.is_some() && range.status == 206));
    let connections: std::collections::HashSet<u64> = ranges.iter().map(|range| range.connection).collect();
    assert!(in_flight(&ranges) > 1, "{ranges:?}");
    assert!(connections.len() >= 8, "{connections:?}");
    assert_eq!(fixture.service.counters(&job.token).retries, 0);
}

#[test]
fn npm_cache_client_misses_falls_back_to_prefixes_and_never_overwrites() {
    let fixture = Fixture::new();
    let job = Job::new(&fixture, "job");
    let file = job.write("small", b"one");
    let (paths, key) = (json!([file]), "k-1");
    assert_eq!(job.call("restore", json!({"paths": paths, "key": key})).unwrap(), Value::Null, "a miss");
    job.call("save", json!({"paths": paths, "key": key})).unwrap();
    assert_eq!(job.log(RequestKind::PutBlob).len(), 1, "small ones go at once");
    job.write("small", b"two");
    assert_eq!(job.call("save", json!({"paths": paths, "key": key})).unwrap(), json!(-1), "taken");
    job.call("save", json!({"paths": paths, "key": "k-2"})).unwrap();
    job.write("small", b"gone");
    let restore = json!({"paths": paths, "key": "k-9", "restoreKeys": ["x-", "k-"]});
    assert_eq!(job.call("restore", restore).unwrap(), "k-2", "the newest of the prefix");
    assert_eq!(fs::read(&file).unwrap(), b"two");
    assert_eq!(job.call("restore", json!({"paths": paths, "key": key})).unwrap(), key);
    assert_eq!(fs::read(&file).unwrap(), b"one");
    let other = json!({"paths": [job.workspace.join("other")], "key": key});
    assert_eq!(job.call("restore", other).unwrap(), Value::Null, "other paths are another version");
}

#[test]
fn npm_cache_client_saves_nothing_when_writes_are_denied() {
    let fixture = Fixture::with(|config| config.profile = profile::load("loopback:cache.writes=denied").unwrap());
    let job = Job::new(&fixture, "job");
    let save = json!({"paths": [job.write("small", b"one")], "key": "k"});
    assert_eq!(job.call("save", save.clone()).unwrap(), json!(-1));
    assert_eq!(fixture.service.counters(&job.token).requests, 1, "the denial is not retried");
    // Where the runner names the mode, the client does not ask at all.
    assert_eq!(job.call_with("save", save, &[("ACTIONS_CACHE_MODE", "read")]).unwrap(), json!(-1));
    assert_eq!(fixture.service.counters(&job.token).requests, 1);
}

#[test]
fn npm_artifact_client_retries_a_503() {
    // With this seed the producer's first blob request meets the fault, and none of the next 29.
    let busy = profile::load("loopback:503=10%,seed=203").unwrap();
    let fixture = Fixture::with(|config| config.profile = busy);
    let producer = Job::new(&fixture, "producer");
    let file = producer.write("image.tar", &noise(100_000, 4));
    producer.call("upload", json!({"name": "image", "files": [file], "options": {"compressionLevel": 0}})).unwrap();
    let log = fixture.service.request_log(&producer.token);
    let met: Vec<_> = log.iter().filter(|record| record.fault.is_some()).collect();
    assert_eq!((met.len(), met[0].fault, met[0].status), (1, Some(Fault::Status503), 503), "{log:?}");
    let counters = fixture.service.counters(&producer.token);
    assert_eq!((counters.faults, counters.retries), (1, 1));
}
