//! Engines that request three layers at a time, as Docker does from 29.7 on (moby/moby#53081).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use handoff_registry::{Digest, PullRegistry, Settings, StoreKind};

use crate::client::{Image, Lab, blocking};

/// Small ranges, so that a layer has more of them than one receiver may hold.
const PART: usize = 64 << 10;
const AT_A_TIME: usize = 3;

fn open(registry: &str, layer: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(registry).unwrap();
    let path = format!("/v2/a/blobs/{}", Digest::of(layer));
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

fn assert_whole(mut stream: TcpStream, layer: &[u8]) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(layer), "{} of {} bytes", answer.len(), layer.len());
}

async fn receiver(lab: &Lab, image: &Image) -> PullRegistry {
    lab.send(StoreKind::Artifact, "app", image).await.unwrap();
    let settings = Settings { part_bytes: Some(PART), ..Settings::default() };
    PullRegistry::start(StoreKind::Artifact, lab.endpoint(), "app", &settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_with_three_requests_at_a_time_gets_all_layers_in_any_order() {
    let lab = Lab::new();
    let image = Arc::new(Image::new(&[3 << 20; 9]));
    let receiver = receiver(&lab, &image).await;
    let upwards: Vec<usize> = (0..9).collect();
    let downwards: Vec<usize> = (0..9).rev().collect();
    for order in [upwards, downwards, vec![6, 7, 8, 3, 4, 5, 0, 1, 2], vec![8, 0, 7, 1, 6, 2, 5, 3, 4]] {
        let (registry, image) = (receiver.registry(), Arc::clone(&image));
        blocking(move || {
            let queue = std::sync::Mutex::new(order.into_iter());
            std::thread::scope(|scope| {
                for _ in 0..AT_A_TIME {
                    scope.spawn(|| {
                        while let Some(layer) = { queue.lock().unwrap().next() } {
                            let layer = &image.layers[layer];
                            assert_whole(open(&registry, layer), layer);
                        }
                    });
                }
            });
        })
        .await;
    }
    assert_eq!(receiver.stop().broken, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_that_reads_its_three_upper_layers_one_by_one_gets_them() {
    let lab = Lab::new();
    // More than all buffers between the store and the engine hold.
    let image = Image::new(&[1 << 20, 1 << 20, 16 << 20, 16 << 20, 16 << 20]);
    let receiver = receiver(&lab, &image).await;
    let registry = receiver.registry();
    blocking(move || {
        // The lower layers are never requested, and the engine begins with any of the three.
        for order in [[2, 3, 4], [4, 3, 2], [3, 4, 2]] {
            let mut open: Vec<_> = [4, 3, 2].map(|layer| (layer, open(&registry, &image.layers[layer]))).into();
            for layer in order {
                let at = open.iter().position(|(opened, _)| *opened == layer).unwrap();
                assert_whole(open.remove(at).1, &image.layers[layer]);
            }
        }
    })
    .await;
    assert_eq!(receiver.stop().broken, None);
}
