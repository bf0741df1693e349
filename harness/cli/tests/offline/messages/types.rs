//! Each variant of the error types that reach a user, with sample values.

use std::fmt::Display;
use std::io::{Error, ErrorKind};

use handoff_docker::EngineError;
use handoff_fixtures::FixtureError;
use handoff_github::GithubError;
use handoff_github::rest::RestError;
use handoff_link::profile::ProfileError;
use handoff_machine::FileError;
use handoff_model::{Difference, ImageStore, StrategyError};
use handoff_records::JournalError;
use handoff_registry::Error as RegistryError;
use handoff_report::ReportError;
use handoff_runner::RunError;
use handoff_services::ServiceError;
use handoff_storage::Error as StorageError;
use handoff_workflows::WorkflowError;

fn refused() -> Error {
    ErrorKind::PermissionDenied.into()
}

fn s(text: &str) -> String {
    text.to_owned()
}

fn texts<E: Display, const N: usize>(errors: [E; N]) -> Vec<String> {
    errors.map(|error| error.to_string()).into()
}

/// The file of each type with its messages.
pub fn all() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("harness/docker/src/error.rs", engine()),
        ("harness/runner/src/error.rs", run()),
        (
            "harness/machine/src/error.rs",
            texts([FileError { what: "read", path: "/proc/stat".into(), source: refused() }]),
        ),
        ("harness/records/src/journal/error.rs", journal()),
        ("harness/link/src/profile/error.rs", profile()),
        ("harness/services/src/error.rs", service()),
        ("harness/github/src/error.rs", github()),
        ("harness/github/src/rest.rs", rest()),
        ("harness/report/src/report.rs", report()),
        ("harness/model/src/strategy.rs", strategy()),
        ("fixtures/src/error.rs", fixture()),
        ("relay/storage/src/error.rs", storage()),
        ("relay/registry/src/error.rs", registry()),
        ("workflows/src/lib.rs", workflow()),
    ]
}

fn engine() -> Vec<String> {
    use EngineError as E;
    texts([
        E::MissingProgram(s("dockerd")),
        E::NoVersion { asked: s("29"), found: s("installed: Docker version 28.5.2") },
        E::TooOld { program: s("buildx"), found: s("0.12.1"), floor: s("0.21") },
        E::Unusable { program: s("dockerd"), error: s("exec format error") },
        E::NotRoot,
        E::SocketPath { path: "/var/tmp/long/docker.sock".into(), len: 120 },
        E::DidNotStart { program: s("dockerd"), reason: s("no space left"), log: "logs/dockerd.log".into() },
        E::NotLocal(s("tcp://build:2375")),
        E::NoDaemon { socket: "/var/run/docker.sock".into(), error: s("No such file or directory") },
        E::VirtualMachine("/var/run/docker.sock".into()),
        E::ForeignStore(s("btrfs")),
        E::OtherStore { asked: ImageStore::Containerd, has: ImageStore::Overlay2 },
        E::NoImage(s("handoff/engine:1")),
        E::NoBuildkit { image: s("moby/buildkit:buildx-stable-1"), tar: None },
        E::NameTaken(s("container handoff-1")),
        E::NoDiskLimit(s("the job has no file system of its own on a loop device")),
        E::DiskRule { device: s("7:0"), rate: 104_857_600, file: "/sys/fs/cgroup/blkio/write_bps_device".into() },
        E::Command { command: s("docker load"), error: s("no space left on device") },
        E::BuildkitImage(s("go build ended with exit status: 1")),
        E::Api(s("500: driver failed")),
    ])
}

fn run() -> Vec<String> {
    use RunError as E;
    texts([
        E::Busy("/run/handoff.lock".into()),
        E::Service(ServiceError::Lost(s("it ended with exit status: 1")).to_string()),
        E::Job(s("the job's process ended")),
        E::Cancelled,
    ])
}

