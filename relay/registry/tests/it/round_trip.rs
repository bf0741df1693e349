use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use handoff_registry::{Digest, PullRegistry, PushRegistry, Settings, StoreKind};

use crate::client::{Image, Lab, blocking, call, read};

const MIB: usize = 1 << 20;

/// Small layers, one at the edge, one of many blocks that ends within one.
fn image() -> Image {
    Image::new(&[100, 256 << 10, (256 << 10) + 1, 13 * MIB + 17, 4 * MIB])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulled_image_equals_the_pushed_image() {
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let lab = Lab::new();
        let image = image();
        let sent = lab.send(kind, "app", &image).await.unwrap();
        assert_eq!(sent.digest.unwrap(), Digest::of(image.manifest.as_bytes()).as_str());
        assert_eq!(sent.config.unwrap(), Digest::of(&image.config).as_str());
        assert_eq!(sent.layers.unwrap().len(), 5);
        // Any number of consumers.
        for _ in 0..2 {
            let receiver = lab.receiver(kind, "app").await.unwrap();
            assert_eq!(receiver.sent_as(), ("example/app:1", Some("1")));
            let (registry, image) = (receiver.registry(), image.clone());
            blocking(move || image.pull(&registry)).await;
            let received = receiver.stop();
            assert_eq!((received.broken, received.traffic.retries), (None, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_small_layers_take_few_requests() {
    let lab = Lab::new();
    let image = Image::new(&(1..=100).map(|n| n * 900).collect::<Vec<_>>());
    let sent = lab.send(StoreKind::Artifact, "app", &image).await.unwrap();
    assert!(sent.traffic.requests <= 6, "{:?}", sent.traffic);
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let registry = receiver.registry();
    blocking(move || image.pull(&registry)).await;
    let received = receiver.stop();
    // 4.3 MiB of them: the last one is there with the table, the others are ranges.
    assert!(received.traffic.requests <= 110, "{:?}", received.traffic);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layer_stored_by_an_earlier_run_is_not_sent_again() {
    let lab = Lab::new();
    let first = Image::new(&[2 * MIB, MIB]);
    lab.send(StoreKind::Cache, "one", &first).await.unwrap();
    // The last layer changes, as a push of a commit does.
    let second = Image { layers: vec![first.layers[0].clone(), first.layers[0][MIB..].to_vec()], ..first.clone() };
    let second = with_manifest(second);
    let sent = lab.send(StoreKind::Cache, "two", &second).await.unwrap();
    assert_eq!(sent.reused, 2 * MIB as u64);
    assert!(sent.received < MIB as u64 + 4096, "{}", sent.received);
    let receiver = lab.receiver(StoreKind::Cache, "two").await.unwrap();
    let registry = receiver.registry();
    blocking(move || second.pull(&registry)).await;
    assert_eq!(receiver.stop().broken, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builder_finds_the_newest_complete_earlier_image_and_sends_only_new_layers() {
    let lab = Lab::new();
    let first = Image::new(&[2 * MIB, 9000, MIB]);
    let settings = || Settings { earlier: Some("app-".into()), ..Settings::default() };
    let nothing = PushRegistry::start(StoreKind::Cache, lab.endpoint(), "app-0", &settings()).await.unwrap();
    assert_eq!(nothing.earlier(), None);
    drop(nothing);
    lab.send(StoreKind::Cache, "other-1", &Image::new(&[5])).await.unwrap();
    lab.send(StoreKind::Cache, "app-1", &first).await.unwrap();
    let sender = PushRegistry::start(StoreKind::Cache, lab.endpoint(), "app-2", &settings()).await.unwrap();
    let registry = sender.registry();
    assert_eq!(sender.earlier(), Some(format!("{registry}/handoff-earlier:1")));
    let mut second = first.clone();
    second.layers[2] = crate::client::noise(MIB, 4711);
    let second = with_manifest(second);
    let pushed = second.clone();
    blocking(move || {
        let get = |path: &str| call(&registry, "GET", &format!("/v2/handoff-earlier/{path}"), &[], b"");
        assert_eq!(String::from_utf8(get("manifests/1").body).unwrap(), first.manifest);
        for blob in first.blobs() {
            assert!(get(&format!("blobs/{}", Digest::of(blob))).body == *blob);
        }
        // What is of the earlier image is neither pushed nor lost.
        assert_eq!(get("manifests/2").status, 404);
        pushed.push(&registry);
    })
    .await;
    let sent = sender.commit(&[("", "1")]).await.unwrap();
    assert_eq!(sent.reused, (2 * MIB + 9000 + second.config.len()) as u64);
    assert_eq!(sent.received, MIB as u64);
    let receiver = lab.receiver(StoreKind::Cache, "app-2").await.unwrap();
    let registry = receiver.registry();
    blocking(move || second.pull(&registry)).await;
    assert_eq!(receiver.stop().broken, None);
    let taken = PushRegistry::start(StoreKind::Cache, lab.endpoint(), "app-2", &settings()).await;
    assert!(matches!(taken, Err(handoff_registry::Error::Taken { .. })));
}

/// The image with a manifest of its own layers.
fn with_manifest(image: Image) -> Image {
    let like = Image::new(&image.layers.iter().map(Vec::len).collect::<Vec<_>>());
    let mut manifest = like.manifest.clone();
    for (ours, theirs) in image.blobs().zip(like.blobs()) {
        manifest = manifest.replace(Digest::of(theirs).as_str(), Digest::of(ours).as_str());
    }
    let (old, new) = (format!("\"size\":{}", like.config.len()), format!("\"size\":{}", image.config.len()));
    Image { manifest: manifest.replace(&old, &new), ..image }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_and_monolithic_uploads_ranges_and_upload_status_follow_the_specification() {
    let lab = Lab::new();
    let sender = lab.sender(StoreKind::Artifact, "app").await.unwrap();
    let registry = sender.registry();
    let blob = blocking(move || {
        let blob = crate::client::noise(700 << 10, 5);
        let digest = Digest::of(&blob);
        let begun = call(&registry, "POST", "/v2/a/b/blobs/uploads/", &[], b"");
        let location = begun.header("location").unwrap().to_owned();
        let half = 350 << 10;
        let range = format!("0-{}", half - 1);
        let first = call(&registry, "PATCH", &location, &[("content-range", &range)], &blob[..half]);
        assert_eq!((first.status, first.header("range")), (202, Some(range.as_str())));
        let status = call(&registry, "GET", &location, &[], b"");
        assert_eq!((status.status, status.header("range")), (204, Some(range.as_str())));
        let gap = call(&registry, "PATCH", &location, &[("content-range", "999999-1000000")], b"xx");
        assert_eq!((gap.status, gap.header("range")), (416, Some(range.as_str())));
        let second = call(&registry, "PATCH", &location, &[], &blob[half..]);
        assert_eq!(second.status, 202);
        let done = call(&registry, "PUT", &format!("{location}?digest={digest}"), &[], b"");
        assert_eq!((done.status, done.header("docker-content-digest")), (201, Some(digest.as_str())));
        let small = b"small".as_slice();
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(small));
        assert_eq!(call(&registry, "POST", &path, &[], small).status, 201);
        let mount = format!("/v2/c/blobs/uploads/?mount={digest}&from=a/b");
        assert_eq!(call(&registry, "POST", &mount, &[], b"").status, 201);
        let back = call(&registry, "GET", &format!("/v2/a/blobs/{}", Digest::of(small)), &[], b"");
        assert_eq!(back.body, small);
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":5}},"layers":[{{"digest":"{digest}","size":{}}}]}}"#,
            Digest::of(small),
            blob.len()
        );
        assert_eq!(call(&registry, "PUT", "/v2/a/manifests/t", &[], manifest.as_bytes()).status, 201);
        blob
    })
    .await;
    sender.commit(&[("", "t")]).await.unwrap();
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let registry = receiver.registry();
    blocking(move || {
        let path = format!("/v2/a/blobs/{}", Digest::of(&blob));
        let part = call(&registry, "GET", &path, &[("range", "bytes=1000-1999")], b"");
        assert_eq!((part.status, part.body.as_slice()), (206, &blob[1000..2000]));
        let rest = call(&registry, "GET", &path, &[("range", "bytes=700000-")], b"");
        assert_eq!((rest.status, rest.body.as_slice()), (206, &blob[700_000..]));
        assert_eq!(call(&registry, "GET", &path, &[("range", "bytes=9999999-")], b"").status, 416);
        let head = call(&registry, "HEAD", &path, &[], b"");
        assert_eq!(head.header("content-length"), Some(blob.len().to_string().as_str()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_without_layers_round_trips() {
    let lab = Lab::new();
    let image = Image::new(&[]);
    lab.send(StoreKind::Artifact, "empty", &image).await.unwrap();
    let receiver = lab.receiver(StoreKind::Artifact, "empty").await.unwrap();
    let registry = receiver.registry();
    blocking(move || image.pull(&registry)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lowest_layer_is_fetched_first_when_all_are_requested() {
    // Slow enough that it shows who has it; one request at a time, so that no other layer has many in flight by accident.
    let lab = Lab::behind("[artifact.down]\naggregate = '64MiB/s'\n");
    let image = Image::new(&[32 * MIB, 33 * MIB, 34 * MIB]);
    lab.send(StoreKind::Artifact, "app", &image).await.unwrap();
    let settings = Settings { connections: Some(1), ..Settings::default() };
    let receiver = PullRegistry::start(StoreKind::Artifact, lab.endpoint(), "app", &settings).await.unwrap();
    let registry = receiver.registry();
    // Before the first is asked for: all are to be asked for in one moment.
    let digests: Vec<_> = image.layers.iter().map(|layer| (Digest::of(layer), layer.len())).collect();
    let got: Arc<[AtomicUsize; 3]> = Arc::default();
    let pulls: Vec<_> = (0..3)
        .rev()
        .map(|layer| {
            let (registry, got) = (registry.clone(), Arc::clone(&got));
            let (digest, size) = digests[layer].clone();
            std::thread::spawn(move || {
                read(&registry, &format!("/v2/a/blobs/{digest}"), &got[layer]);
                // What the others had when this one was whole.
                got.iter().map(|n| n.load(Ordering::SeqCst)).sum::<usize>() - size
            })
        })
        .collect();
    let others: Vec<usize> = blocking(|| pulls.into_iter().map(|p| p.join().unwrap()).collect()).await;
    assert_eq!(others[0], 65 * MIB, "the top layer is the last");
    assert!(others[2] < 32 * MIB, "the lowest was whole when {} bytes of the others had come", others[2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn part_size_follows_the_settings() {
    let lab = Lab::new();
    let image = Image::new(&[9 * MIB]);
    let mut requests = Vec::new();
    for mib in [1, 16] {
        let settings = Settings { part_bytes: Some(mib * MIB), ..Settings::default() };
        let name = format!("app-{mib}");
        let sender = PushRegistry::start(StoreKind::Artifact, lab.endpoint(), &name, &settings).await.unwrap();
        let (registry, pushed) = (sender.registry(), image.clone());
        blocking(move || pushed.push(&registry)).await;
        let sent = sender.commit(&[("example/app:1", "1")]).await.unwrap();
        let receiver = PullRegistry::start(StoreKind::Artifact, lab.endpoint(), &name, &settings).await.unwrap();
        let (registry, pulled) = (receiver.registry(), image.clone());
        blocking(move || pulled.pull(&registry)).await;
        requests.push((sent.traffic.requests, receiver.stop().traffic.requests));
    }
    // Nine blocks or one, nine ranges or one.
    assert_eq!((requests[0].0 - requests[1].0, requests[0].1 - requests[1].1), (8, 8));
}
