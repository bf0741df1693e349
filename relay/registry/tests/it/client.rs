//! A service, a registry client of a few lines, and an image made of noise.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use handoff_link::profile::Profile;
use handoff_registry::{Digest, PullRegistry, PushRegistry, Sent, Settings, StoreKind};
use handoff_services::{Service, ServiceConfig, TokenSpec};
use handoff_storage::ServiceEndpoint;

pub struct Lab {
    service: Service,
    store: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(Profile::default())
    }

    /// A service whose cache holds so many bytes.
    pub fn limited(bytes: u64) -> Self {
        Self::behind(&format!("[cache]\nstorage_limit = '{bytes}B'\n"))
    }

    /// A service behind a link with these figures.
    pub fn behind(figures: &str) -> Self {
        let text = format!("name = 'test'\nsummary = 's'\n{figures}");
        Self::with(Profile::parse("test", &text).unwrap())
    }

    fn with(profile: Profile) -> Self {
        let store = tempfile::tempdir().unwrap();
        let mut config = ServiceConfig::new(store.path());
        config.profile = profile;
        let service = Service::start_blocking(config).unwrap();
        Self { service, store }
    }

    /// Folder of the service's blobs.
    pub fn store(&self) -> &std::path::Path {
        self.store.path()
    }

    /// A job's view of the service; all jobs belong to one run.
    pub fn endpoint(&self) -> ServiceEndpoint {
        let token = self.service.mint(TokenSpec::default());
        ServiceEndpoint { results_url: self.service.base_url(), token }
    }

    /// Removes a cache entry, as an eviction does.
    pub fn delete_cache_entry(&self, key: &str) {
        assert_eq!(self.service.delete(&handoff_services::Stored::CacheEntry { key: key.to_owned() }), 1);
    }

    /// Number of a job's answered requests.
    pub fn requests(&self, endpoint: &ServiceEndpoint) -> usize {
        self.service.request_log(&endpoint.token).len()
    }

    pub async fn sender(&self, kind: StoreKind, name: &str) -> Result<PushRegistry, handoff_registry::Error> {
        PushRegistry::start(kind, self.endpoint(), name, &Settings::default()).await
    }

    pub async fn receiver(&self, kind: StoreKind, name: &str) -> Result<PullRegistry, handoff_registry::Error> {
        PullRegistry::start(kind, self.endpoint(), name, &Settings::default()).await
    }

    /// Pushes an image and completes it.
    pub async fn send(&self, kind: StoreKind, name: &str, image: &Image) -> Result<Sent, handoff_registry::Error> {
        let sender = self.sender(kind, name).await?;
        let (registry, image) = (sender.registry(), image.clone());
        tokio::task::spawn_blocking(move || image.push(&registry)).await.unwrap();
        sender.commit(&[("example/app:1", "1")]).await
    }
}

/// An answer of a registry.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body has the length that its head promises.
    pub whole: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }
}

/// Gets a body and counts its bytes as they come.
pub fn read(registry: &str, path: &str, count: &AtomicUsize) {
    let mut stream = TcpStream::connect(registry).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {registry}\r\nconnection: close\r\n\r\n").unwrap();
    let (mut bytes, mut head) = (vec![0; 64 << 10], Vec::new());
    loop {
        let n = stream.read(&mut bytes).unwrap();
        if n == 0 {
            return;
        }
        if head.ends_with(b"\r\n\r\n") {
            count.fetch_add(n, Ordering::SeqCst);
            continue;
        }
        head.extend_from_slice(&bytes[..n]);
        if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            count.fetch_add(head.len() - end - 4, Ordering::SeqCst);
            head.truncate(end + 4);
        }
    }
}

pub fn call(registry: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(registry).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {registry}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let body = bytes[split + 4..].to_vec();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, body, whole: true };
    let length = reply.header("content-length").and_then(|l| l.parse::<usize>().ok());
    reply.whole = method == "HEAD" || length.is_none_or(|l| l == reply.body.len());
    reply
}

/// An image: config, layers, manifest.
#[derive(Debug, Clone)]
pub struct Image {
    pub config: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
    pub manifest: String,
}

pub const TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes without any period that could hide a block in the wrong place.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length);
    data
}

impl Image {
    pub fn new(sizes: &[usize]) -> Self {
        Self::of(sizes.iter().enumerate().map(|(i, n)| noise(*n, 77 + i as u64)).collect())
    }

    /// Image of these layers.
    pub fn of(layers: Vec<Vec<u8>>) -> Self {
        let diff_ids: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
        let config = serde_json::json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let config = config.to_string().into_bytes();
        let described: Vec<_> = layers
            .iter()
            .map(|l| serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest::of(l).as_str(), "size": l.len() }))
            .collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": TYPE,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config).as_str(), "size": config.len() },
            "layers": described,
        });
        Self { config, layers, manifest: manifest.to_string() }
    }

    pub fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config])
    }

    /// Pushes as docker does: look for the blob, begin an upload, send the bytes, name the digest.
    pub fn push(&self, registry: &str) {
        self.push_blobs(registry);
        let put = call(registry, "PUT", "/v2/app/manifests/1", &[("content-type", TYPE)], self.manifest.as_bytes());
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    }

    /// Pushes config and layers.
    pub fn push_blobs(&self, registry: &str) {
        for blob in self.blobs() {
            let digest = Digest::of(blob);
            if call(registry, "HEAD", &format!("/v2/app/blobs/{digest}"), &[], b"").status == 200 {
                continue;
            }
            let begun = call(registry, "POST", "/v2/app/blobs/uploads/", &[], b"");
            assert_eq!(begun.status, 202, "{}", begun.head);
            let path = format!("{}?digest={digest}", begun.header("location").unwrap());
            let put = call(registry, "PUT", &path, &[], blob);
            assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
        }
    }

    /// Pulls all of it and compares.
    pub fn pull(&self, registry: &str) {
        let manifest = call(registry, "GET", "/v2/any/name/manifests/1", &[], b"");
        assert_eq!((manifest.status, manifest.header("content-type")), (200, Some(TYPE)));
        assert_eq!(String::from_utf8(manifest.body).unwrap(), self.manifest);
        self.pull_blobs(registry);
    }

    /// Pulls config and layers and compares.
    pub fn pull_blobs(&self, registry: &str) {
        for blob in self.blobs() {
            let got = call(registry, "GET", &format!("/v2/any/name/blobs/{}", Digest::of(blob)), &[], b"");
            assert_eq!(got.status, 200);
            assert!(got.body == *blob, "{} bytes received, {} sent", got.body.len(), blob.len());
        }
    }
}

/// Runs blocking code of a client beside the ends.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
