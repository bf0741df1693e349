//! Transfers whose blobs are stored as zstd frames.

use handoff_registry::{Digest, Encoding, PullRegistry, PushRegistry, Sent, Settings, StoreKind};

use crate::client::{Image, Lab, blocking, call, noise};

const MIB: usize = 1 << 20;

fn settings(encoding: Encoding) -> Settings {
    Settings { encoding, part_bytes: Some(MIB), ..Settings::default() }
}

/// Bytes as in a plain tar: half of them repeat.
fn compressible(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = noise(length, seed);
    bytes.chunks_mut(4096).skip(1).step_by(2).for_each(|page| page.fill(7));
    bytes
}

/// Layers of several frames, of exactly one, below one, and a compressed one.
fn image() -> Image {
    let mut packed = noise(3 * MIB, 9);
    packed[..2].copy_from_slice(b"\x1f\x8b");
    Image::of(vec![compressible(13 * MIB + 17, 1), compressible(4 * MIB, 2), compressible(300 << 10, 3), packed])
}

async fn send(lab: &Lab, kind: StoreKind, name: &str, image: &Image, encoding: Encoding) -> Sent {
    let sender = PushRegistry::start(kind, lab.endpoint(), name, &settings(encoding)).await.unwrap();
    let (registry, image) = (sender.registry(), image.clone());
    blocking(move || image.push(&registry)).await;
    sender.commit(&[("example/app:1", "1")]).await.unwrap()
}

async fn receiver(lab: &Lab, kind: StoreKind, name: &str) -> PullRegistry {
    PullRegistry::start(kind, lab.endpoint(), name, &settings(Encoding::None)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encoded_image_is_smaller_in_the_store_and_equal_when_pulled() {
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let (lab, image) = (Lab::new(), image());
        let sent = send(&lab, kind, "app", &image, Encoding::Zstd).await;
        let whole: usize = image.blobs().map(Vec::len).sum();
        assert_eq!(sent.received, whole as u64);
        if kind == StoreKind::Artifact {
            assert!(sent.stored < whole as u64 * 7 / 10, "{} of {whole}", sent.stored);
        }
        let receiver = receiver(&lab, kind, "app").await;
        let (registry, image) = (receiver.registry(), image.clone());
        blocking(move || image.pull(&registry)).await;
        let received = receiver.stop();
        assert_eq!((received.broken, received.given), (None, whole as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_of_an_encoded_blob_are_plain_bytes() {
    let (lab, image) = (Lab::new(), image());
    send(&lab, StoreKind::Artifact, "app", &image, Encoding::Zstd).await;
    let receiver = receiver(&lab, StoreKind::Artifact, "app").await;
    let registry = receiver.registry();
    blocking(move || {
        let layer = &image.layers[0];
        let path = format!("/v2/a/blobs/{}", Digest::of(layer));
        let frame = 4 * MIB;
        let ends = [
            (0, 0),
            (1, frame - 1),
            (frame - 1, frame),
            (frame, frame),
            (7, 2 * frame + 7),
            (13 * MIB, layer.len() - 1),
        ];
        for (first, last) in ends {
            let range = format!("bytes={first}-{last}");
            let got = call(&registry, "GET", &path, &[("range", &range)], b"");
            assert!(got.status == 206 && got.body == layer[first..=last], "{range}");
        }
        let head = call(&registry, "HEAD", &path, &[], b"");
        assert_eq!(head.header("content-length"), Some(layer.len().to_string().as_str()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encoded_entry_of_an_earlier_run_is_reused_with_its_frames() {
    let (lab, image) = (Lab::new(), image());
    send(&lab, StoreKind::Cache, "one", &image, Encoding::Zstd).await;
    for (name, encoding) in [("two", Encoding::Zstd), ("three", Encoding::None)] {
        let sent = send(&lab, StoreKind::Cache, name, &image, encoding).await;
        assert_eq!(sent.received, image.config.len() as u64, "all layers are there");
        assert_eq!(sent.reused, image.layers.iter().map(Vec::len).sum::<usize>() as u64);
        let receiver = receiver(&lab, StoreKind::Cache, name).await;
        let (registry, image) = (receiver.registry(), image.clone());
        blocking(move || image.pull(&registry)).await;
        assert_eq!(receiver.stop().broken, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_frame_is_truncated_and_reported() {
    let (lab, image) = (Lab::new(), Image::of(vec![compressible(9 * MIB, 1)]));
    send(&lab, StoreKind::Artifact, "app", &image, Encoding::Zstd).await;
    assert!(crate::faults::flip_a_byte(lab.store()) > 0);
    let receiver = receiver(&lab, StoreKind::Artifact, "app").await;
    let registry = receiver.registry();
    let path = format!("/v2/a/blobs/{}", Digest::of(&image.layers[0]));
    let got = blocking(move || call(&registry, "GET", &path, &[], b"")).await;
    assert!(!got.whole);
    assert!(receiver.stop().broken.unwrap().contains("damaged"));
}
