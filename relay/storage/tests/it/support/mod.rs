//! A real service, a proxy that injects faults into chosen answers, and a client with short waits between retries.

pub mod proxy;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use handoff_services::{Service, ServiceConfig, TokenSpec};
use handoff_storage::{
    ArtifactClient, ArtifactTarget, CacheClient, Error, Limits, RetryPolicy, ServiceEndpoint, UploadOutcome, UploadPlan,
};

use proxy::{Front, Proxy, Rule};

/// Small blocks, so that small streams have many.
pub const PLAN: UploadPlan = UploadPlan { block_bytes: 64 << 10, in_flight: 4 };

/// Few attempts without waits.
pub const RETRY: RetryPolicy =
    RetryPolicy { attempts: 3, base: Duration::ZERO, cap: Duration::ZERO, limits: Limits::DEFAULT };

pub struct Lab {
    pub client: ArtifactClient,
    pub endpoint: ServiceEndpoint,
    pub proxy: Proxy,
    pub service: Service,
    _store: tempfile::TempDir,
}

impl Lab {
    /// A service whose answers all arrive as they are.
    pub async fn fair() -> Self {
        Self::with(|_| proxy::Fault::Pass).await
    }

    /// A service behind a proxy that does what `rule` says to each request.
    pub async fn with(rule: impl Fn(&proxy::Seen) -> proxy::Fault + Send + Sync + 'static) -> Self {
        Self::behind(Front::plain(), rule).await
    }

    /// Starts a service behind a proxy with this front.
    pub async fn behind(front: Front, rule: impl Fn(&proxy::Seen) -> proxy::Fault + Send + Sync + 'static) -> Self {
        Self::start(front, "", rule).await
    }

    /// A service with figures of the profile, and a client whose limits are short.
    pub async fn figures(figures: &str, rule: impl Fn(&proxy::Seen) -> proxy::Fault + Send + Sync + 'static) -> Self {
        Self::start(Front::plain(), figures, rule).await
    }

    async fn start(
        front: Front,
        figures: &str,
        rule: impl Fn(&proxy::Seen) -> proxy::Fault + Send + Sync + 'static,
    ) -> Self {
        let (rule, scheme): (Rule, _) = (Box::new(rule), front.scheme);
        let store = tempfile::tempdir().unwrap();
        let mut config = ServiceConfig::new(store.path());
        if !figures.is_empty() {
            config.profile = handoff_link::profile::load(&format!("loopback:{figures}")).unwrap();
        }
        let service = Service::start_blocking(config).unwrap();
        let upstream = service.base_url().trim_end_matches('/').trim_start_matches("http://").parse().unwrap();
        let proxy = Proxy::start(upstream, front, rule).await;
        let token = service.mint(TokenSpec::default());
        let endpoint = ServiceEndpoint { results_url: format!("{scheme}://{}/", proxy.address), token };
        let client = ArtifactClient::with_retry(endpoint.clone(), RETRY).unwrap();
        Self { client, endpoint, proxy, service, _store: store }
    }

    pub async fn upload(&self, name: &str, data: &[u8]) -> Result<UploadOutcome, Error> {
        let reader = io::Cursor::new(data.to_vec());
        self.client.upload_stream(reader, &ArtifactTarget::zstd(name), &PLAN, || Ok(())).await
    }

    /// A client of the same service with other limits.
    pub fn client_with(&self, limits: Limits) -> ArtifactClient {
        ArtifactClient::with_retry(self.endpoint.clone(), RetryPolicy { limits, ..RETRY }).unwrap()
    }

    pub fn caches(&self) -> CacheClient {
        CacheClient::new(self.endpoint.clone(), RETRY, "v").unwrap()
    }

    /// Number of calls of a method so far.
    pub fn calls(&self, method: &str) -> usize {
        self.proxy.seen().iter().filter(|seen| seen.path.ends_with(method)).count()
    }

    /// Whether anyone could see an artifact of that name.
    pub async fn listed(&self, name: &str) -> bool {
        !self.client.list(Some(name)).await.unwrap().is_empty()
    }
}

/// Bytes without any period that could hide a block in the wrong place.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
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

/// A writer that keeps what it got.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Kept {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
