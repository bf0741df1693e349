//! State that all requests share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handoff_link::Direction;
use handoff_link::limits::Creations;

use crate::account::{Account, Accounts};
use crate::blob::{Access, BlobStore, Owner, UrlGrant};
use crate::catalog::{Artifact, Artifacts, Caches, Times};
use crate::clock;
use crate::config::{ServiceConfig, Stored, plain_id};
use crate::crypto::Key;
use crate::http::reachable;
use crate::link::Network;

/// State of a service.
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
    // Artifacts and entries share one sequence of ids, so that a confused id is never valid.
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

    /// Unique, unguessable id of a new token: the signature of a counter. Unlike a random number, it cannot fail.
    pub(crate) fn next_token_id(&self) -> String {
        let count = self.last_token.fetch_add(1, Ordering::Relaxed);
        hex::encode(&self.key.sign(format!("token {count}").as_bytes())[..16])
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a new cache entry against the rate limit.
    ///
    /// # Errors
    /// Seconds to wait when the limit is reached.
    pub(crate) fn may_create_entry(&self) -> Result<(), u64> {
        let Some(creations) = &self.creations else { return Ok(()) };
        creations.lock().unwrap_or_else(PoisonError::into_inner).take(clock::monotonic_ns())
    }

    /// Resets the rate limit, as if a minute had passed.
    pub(crate) fn reset_rate_limits(&self) {
        if let Some(creations) = &self.creations {
            creations.lock().unwrap_or_else(PoisonError::into_inner).reset();
        }
    }

    /// Evicts entries beyond the storage limit, at once and not once an hour as GitHub does.
    pub(crate) fn keep_within_storage(&self) {
        let Some(limit) = self.config.profile.storage_limit() else { return };
        self.remove_blobs(self.caches.evict(limit));
    }

    /// Adds an empty blob of `account`.
    pub(crate) fn add_blob(&self, path: &str, account: &Account) {
        self.blobs.add(path, Owner { run: account.spec.run.clone(), account: account.id.clone() });
    }

    /// Signs a URL for `account`, with a host name that makes its client behave as on GitHub.
    pub(crate) fn blob_url(&self, account: &Account, client: &Caller<'_>, grant: UrlGrant) -> String {
        let direction = match grant.access {
            Access::Read => Direction::Down,
            Access::Write => Direction::Up,
        };
        let ttl = self.config.profile.url_ttl(direction).unwrap_or(self.config.url_ttl);
        let expires = clock::unix_seconds().saturating_add_unsigned(ttl.as_secs());
        let grant = UrlGrant { expires, account: account.id.clone(), ..grant };
        let host = match &self.config.blob_host {
            Some(host) if client.is_npm() => format!("{host}:{}", client.local.port()),
            _ => reachable(client.local).to_string(),
        };
        format!("http://{host}{}", grant.sign(&self.key))
    }

    /// Times of an entry or artifact that is created now.
    pub(crate) fn reservation(&self) -> Times {
        let ttl = self.config.profile.reservation_ttl();
        Times::created(ttl.map(|ttl| clock::monotonic_ns().saturating_add(ttl.as_nanos() as u64)))
    }

    /// Time from which an entry or artifact is found that is finalized now.
    pub(crate) fn visible_from(&self) -> u64 {
        clock::monotonic_ns() + self.config.profile.lookup_lag().as_nanos() as u64
    }

    /// Removes the reservations that have ended, where the profile lets them end, for requests that must be fast.
    pub(crate) fn expire_reservations(&self) {
        if self.config.profile.reservation_ttl().is_some() {
            self.expire();
        }
    }

    /// Removes the reservations that have ended and the artifacts that have expired, with their blobs.
    pub(crate) fn expire(&self) {
        let now = clock::monotonic_ns();
        let artifacts = self.artifacts.expire(now, clock::unix_seconds());
        self.remove_blobs(artifacts.into_iter().chain(self.caches.expire(now)));
    }

    /// Deletes the data of `run`.
    pub(crate) fn purge(&self, run: &str) {
        let entries = self.caches.remove(|entry| entry.run == run);
        self.remove_blobs(self.artifacts.purge(run).into_iter().chain(entries));
    }

    /// Deletes an artifact or entry with its blob; returns the number of deleted ones.
    pub(crate) fn delete(&self, stored: &Stored) -> usize {
        let paths: Vec<String> = match stored {
            Stored::CacheEntry { key } => self.caches.remove(|entry| entry.key == *key),
            Stored::Artifact { .. } => {
                let removed = self.artifact(stored).and_then(|artifact| self.artifacts.remove(artifact.id));
                removed.into_iter().map(|artifact| artifact.path).collect()
            }
        };
        let count = paths.len();
        self.remove_blobs(paths);
        count
    }

    /// Deletes the blob alone, so that its entry or artifact leads to nothing; returns the number of deleted blobs.
    pub(crate) fn delete_blob(&self, stored: &Stored) -> usize {
        match stored {
            Stored::CacheEntry { key } => {
                self.remove_blobs(self.caches.select(|entry| entry.key == *key).into_iter().map(|entry| entry.path))
            }
            Stored::Artifact { .. } => self.remove_blobs(self.artifact(stored).map(|artifact| artifact.path)),
        }
    }

    fn artifact(&self, stored: &Stored) -> Option<Artifact> {
        let Stored::Artifact { run, name } = stored else { return None };
        self.artifacts.find(&plain_id(run), name)
    }

    fn remove_blobs(&self, paths: impl IntoIterator<Item = String>) -> usize {
        paths.into_iter().filter(|path| self.blobs.remove(path)).count()
    }

    pub(crate) fn stored_by(&self, account: &Arc<Account>) -> u64 {
        self.blobs.stored_bytes(|owner| owner.account == account.id)
    }
}

/// Properties of the caller that determine its URLs.
pub(crate) struct Caller<'a> {
    pub(crate) user_agent: &'a str,
    /// Address by which the caller reached the service.
    pub(crate) local: SocketAddr,
}

impl Caller<'_> {
    // `@actions/artifact-6.2.1`, `@actions/cache-6.3.0`; clients that bundle these packages keep their names.
    fn is_npm(&self) -> bool {
        self.user_agent.starts_with("@actions/")
    }
}
