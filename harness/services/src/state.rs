//! Everything that requests share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handoff_link::limits::Creations;

use crate::account::{Account, Accounts};
use crate::blob::{BlobStore, Owner, UrlGrant};
use crate::catalog::{Artifacts, Caches};
use crate::clock;
use crate::config::ServiceConfig;
use crate::crypto::{self, Key};
use crate::link::Network;

/// The state of a service.
pub(crate) struct State {
    pub(crate) key: Key,
    pub(crate) accounts: Accounts,
    pub(crate) blobs: BlobStore,
    pub(crate) artifacts: Artifacts,
    pub(crate) caches: Caches,
    pub(crate) config: ServiceConfig,
    pub(crate) network: Network,
    creations: Option<Mutex<Creations>>,
    last_token: AtomicU64,
    // Artifacts and entries share one count, as ids that clients may confuse should differ.
    last_id: AtomicU64,
}

impl State {
    pub(crate) fn new(config: ServiceConfig, key: Key, blobs: BlobStore) -> Self {
        let network = Network::new(config.profile.clone());
        let creations = config.profile.creates_per_minute().map(|most| Mutex::new(Creations::new(most)));
        Self {
            key,
            accounts: Accounts::new(config.log_capacity),
            blobs,
            artifacts: Artifacts::default(),
            caches: Caches::default(),
            config,
            network,
            creations,
            last_token: AtomicU64::new(0),
            last_id: AtomicU64::new(100),
        }
    }

    /// A name for a token that no other one has and nobody can guess: the service's own random key signs a count. A name drawn anew
    /// each time would need an answer to a generator that fails.
    pub(crate) fn next_token_id(&self) -> String {
        let count = self.last_token.fetch_add(1, Ordering::Relaxed);
        crypto::hex(&self.key.sign(format!("token {count}").as_bytes())[..16])
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes one of the minute's cache entries, or says after how many seconds to come again.
    pub(crate) fn may_create_entry(&self) -> Result<(), u64> {
        let Some(creations) = &self.creations else { return Ok(()) };
        creations.lock().unwrap_or_else(PoisonError::into_inner).take(clock::monotonic_ns())
    }

    /// Forgets what counts against a limit of time, as if a minute had gone by.
    pub(crate) fn rest(&self) {
        if let Some(creations) = &self.creations {
            creations.lock().unwrap_or_else(PoisonError::into_inner).forget();
        }
    }

    /// Removes the entries that the storage limit has no room for. At once, where GitHub looks once an hour.
    pub(crate) fn keep_within_storage(&self) {
        let Some(limit) = self.config.profile.storage_limit() else { return };
        for path in self.caches.evict(limit) {
            self.blobs.remove(&path);
        }
    }

    /// A new, empty blob of `account`.
    pub(crate) fn add_blob(&self, path: &str, account: &Account) {
        self.blobs.add(path, Owner { run: account.spec.run.clone(), account: account.id.clone() });
    }

    /// Signs a URL for `account`, on a host that makes its client behave as on GitHub.
    pub(crate) fn blob_url(&self, account: &Account, client: &Caller<'_>, grant: UrlGrant) -> String {
        let expires = clock::unix_seconds().saturating_add_unsigned(self.config.url_ttl.as_secs());
        let grant = UrlGrant { expires, account: account.id.clone(), ..grant };
        let host = match &self.config.blob_host {
            Some(host) if client.is_npm() => format!("{host}:{}", client.local.port()),
            _ => reachable(client.local).to_string(),
        };
        format!("http://{host}{}", grant.sign(&self.key))
    }

    /// Removes everything that `run` stored.
    pub(crate) fn purge(&self, run: &str) {
        for path in self.artifacts.purge(run).into_iter().chain(self.caches.purge(run)) {
            self.blobs.remove(&path);
        }
    }

    pub(crate) fn stored_by(&self, account: &Arc<Account>) -> u64 {
        self.blobs.stored_bytes(|owner| owner.account == account.id)
    }
}

/// Who calls, as far as URLs depend on it.
pub(crate) struct Caller<'a> {
    pub(crate) user_agent: &'a str,
    /// The address by which it reached the service.
    pub(crate) local: SocketAddr,
}

impl Caller<'_> {
    // `@actions/artifact-6.2.1`, `@actions/cache-6.3.0`; clients that bundle these packages keep their names.
    fn is_npm(&self) -> bool {
        self.user_agent.starts_with("@actions/")
    }
}

/// `addr` as a client can dial it: the address that means "all of them" becomes loopback.
pub(crate) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
