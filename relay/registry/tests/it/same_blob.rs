//! One blob that several clients push at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Barrier;

use handoff_registry::{Digest, StoreKind};

use crate::client::{Image, Lab, blocking, call};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layer_pushed_by_eight_clients_at_once_is_uploaded_once() {
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let (lab, image) = (Lab::behind("[artifact.up]\naggregate = '64MiB/s'\n"), Image::new(&[12 * MIB]));
        let sender = lab.sender(kind, "app").await.unwrap();
        let (registry, pushed) = (sender.registry(), image.clone());
        blocking(move || {
            let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&pushed.layers[0]));
            let barrier = Barrier::new(8);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        barrier.wait();
                        assert_eq!(call(&registry, "POST", &path, &[], &pushed.layers[0]).status, 201);
                    });
                }
            });
            pushed.push(&registry);
        })
        .await;
        let sent = sender.commit(&[("app", "1")]).await.unwrap();
        // Three blocks of the layer, one of the table, and the calls.
        assert!(sent.traffic.requests < 14, "{:?}", sent.traffic);
        let receiver = lab.receiver(kind, "app").await.unwrap();
        let registry = receiver.registry();
        blocking(move || image.pull(&registry)).await;
        assert_eq!(receiver.stop().broken, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_goes_on_when_the_first_dies_or_lies() {
    let (lab, image) = (Lab::new(), Image::new(&[6 * MIB]));
    let sender = lab.sender(StoreKind::Artifact, "app").await.unwrap();
    let (registry, pushed) = (sender.registry(), image.clone());
    blocking(move || {
        let layer = &pushed.layers[0];
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(layer));
        let mut dying = TcpStream::connect(&registry).unwrap();
        write!(dying, "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", layer.len()).unwrap();
        dying.write_all(&layer[..5 * MIB]).unwrap();
        let mut wrong = layer.clone();
        wrong[MIB] ^= 1;
        std::thread::scope(|scope| {
            let lie = scope.spawn(|| call(&registry, "POST", &path, &[], &wrong).status);
            let truth = scope.spawn(|| call(&registry, "POST", &path, &[], layer).status);
            drop(dying);
            assert_eq!((lie.join().unwrap(), truth.join().unwrap()), (400, 201));
        });
        assert_eq!(call(&registry, "POST", &path, &[], &wrong).status, 400, "a lie about a stored blob, too");
        pushed.push(&registry);
    })
    .await;
    sender.commit(&[("app", "1")]).await.unwrap();
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let registry = receiver.registry();
    blocking(move || image.pull(&registry)).await;
}
