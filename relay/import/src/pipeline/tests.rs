//! Whole imports into the fake store.

#[path = "../../tests/common/archive.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod archive;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use handoff_containerd::ChainId;
use handoff_containerd::fake::{Call, FakeStore};
use serde_json::json;

use super::*;
use crate::failure::FailureKind;
use crate::input::{Inlet, OnTaken, layer_input};
use crate::spec::{Document, ImageSpec};
use archive::{Item, archive};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const NAME: &str = "docker.io/library/app:1";

fn layer(name: &str) -> Bytes {
    archive(&[Item::folder("a"), Item::file(&format!("a/{name}"), name)]).into()
}

/// Image of plain layers.
fn spec(layers: &[Bytes]) -> ImageSpec {
    spec_of(layers, layers, LAYER)
}

fn spec_of(blobs: &[Bytes], plain: &[Bytes], media_type: &str) -> ImageSpec {
    let ids: Vec<String> = plain.iter().map(|l| Digest::of(l).to_string()).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({"os": "linux", "architecture": architecture, "rootfs": {"diff_ids": ids}}).to_string();
    let described: Vec<_> = blobs
        .iter()
        .map(|b| json!({"mediaType": media_type, "digest": Digest::of(b).as_str(), "size": b.len()}))
        .collect();
    let digest = Digest::of(config.as_bytes());
    let manifest = json!({"schemaVersion": 2, "layers": described, "config": {"digest": digest.as_str(),
        "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len()}});
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let documents = vec![Document { media_type, text: manifest.to_string() }];
    ImageSpec { references: vec!["app:1".to_owned(), "app:latest".to_owned()], documents, config }
}

fn options(lease: Duration) -> ImportOptions {
    ImportOptions { limits: ImportLimits { reserve_bytes: 0, ..ImportLimits::default() }, lease }
}

/// Feed from memory. Layers in `held` get no bytes before the time in `delay`, or ever.
#[derive(Default)]
struct MemoryFeed {
    layers: Vec<Bytes>,
    needed: Vec<usize>,
    held: HashMap<usize, Option<Duration>>,
    inputs: HashMap<usize, LayerInput>,
    inlets: Vec<Inlet>,
    done: Vec<usize>,
}

impl LayerFeed for MemoryFeed {
    fn begin(&mut self, needed: &[usize]) {
        self.needed = needed.to_vec();
        for &layer in needed {
            let bytes = self.layers[layer].clone();
            let quiet: OnTaken = Box::new(|_, _| ());
            let (mut inlet, input) = layer_input(layer, bytes.len() as u64, quiet);
            self.inputs.insert(layer, input);
            match self.held.get(&layer) {
                None => inlet.push(bytes).unwrap(),
                Some(None) => self.inlets.push(inlet),
                Some(Some(delay)) => {
                    let delay = *delay;
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        inlet.push(bytes).unwrap();
                    });
                }
            }
        }
    }

    fn open(&mut self, layer: usize) -> Option<LayerInput> {
        self.inputs.remove(&layer)
    }

    fn done(&mut self, layer: usize) {
        self.done.push(layer);
    }

    fn close(&mut self) {
        self.inlets.clear();
        self.inputs.clear();
    }
}

fn feed(layers: &[Bytes]) -> MemoryFeed {
    MemoryFeed { layers: layers.to_vec(), ..MemoryFeed::default() }
}

async fn run(store: &FakeStore, layers: &[Bytes], feed: &mut MemoryFeed) -> Result<Done, ImportError> {
    let image = Image::read(spec(layers)).unwrap();
    import(store, &image, feed, &options(timeouts()), std::future::pending()).await
}

fn timeouts() -> Duration {
    Duration::from_mins(1)
}

fn count(store: &FakeStore, call: Call) -> usize {
    store.calls().iter().filter(|c| **c == call).count()
}

fn file(store: &FakeStore, layers: &[Bytes], height: usize, name: &str) -> bool {
    let ids: Vec<Digest> = layers.iter().map(|l| Digest::of(l)).collect();
    let chain: Vec<ChainId> = ChainId::stack(&ids);
    store.folder(&chain[height]).unwrap().join("a").join(name).exists()
}

fn new_store(dir: &Path) -> FakeStore {
    FakeStore::new(dir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_is_complete_and_recorded_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let layers = ["0", "1", "2", "3", "4"].map(layer);
    let mut feed = feed(&layers);
    let done = run(&store, &layers, &mut feed).await.unwrap();
    assert_eq!((done.fetched, feed.needed.as_slice()), (5, &[0, 1, 2, 3, 4][..]));
    feed.done.sort_unstable();
    assert_eq!(feed.done, feed.needed);
    let kinds: Vec<SpanKind> = done.spans.iter().map(|s| s.name).collect();
    assert_eq!(kinds, [SpanKind::Unpack, SpanKind::Load]);
    assert_eq!(store.missing(), Vec::<String>::new());
    assert!((0..5).all(|height| file(&store, &layers, height, &height.to_string())));
    for name in [NAME, "docker.io/library/app:latest"] {
        assert!(store.image(name).is_some(), "{name}");
    }
    let calls = store.calls();
    assert_eq!(calls.first(), Some(&Call::Lease));
    assert_eq!(calls[calls.len() - 4..], [Call::View, Call::Record, Call::Record, Call::Release]);
    // Staging went with the lease.
    let folders = std::fs::read_dir(dir.path().join("snapshots")).unwrap().count();
    assert_eq!(folders, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failing_call_ends_with_a_release_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let layers = ["0", "1", "0", "3"].map(layer);
    let store = new_store(dir.path());
    run(&store, &layers, &mut feed(&layers)).await.unwrap();
    for call in [
        Call::Lease,
        Call::Content,
        Call::Write,
        Call::CommitContent,
        Call::Prepare,
        Call::Commit,
        Call::Record,
        Call::View,
    ] {
        for number in 0..count(&store, call) {
            let dir = tempfile::tempdir().unwrap();
            let store = new_store(dir.path());
            store.fail(call, number);
            let error = run(&store, &layers, &mut feed(&layers)).await.unwrap_err();
            assert_eq!(error.kind, FailureKind::Store, "{call:?} {number}: {error}");
            // The second name of an image may fail: what is recorded is whole.
            let is_recorded = call == Call::Record && number > 0;
            assert_eq!(store.image(NAME).is_some(), is_recorded, "{call:?} {number}");
            assert!(is_recorded || store.is_empty(), "{call:?} {number}");
            assert_eq!(store.missing(), Vec::<String>::new());
            let last = if call == Call::Lease { Call::Lease } else { Call::Release };
            assert_eq!(store.calls().last(), Some(&last), "{call:?} {number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layer_twice_becomes_two_snapshots_and_one_blob() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let layers = ["same", "other", "same"].map(layer);
    let mut feed = feed(&layers);
    run(&store, &layers, &mut feed).await.unwrap();
    assert_eq!(feed.needed, [0, 1, 2]);
    // Two layers, the config and the manifest.
    assert_eq!(count(&store, Call::CommitContent), 4);
    assert!(file(&store, &layers, 0, "same") && file(&store, &layers, 2, "same"));
    assert_eq!(store.missing(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_that_are_there_are_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let first = ["0", "1"].map(layer);
    run(&store, &first, &mut feed(&first)).await.unwrap();
    let second = ["0", "1", "2"].map(layer);
    let mut more = feed(&second);
    run(&store, &second, &mut more).await.unwrap();
    assert_eq!(more.needed, [2]);
    let mut again = feed(&second);
    assert_eq!(run(&store, &second, &mut again).await.unwrap().fetched, 0);
    assert_eq!(store.missing(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layer_without_its_blob_needs_the_blob_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let layers = ["0", "1"].map(layer);
    let lease = store.lease(timeouts()).await.unwrap();
    let chain = ChainId::stack(&[Digest::of(&layers[0])]).remove(0);
    let SnapshotState::Active(snapshot) = store.prepare(&lease, &chain, None).await.unwrap() else { panic!() };
    std::fs::create_dir(snapshot.upper.join("a")).unwrap();
    std::fs::write(snapshot.upper.join("a/of-another-client"), "").unwrap();
    assert!(store.commit(&lease, snapshot).await.unwrap());
    let mut feed = feed(&layers);
    run(&store, &layers, &mut feed).await.unwrap();
    assert_eq!(feed.needed, [0, 1]);
    assert_eq!(store.blob(&Digest::of(&layers[0])), Some(layers[0].clone()));
    assert!(file(&store, &layers, 0, "of-another-client"), "the snapshot stays as it is");
    assert_eq!(store.missing(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_is_renewed_while_a_layer_is_slow_and_a_failed_renewal_ends_the_import() {
    for fails in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        if fails {
            store.fail(Call::Renew, 1);
        }
        let layers = ["0", "1"].map(layer);
        let image = Image::read(spec(&layers)).unwrap();
        // A layer that never comes would wait for ever, but for the renewal.
        let delay = (!fails).then_some(Duration::from_millis(300));
        let mut feed = MemoryFeed { held: HashMap::from([(1, delay)]), ..feed(&layers) };
        let options = options(Duration::from_millis(90));
        let result = import(&store, &image, &mut feed, &options, std::future::pending()).await;
        assert_eq!(result.is_err(), fails, "{result:?}");
        assert!(count(&store, Call::Renew) >= 2);
        assert_eq!((store.image(NAME).is_some(), store.is_empty()), (!fails, fails));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_import_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let layers = ["0", "1", "2", "3", "4"].map(layer);
    let image = Image::read(spec(&layers)).unwrap();
    let mut feed = MemoryFeed { held: HashMap::from([(1, None), (3, None)]), ..feed(&layers) };
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        ImportError::transfer("stopped")
    };
    let error = import(&store, &image, &mut feed, &options(timeouts()), stop).await.unwrap_err();
    assert_eq!(error.reason, "stopped");
    assert!(store.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blob_of_other_bytes_with_the_same_tree_is_refused_at_its_commit() {
    let plain = layer("1");
    let mut blob = Vec::new();
    flate2::read::GzEncoder::new(&plain[..], flate2::Compression::fast()).read_to_end(&mut blob).unwrap();
    // Another time in the header: the plain stream is the same.
    let mut other = blob.clone();
    other[4] ^= 1;
    let stated = [Bytes::from(blob)];
    let image = Image::read(spec_of(&stated, &[plain], "application/vnd.oci.image.layer.v1.tar+gzip")).unwrap();
    for (sent, arrives) in [(stated[0].clone(), true), (Bytes::from(other), false)] {
        let dir = tempfile::tempdir().unwrap();
        let store = new_store(dir.path());
        let result = import(&store, &image, &mut feed(&[sent]), &options(timeouts()), std::future::pending()).await;
        assert_eq!((result.is_ok(), store.image(NAME).is_some(), store.is_empty()), (arrives, arrives, !arrives));
        assert_eq!(result.err().map(|e| e.kind), (!arrives).then_some(FailureKind::Transfer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_are_a_failed_transfer_and_a_hostile_layer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layers = ["0", "1"].map(layer);
    let wrong = [layers[0].clone(), layer("2")];
    let hostile: [Bytes; 2] = [layers[0].clone(), archive(&[Item::file("../x", "")]).into()];
    for (sent, stated, kind) in [(&wrong, &layers, FailureKind::Transfer), (&hostile, &hostile, FailureKind::Refused)] {
        let store = new_store(dir.path());
        let error = run(&store, stated, &mut feed(sent)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(store.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_that_cannot_fit_fails_before_its_first_byte() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let layers = [layer("0")];
    let image = Image::read(spec(&layers)).unwrap();
    let limits = ImportLimits { reserve_bytes: u64::MAX, ..ImportLimits::default() };
    let options = ImportOptions { limits, lease: timeouts() };
    let mut feed = feed(&layers);
    let error = import(&store, &image, &mut feed, &options, std::future::pending()).await.unwrap_err();
    assert!(error.reason.contains("free disk space") && feed.needed.is_empty(), "{error}");
    assert!(store.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_without_layers_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = new_store(dir.path());
    let done = run(&store, &[], &mut feed(&[])).await.unwrap();
    assert_eq!((done.fetched, done.spans.len()), (0, 1));
    assert_eq!(store.missing(), Vec::<String>::new());
}
