//! Costs of the registries: the digest of a layer, a layer pushed to a sender, and a layer pulled from a receiver. Service, registries and clients share the machine, and nothing shapes the link.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use handoff_link::profile::Profile;
use handoff_registry::{Digest, Encoding, PullRegistry, PushRegistry, Settings, StoreKind};
use handoff_services::{Service, ServiceConfig, TokenSpec};
use handoff_storage::ServiceEndpoint;
use tokio::runtime::Runtime;

const BYTES: usize = 64 << 20;

/// Bytes without any period that a block or range has.
fn layer() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(BYTES);
    while data.len() < BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data
}

/// Bytes as in a plain tar of programs: zstd makes about half of them.
fn compressible() -> Vec<u8> {
    let mut data = layer();
    data.chunks_mut(512).skip(1).step_by(2).for_each(|part| part.fill(0));
    data
}

/// Sends one request on a new connection; returns the bytes of the answer.
fn exchange(registry: &str, head: &str, body: &[u8]) -> usize {
    let mut stream = TcpStream::connect(registry).expect("the end serves");
    let length = body.len();
    let head = format!("{head} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the end reads");
    stream.write_all(body).expect("the end reads");
    let (mut piece, mut all) = (vec![0; 1 << 20], 0);
    loop {
        match stream.read(&mut piece).expect("the end answers") {
            0 => return all,
            n => all += n,
        }
    }
}

struct Lab {
    runtime: Runtime,
    service: Service,
    _store: tempfile::TempDir,
}

impl Lab {
    fn new(figures: Option<&str>) -> Self {
        let runtime = Runtime::new().expect("threads start");
        let store = tempfile::tempdir().expect("there is a folder for temporary files");
        let mut config = ServiceConfig::new(store.path());
        if let Some(figures) = figures {
            let text = format!("name = 'bench'\nsummary = 's'\n{figures}");
            config.profile = Profile::parse("bench", &text).expect("the figures are right");
        }
        let service = Service::start_blocking(config).expect("the service starts");
        Self { runtime, service, _store: store }
    }

    fn endpoint(&self) -> ServiceEndpoint {
        let token = self.service.mint(TokenSpec::default());
        ServiceEndpoint { results_url: self.service.base_url(), token }
    }

    fn sender(&self, name: &str, encoding: Encoding) -> PushRegistry {
        let settings = Settings { encoding, ..Settings::default() };
        let started = self.runtime.block_on(PushRegistry::start(StoreKind::Artifact, self.endpoint(), name, &settings));
        started.expect("the name is free")
    }
}

fn push(sender: &PushRegistry, digest: &Digest, layer: &[u8]) {
    let registry = sender.registry();
    exchange(&registry, &format!("POST /v2/a/blobs/uploads/?digest={digest}"), layer);
    let manifest =
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":{}}},"layers":[]}}"#, layer.len());
    exchange(&registry, "PUT /v2/a/manifests/1", manifest.as_bytes());
}

fn digests(c: &mut Criterion) {
    let layer = layer();
    let mut group = c.benchmark_group("digest");
    group.throughput(Throughput::Bytes(BYTES as u64));
    group.bench_function("64 MiB", |b| b.iter(|| Digest::of(&layer)));
    group.finish();
}

fn ends(c: &mut Criterion) {
    let (lab, layer) = (Lab::new(None), layer());
    let digest = Digest::of(&layer);
    let mut group = c.benchmark_group("ends");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    let next = AtomicU64::new(0);
    group.bench_function("push 64 MiB", |b| {
        b.iter_batched(
            || lab.sender(&next.fetch_add(1, Ordering::Relaxed).to_string(), Encoding::None),
            |sender| {
                push(&sender, &digest, &layer);
                lab.runtime.block_on(sender.commit(&[("app", "1")])).expect("all of it is stored")
            },
            BatchSize::PerIteration,
        );
    });
    let sender = lab.sender("pulled", Encoding::None);
    push(&sender, &digest, &layer);
    lab.runtime.block_on(sender.commit(&[("app", "1")])).expect("all of it is stored");
    let settings = Settings::default();
    let receiver = PullRegistry::start(StoreKind::Artifact, lab.endpoint(), "pulled", &settings);
    let receiver = lab.runtime.block_on(receiver).expect("it was sent");
    group.bench_function("pull 64 MiB", |b| {
        b.iter(|| assert!(exchange(&receiver.registry(), &format!("GET /v2/a/blobs/{digest}"), b"") > BYTES));
    });
    group.finish();
}

/// Compressible bytes, plain and as frames: without a limit of the link, and at the rates of a hosted runner.
fn encodings(c: &mut Criterion) {
    let layer = compressible();
    let digest = Digest::of(&layer);
    let hosted = "[artifact.up]\naggregate = '186MiB/s'\n[artifact.down]\naggregate = '120MiB/s'\n";
    let mut group = c.benchmark_group("encodings");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    for (link, figures) in [("no limit", None), ("186 up, 120 down", Some(hosted))] {
        let lab = Lab::new(figures);
        for (name, encoding) in [("plain", Encoding::None), ("zstd", Encoding::Zstd)] {
            let next = AtomicU64::new(0);
            group.bench_function(format!("push 64 MiB {name}, {link}"), |b| {
                b.iter_batched(
                    || lab.sender(&format!("{name}-{}", next.fetch_add(1, Ordering::Relaxed)), encoding),
                    |sender| {
                        push(&sender, &digest, &layer);
                        lab.runtime.block_on(sender.commit(&[("app", "1")])).expect("all of it is stored")
                    },
                    BatchSize::PerIteration,
                );
            });
            let sender = lab.sender(name, encoding);
            push(&sender, &digest, &layer);
            lab.runtime.block_on(sender.commit(&[("app", "1")])).expect("all of it is stored");
            let settings = Settings::default();
            let receiver = PullRegistry::start(StoreKind::Artifact, lab.endpoint(), name, &settings);
            let receiver = lab.runtime.block_on(receiver).expect("it was sent");
            group.bench_function(format!("pull 64 MiB {name}, {link}"), |b| {
                b.iter(|| assert!(exchange(&receiver.registry(), &format!("GET /v2/a/blobs/{digest}"), b"") > BYTES));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, digests, ends, encodings);
criterion_main!(benches);