fn journal() -> Vec<String> {
    use JournalError as E;
    let dir = || "results/a".into();
    texts([
        E::Io { what: "write", path: "results/a/spans.csv".into(), source: refused() },
        E::Foreign { dir: dir(), found: s("letter.txt") },
        E::NotAFolder(dir()),
        E::HoldsRun { dir: dir(), rows: 3, trials: 9 },
        E::NoRun(dir()),
        E::Json { path: "results/a/plan.json".into(), line: 4, what: s("expected a comma") },
        E::Altered("results/a/plan.json".into()),
        E::AlteredEnvironment { path: "results/a/environments.json".into(), id: s("e0"), what: "is there twice" },
        E::Version { path: "results/a/plan.json".into(), found: 2, known: 1, writer: s("handoff 2.0.0") },
        E::NewerPlan { path: "results/a/plan.json".into(), found: s("1.9"), writer: s("handoff 0.9.0") },
        E::UnknownFields { path: "results/a/plan.json".into(), fields: vec![s("request.speed")] },
        E::MissingColumns { path: "results/a/spans.csv".into(), columns: vec![s("trial")] },
        E::OtherColumns("results/a/spans.csv".into()),
        E::Missing("results/a/spans.csv".into()),
        E::NoFile("results/a/spans.csv".into()),
        E::Shape { path: "results/a/spans.csv".into(), line: 1, what: s("the header is not the one of this file") },
        E::Damaged { dir: dir(), first: s("spans.csv:7: the row has 3 fields, the header has 9"), others: 2 },
        E::OtherPlan { dir: dir(), option: "--sizes", held: s("1GiB"), given: s("2GiB") },
        E::OtherEnvironment {
            dir: dir(),
            differences: vec![Difference { name: s("kernel"), first: s("6.1"), second: s("6.9") }],
        },
        E::Misuse(s("the trial is not in the plan")),
    ])
}

fn profile() -> Vec<String> {
    use ProfileError as E;
    let origin = || s("mine.toml");
    texts([
        E::Unknown { name: s("far"), hint: s("did you mean `github-far`? use one of github-far, loopback") },
        E::Read { path: origin(), source: refused() },
        E::Syntax { origin: origin(), message: s("line 3: expected `=`") },
        E::UnknownKey { origin: origin(), key: s("up.agregate"), hint: s("did you mean `aggregate`?") },
        E::Value { origin: origin(), key: s("request_ms"), problem: s("is `x`: write a time, for example 25ms") },
        E::Taken { origin: origin(), name: s("loopback") },
        E::Change { text: s("loopback:x"), part: s("x"), problem: s("is no change: write KEY=VALUE") },
    ])
}

fn service() -> Vec<String> {
    use ServiceError as E;
    texts([
        E::Bind { addr: ([127, 0, 0, 1], 80).into(), source: refused() },
        E::Store { path: "/var/lib/x".into(), source: refused() },
        E::System(refused()),
        E::Spawn { program: s("handoff service"), source: refused() },
        E::Lost(s("it ended with exit status: 1")),
        E::Refused(s("not a request")),
        E::Protocol { line: s("{"), reason: s("EOF while parsing") },
        E::Pipe(ErrorKind::BrokenPipe.into()),
    ])
}

fn github() -> Vec<String> {
    use GithubError as E;
    texts([E::Job(s("the container answered `1` and ended with exit status: 0, expected `2`"))])
}

fn rest() -> Vec<String> {
    use RestError as E;
    let what = || s("run 4711 in `you/handoff`");
    texts([
        E::NoToken,
        E::Denied { what: what(), status: 403, message: s("Resource not accessible"), needs: s("actions: write") },
        E::NotFound { what: what() },
        E::Gone { what: what() },
        E::Limited { what: what(), wait_s: 1800 },
        E::Other { what: what(), message: s("502 Bad Gateway after 5 attempts") },
    ])
}

fn report() -> Vec<String> {
    use ReportError as E;
    let hint = s("did you mean `0003-artifact-1GiB-r1`?");
    texts([
        E::Nothing,
        E::Twice(s("a"), s("b")),
        E::NoTrial { given: s("0003-artifact"), hint },
        E::NoSpans(s("0003-artifact-1GiB-r1")),
    ])
}

fn strategy() -> Vec<String> {
    use StrategyError as E;
    let hint = || s("did you mean `level`? use one of level, archive");
    texts([
        E::Grammar(s("artifact:level")),
        E::UnknownName { given: s("artefact"), hint: s("did you mean `artifact`?") },
        E::UnknownOption { strategy: s("artifact"), given: s("levle"), hint: hint() },
        E::BadValue { strategy: s("artifact"), option: s("level"), expected: s("0 to 9"), given: s("11") },
        E::Twice(s("artifact")),
        E::Empty,
    ])
}

fn fixture() -> Vec<String> {
    use FixtureError as E;
    let workload = || s("mine");
    texts([
        E::UnknownWorkload { name: s("typicl"), hint: s("did you mean `typical`?") },
        E::Read { path: "mine.toml".into(), source: refused() },
        E::Syntax { origin: s("mine.toml"), message: s("line 3: expected `=`") },
        E::UnknownKey { origin: s("mine.toml"), key: s("layer"), hint: s("did you mean `layers`?") },
        E::Size { bytes: 11 << 30 },
        E::Nonce { nonce: s("a b") },
        E::Layer { index: 9, count: 3 },
        E::LayerTooSmall { workload: workload(), name: s("app"), bytes: 10, needed: 512 },
        E::RatioOutOfReach { workload: workload(), asked: s("9.0"), reachable: s("4.2") },
        E::Write { path: "context/Dockerfile".into(), source: refused() },
        E::Stream(ErrorKind::BrokenPipe.into()),
    ])
}

