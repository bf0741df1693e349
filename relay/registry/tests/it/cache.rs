//! Reserved keys of the cache that are no entries, in the three ways in which they come about.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use handoff_registry::{Digest, Error, PushRegistry, Settings, StoreKind};
use handoff_storage::{CacheClient, RetryPolicy, ServiceEndpoint};

use crate::client::{Image, Lab, blocking, call};

const MIB: usize = 1 << 20;

fn cache(lab: &Lab) -> CacheClient {
    CacheClient::new(lab.endpoint(), RetryPolicy::default(), "handoff-relay-1").unwrap()
}

fn key_of(layer: &[u8]) -> String {
    format!("handoff-relay-blob-{}", Digest::of(layer))
}

/// Sends an image by a job with this view of the service.
async fn send(endpoint: ServiceEndpoint, name: &str, image: &Image) -> Result<handoff_registry::Sent, Error> {
    let sender = PushRegistry::start(StoreKind::Cache, endpoint, name, &Settings::default()).await?;
    let (registry, image) = (sender.registry(), image.clone());
    blocking(move || image.push(&registry)).await;
    sender.commit(&[("example/app:1", "1")]).await
}

async fn pull(lab: &Lab, name: &str, image: &Image) {
    let receiver = lab.receiver(StoreKind::Cache, name).await.unwrap();
    let (registry, image) = (receiver.registry(), image.clone());
    blocking(move || image.pull(&registry)).await;
    assert_eq!(receiver.stop().broken, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_of_a_killed_upload_does_not_lose_the_layer_of_later_jobs() {
    let (lab, image) = (Lab::new(), Image::new(&[2 * MIB]));
    let client = cache(&lab);
    // A job that was killed after the reservation: of the layer, and of the table.
    client.create(&key_of(&image.layers[0])).await.unwrap().unwrap();
    client.create("handoff-relay-image-one").await.unwrap().unwrap();
    send(lab.endpoint(), "one", &image).await.unwrap();
    pull(&lab, "one", &image).await;
    assert!(matches!(send(lab.endpoint(), "one", &image).await, Err(Error::Taken(_))), "the later attempt counts");
    // The next job finds the attempt.
    let sent = send(lab.endpoint(), "two", &image).await.unwrap();
    assert_eq!((sent.reused, sent.received), (2 * MIB as u64, image.config.len() as u64));
    pull(&lab, "two", &image).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_fails_when_no_key_is_free() {
    let (lab, image) = (Lab::new(), Image::new(&[2 * MIB]));
    let client = cache(&lab);
    let key = key_of(&image.layers[0]);
    client.create(&key).await.unwrap().unwrap();
    for attempt in 2..=5 {
        client.create(&format!("{key}.{attempt}")).await.unwrap().unwrap();
    }
    let sender = lab.sender(StoreKind::Cache, "one").await.unwrap();
    let registry = sender.registry();
    let put = blocking(move || {
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&image.layers[0]));
        call(&registry, "POST", &path, &[], &image.layers[0])
    })
    .await;
    let message = String::from_utf8_lossy(&put.body).into_owned();
    assert!(put.status == 500 && message.contains("never ended"), "{message}");
    assert!(matches!(sender.commit::<&str, &str>(&[]).await, Err(Error::Broken(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_jobs_that_send_one_layer_at_once_both_have_it() {
    let (lab, image) = (Lab::new(), Image::new(&[2 * MIB]));
    let endpoint = lab.endpoint();
    let first = PushRegistry::start(StoreKind::Cache, endpoint.clone(), "one", &Settings::default()).await.unwrap();
    let (registry, layer) = (first.registry(), image.layers[0].clone());
    let before = lab.requests(&endpoint);
    // The first job is in the middle of the layer during all of the second.
    let mut stream = blocking(move || {
        let mut stream = TcpStream::connect(&registry).unwrap();
        let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(&layer));
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            layer.len()
        )
        .unwrap();
        stream.write_all(&layer[..MIB]).unwrap();
        stream
    })
    .await;
    while lab.requests(&endpoint) == before {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(cache(&lab).create(&key_of(&image.layers[0])).await.unwrap().map(drop), None, "it is reserved");
    send(lab.endpoint(), "two", &image).await.unwrap();
    pull(&lab, "two", &image).await;
    let (registry, whole) = (first.registry(), image.clone());
    blocking(move || {
        stream.write_all(&whole.layers[0][MIB..]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        whole.push(&registry);
    })
    .await;
    first.commit(&[("example/app:1", "1")]).await.unwrap();
    pull(&lab, "one", &image).await;
}

/// Forwards calls to the service and drops the answers to the first reservation of each key that ends like one of `keys`.
fn lose_answers(upstream: String, keys: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lost: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&lost);
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = message(&mut stream);
            if request.is_empty() {
                continue;
            }
            // One request a connection: the service closes after its answer, and so does this.
            let mut service = TcpStream::connect(&upstream).unwrap();
            service.write_all(&request).unwrap();
            let answer = message(&mut service);
            let text = String::from_utf8_lossy(&request).into_owned();
            let is_chosen =
                text.contains("CreateCacheEntry") && keys.iter().any(|k| text.contains(&format!("\"{k}\"")));
            if is_chosen && !seen.contains(&request) {
                seen.push(request);
                count.fetch_add(1, Ordering::SeqCst);
            } else {
                stream.write_all(&answer).unwrap();
            }
        }
    });
    (format!("http://{address}/"), lost)
}

/// Reads a request or an answer with its body.
fn message(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        all.extend_from_slice(&piece[..read]);
        let end = all.windows(4).position(|w| w == b"\r\n\r\n");
        let head = String::from_utf8_lossy(&all[..end.unwrap_or(0)]).to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if read == 0 || end.is_some_and(|end| all.len() >= end + 4 + length.unwrap_or(0)) {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_reservations_do_not_lose_the_image() {
    let (lab, image) = (Lab::new(), Image::new(&[2 * MIB]));
    let endpoint = lab.endpoint();
    let upstream = endpoint.results_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let keys = vec![key_of(&image.layers[0]), "handoff-relay-image-one".to_owned()];
    let (results_url, lost) = lose_answers(upstream, keys);
    send(ServiceEndpoint { results_url, ..endpoint }, "one", &image).await.unwrap();
    assert_eq!(lost.load(Ordering::SeqCst), 2, "of the layer and of the table");
    pull(&lab, "one", &image).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_does_not_claim_an_eviction_that_it_has_not_seen() {
    let (lab, image) = (Lab::new(), Image::new(&[2 * MIB]));
    send(lab.endpoint(), "one", &image).await.unwrap();
    let receiver = lab.receiver(StoreKind::Cache, "one").await.unwrap();
    lab.delete_cache_entry(&key_of(&image.layers[0]));
    let error = lab.receiver(StoreKind::Cache, "one").await.unwrap_err();
    assert!(matches!(&error, Error::NotInCache { key, .. } if *key == key_of(&image.layers[0])), "{error}");
    // This receiver has seen the entry.
    let registry = receiver.registry();
    let path = format!("/v2/a/blobs/{}", Digest::of(&image.layers[0]));
    let got = blocking(move || call(&registry, "GET", &path, &[], b"")).await;
    assert!(!got.whole);
    let broken = receiver.stop().broken.unwrap();
    assert!(broken.contains("was evicted: run"), "{broken}");
}
