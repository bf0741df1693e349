//! Several images in one transfer.

use handoff_registry::{Digest, StoreKind};

use crate::client::{Image, Lab, TYPE, blocking, call};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_one_transfer_arrive_with_their_references_and_shared_layers_once() {
    let lab = Lab::new();
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let one = Image::new(&[600 << 10, 300 << 10]);
        let two = Image::of(vec![one.layers[0].clone(), crate::client::noise(500 << 10, 4711)]);
        let sender = lab.sender(kind, "both").await.unwrap();
        let (registry, first, second) = (sender.registry(), one.clone(), two.clone());
        blocking(move || {
            second.push_blobs(&registry);
            let path = "/v2/other/manifests/handoff-2";
            assert_eq!(call(&registry, "PUT", path, &[("content-type", TYPE)], second.manifest.as_bytes()).status, 201);
            first.push(&registry);
        })
        .await;
        assert_eq!(sender.tags(), ["1", "handoff-2"]);
        let references = [("example/app:1", "1"), ("example/db:7", "handoff-2")];
        let sent = sender.commit(&references).await.unwrap();
        let expected = [Digest::of(one.manifest.as_bytes()), Digest::of(two.manifest.as_bytes())];
        let digests: Vec<_> = sent.images.iter().map(|image| image.digest.clone()).collect();
        assert_eq!(digests, expected);
        assert_eq!((sent.digest, sent.blobs), (Some(expected[0].to_string()), 5), "the base layer is there once");
        let receiver = lab.receiver(kind, "both").await.unwrap();
        assert_eq!(receiver.images(), sent.images);
        assert_eq!(receiver.images()[1].reference, "example/db:7");
        let registry = receiver.registry();
        blocking(move || {
            one.pull(&registry);
            let path = format!("/v2/any/manifests/{}", expected[1]);
            assert_eq!(call(&registry, "GET", &path, &[], b"").body, two.manifest.as_bytes());
            two.pull_blobs(&registry);
        })
        .await;
        assert_eq!(receiver.stop().broken, None);
    }
}