fn storage() -> Vec<String> {
    use StorageError as E;
    let url = || s("http://127.0.0.1:1/x");
    let name = || s("handoff-image");
    let last = Box::new(E::Broken { url: url(), why: s("connection refused") });
    texts([
        E::MissingVariable(s("ACTIONS_RESULTS_URL")),
        E::BadVariable { name: "ACTIONS_RUNTIME_TOKEN", what: "line break" },
        E::BadUrl { url: s("localhost"), why: s("it must begin with https:// or http://") },
        E::BadToken("it does not have the three parts of a JWT"),
        E::BadName(s("a/b")),
        E::BadPlan { what: "the number of ranges", expected: "1 to 64" },
        E::Broken { url: url(), why: s("connection refused") },
        E::NotTrusted { host: s("results.example.com"), why: s("its certificate is refused: UnknownIssuer") },
        E::BadRoots { path: "roots.pem".into(), why: s("it holds none") },
        E::Status {
            what: "CreateArtifact",
            url: url(),
            status: 409,
            code: s("already_exists"),
            message: s("an artifact with the name app already exists in this run"),
            retry_after: None,
        },
        E::Refused { key: s("handoff-app-1"), message: s("cache write denied: token has no writable scopes") },
        E::Answer { what: "CreateArtifact", why: s("no upload URL") },
        E::Foreign {
            what: "FinalizeArtifact",
            url: url(),
            status: 200,
            content_type: s("text/html"),
            start: s("<html> <title>Sign in</title>"),
        },
        E::Proxy {
            proxy: s("proxy.corp.example:3128"),
            variable: "HTTPS_PROXY",
            host: s("results.example.com:443"),
            why: s("it asks for a user and password"),
            transient: false,
        },
        E::BadProxy { variable: "ALL_PROXY", why: "its host or port cannot be read" },
        E::Taken(name()),
        E::Burnt { name: name(), attempts: 9 },
        E::LinkEnded { name: name(), accepted: 7, why: Box::new(E::NotFound(name())) },
        E::Gone(s("handoff-app-1")),
        E::TooLong(std::time::Duration::from_hours(2)),
        E::GaveUp { attempts: 5, last },
        E::NotFound(name()),
        E::Reader { at: 7, source: ErrorKind::BrokenPipe.into() },
        E::ProducerFailed(s("docker save: no such image")),
        E::EmptyStream,
        E::TooManyBlocks { limit: 50_000, block_bytes: 4096 },
        E::Writer { at: 7, source: ErrorKind::BrokenPipe.into() },
        E::Length { name: name(), expected: 9, got: 7 },
        E::Digest { name: name(), expected: s("sha256:aa"), got: s("sha256:bb") },
        E::Changed(name()),
        E::Gate { path: "commit.fifo".into(), why: s("nobody opened it for 60 s") },
        E::System { what: "starting a thread", source: refused() },
    ])
}

fn registry() -> Vec<String> {
    use RegistryError as E;
    texts([
        E::Table(s("it is cut short")),
        E::NotSent { name: s("app"), within: "in this workflow run" },
        E::Evicted(s("sha256:aa")),
        E::NotInCache { digest: s("sha256:aa"), key: s("handoff-relay-blob-sha256:aa") },
        E::Reserved(s("handoff-relay-blob-sha256:aa")),
        E::OtherSize { key: s("handoff-relay-blob-sha256:aa"), stored: 3, pushed: 4 },
        E::NotPushed { reference: s("app:1"), tag: s("1") },
        E::EmptyIndex(s("app:1")),
        E::Taken(s("app")),
        E::TakenInRun(s("app")),
        E::NothingPushed,
        E::Abandoned,
        E::Damaged { digest: s("sha256:aa"), got: s("sha256:bb") },
        E::System { what: "opening a port on 127.0.0.1", source: refused() },
        E::Broken(s("its thread ended")),
    ])
}

fn workflow() -> Vec<String> {
    use WorkflowError as E;
    texts([
        E::Pins(s("no pin for `actions/cache`: add one to workflows/pins.toml")),
        E::Write { path: ".github/workflows/handoff.yml".into(), source: refused() },
        E::Drift(vec![s(".github/workflows/handoff.yml")]),
    ])
}
