use std::io::Write as _;
use std::net::TcpStream;

use handoff_registry::{Digest, Error, PullRegistry, PushRegistry, Settings, StoreKind};

use crate::client::{Image, Lab, TYPE, blocking, call, noise};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_digest_missing_blob_and_foreign_layer_are_refused_with_the_reason() {
    let lab = Lab::new();
    let sender = lab.sender(StoreKind::Artifact, "app").await.unwrap();
    let registry = sender.registry();
    blocking(move || {
        let image = Image::new(&[600 << 10]);
        let begun = call(&registry, "POST", "/v2/a/blobs/uploads/", &[], b"");
        let path = format!("{}?digest={}", begun.header("location").unwrap(), Digest::of(b"other"));
        let put = call(&registry, "PUT", &path, &[], &image.layers[0]);
        let message = String::from_utf8_lossy(&put.body).into_owned();
        assert!(put.status == 400 && message.contains("DIGEST_INVALID"), "{message}");
        let put = |text: &str| {
            let put = call(&registry, "PUT", "/v2/a/manifests/1", &[("content-type", TYPE)], text.as_bytes());
            (put.status, String::from_utf8_lossy(&put.body).into_owned())
        };
        let (status, message) = put(&image.manifest);
        assert!(status == 404 && message.contains("MANIFEST_BLOB_UNKNOWN"), "{message}");
        let foreign = image.manifest.replace("image.layer.v1.tar", "image.layer.nondistributable.v1.tar");
        let (status, message) = put(&foreign);
        assert!(status == 400 && message.contains("not distributable"), "{message}");
        assert_eq!(put("{}").0, 400);
        assert_eq!(call(&registry, "PUT", "/v2/a/blobs/uploads/99?digest=x", &[], b"").status, 400);
        assert_eq!(call(&registry, "PATCH", "/v2/a/blobs/uploads/99", &[], b"").status, 404);
        assert_eq!(call(&registry, "GET", "/v2/a/manifests/none", &[], b"").status, 404);
        assert_eq!(call(&registry, "DELETE", "/v2/a/manifests/none", &[], b"").status, 405);
    })
    .await;
    assert!(matches!(sender.commit("").await, Err(Error::NothingPushed)));
    assert!(matches!(lab.receiver(StoreKind::Artifact, "app").await, Err(Error::NotSent { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn image_without_commit_is_not_visible() {
    let lab = Lab::new();
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let sender = lab.sender(kind, "cut").await.unwrap();
        let registry = sender.registry();
        blocking(move || Image::new(&[MIB]).push(&registry)).await;
        drop(sender);
        let error = lab.receiver(kind, "cut").await.unwrap_err().to_string();
        assert!(error.contains("handoff send"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_that_is_taken_is_refused() {
    let lab = Lab::new();
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        lab.send(kind, "app", &Image::new(&[10])).await.unwrap();
        let refused = match lab.sender(kind, "app").await {
            // An artifact is asked for beside the build; that is when its name is seen to be taken.
            Ok(again) => again.ready().await,
            Err(error) => Err(error),
        };
        assert!(refused.is_err());
    }
}

/// Changes one byte of every file that a service keeps and that is larger than a table.
pub fn flip_a_byte(dir: &std::path::Path) -> usize {
    let mut flipped = 0;
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            flipped += flip_a_byte(&path);
        } else if entry.metadata().unwrap().len() > MIB as u64 {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[MIB / 2] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            flipped += 1;
        }
    }
    flipped
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_blob_is_truncated_and_reported() {
    let lab = Lab::new();
    let image = Image::new(&[3 * MIB, 2 * MIB]);
    lab.send(StoreKind::Artifact, "app", &image).await.unwrap();
    assert!(flip_a_byte(lab.store()) > 0);
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let registry = receiver.registry();
    let whole = blocking(move || {
        let get = |blob: &Vec<u8>| call(&registry, "GET", &format!("/v2/a/blobs/{}", Digest::of(blob)), &[], b"");
        image.layers.iter().map(|l| get(l).whole).collect::<Vec<_>>()
    })
    .await;
    assert!(whole.contains(&false), "{whole:?}");
    assert!(receiver.broken().unwrap().contains("damaged"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicted_entry_is_reported_before_any_pull() {
    let lab = Lab::limited(5 * MIB as u64);
    lab.send(StoreKind::Cache, "old", &Image::new(&[2 * MIB])).await.unwrap();
    // Newer entries push it out, its table excepted.
    let newer = Image { layers: vec![noise(2 * MIB, 1)], ..Image::new(&[1]) };
    let sender = lab.sender(StoreKind::Cache, "new").await.unwrap();
    let registry = sender.registry();
    blocking(move || {
        for seed in 1..=2 {
            let blob = noise(2 * MIB, seed);
            let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&blob));
            assert_eq!(call(&registry, "POST", &path, &[], &blob).status, 201);
        }
        newer
    })
    .await;
    // An earlier image with an evicted entry is not used.
    let settings = Settings { earlier: Some("ol".into()), ..Settings::default() };
    let beside = PushRegistry::start(StoreKind::Cache, lab.endpoint(), "beside", &settings).await.unwrap();
    assert_eq!(beside.earlier(), None);
    let error = lab.receiver(StoreKind::Cache, "old").await.unwrap_err();
    assert!(matches!(error, Error::Evicted { .. } | Error::NotSent { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_or_broken_upload_can_be_pushed_again() {
    let lab = Lab::new();
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let image = Image::new(&[6 * MIB]);
        let sender = lab.sender(kind, "again").await.unwrap();
        let (registry, pushed) = (sender.registry(), image.clone());
        blocking(move || {
            let (layer, digest) = (&pushed.layers[0], Digest::of(&pushed.layers[0]));
            let begin = || {
                let begun = call(&registry, "POST", "/v2/app/blobs/uploads/", &[], b"");
                begun.header("location").unwrap().to_owned()
            };
            let cancelled = begin();
            // Blocks of it are in the store already.
            assert_eq!(call(&registry, "PATCH", &cancelled, &[], &layer[..5 * MIB]).status, 202);
            assert_eq!(call(&registry, "DELETE", &cancelled, &[], b"").status, 204);
            for (method, path) in [("DELETE", cancelled.clone()), ("PUT", format!("{cancelled}?digest={digest}"))] {
                assert_eq!(call(&registry, method, &path, &[], b"").status, 404, "{method}");
            }
            // A client that dies has promised more than it sends.
            let path = format!("{}?digest={digest}", begin());
            let mut stream = TcpStream::connect(&registry).unwrap();
            write!(stream, "PUT {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", layer.len()).unwrap();
            stream.write_all(&layer[..5 * MIB]).unwrap();
            drop(stream);
            let blob = call(&registry, "HEAD", &format!("/v2/app/blobs/{digest}"), &[], b"");
            assert_eq!(blob.status, 404, "a part is no blob");
            pushed.push(&registry);
        })
        .await;
        sender.commit("").await.unwrap();
        let receiver = lab.receiver(kind, "again").await.unwrap();
        let registry = receiver.registry();
        blocking(move || image.pull(&registry)).await;
        assert_eq!(receiver.stop().broken, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_to_a_busy_service_is_retried() {
    let lab = Lab::behind("[faults]\n503 = '20%'\nseed = 1\n");
    let image = Image::new(&[12 * MIB, 12 * MIB]);
    let settings = Settings { part_bytes: Some(MIB), ..Settings::default() };
    let sender = PushRegistry::start(StoreKind::Artifact, lab.endpoint(), "app", &settings).await.unwrap();
    let (registry, pushed) = (sender.registry(), image.clone());
    blocking(move || pushed.push(&registry)).await;
    assert!(sender.commit("").await.unwrap().traffic.retries > 0);
    let receiver = PullRegistry::start(StoreKind::Artifact, lab.endpoint(), "app", &settings).await.unwrap();
    let registry = receiver.registry();
    blocking(move || image.pull(&registry)).await;
    let received = receiver.stop();
    assert!(received.traffic.retries > 0 && received.broken.is_none(), "{received:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_manifest_and_blob_are_not_found_by_the_receiver() {
    let lab = Lab::new();
    lab.send(StoreKind::Artifact, "app", &Image::new(&[10])).await.unwrap();
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let registry = receiver.registry();
    blocking(move || {
        for path in [format!("blobs/{}", Digest::of(b"other")), "blobs/sha256:short".into(), "manifests/2".into()] {
            assert_eq!(call(&registry, "GET", &format!("/v2/app/{path}"), &[], b"").status, 404, "{path}");
        }
        assert_eq!(call(&registry, "POST", "/v2/app/blobs/uploads/", &[], b"").status, 405);
    })
    .await;
    assert_eq!(receiver.stop().broken, None, "a question is no failure");
}
