//! Service inside this process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use handoff_link::RequestRecord;
use handoff_model::{Counters, ServiceUsage};

use crate::account::Account;
use crate::api;
use crate::blob::{self, BlobStore};
use crate::clock;
use crate::config::{ServiceConfig, Stored, TokenSpec, plain_id};
use crate::crypto::{self, Key};
use crate::error::ServiceError;
use crate::http::{Exchange, Listener, reachable};
use crate::state::State;
use crate::timeouts::CLOCK_SKEW;
use crate::token::{self, Claims, READ, Scope, WRITE};

/// Emulator of GitHub's artifact and cache services, with one thread per connection.
///
/// Dropping it closes all connections and deletes the store.
pub struct Service {
    state: Arc<State>,
    listener: Listener,
}

impl Service {
    /// Starts a service.
    ///
    /// # Errors
    /// [`ServiceError::Bind`] when the address is taken, [`ServiceError::Store`] when the folder cannot be used, and
    /// [`ServiceError::System`].
    pub fn start_blocking(mut config: ServiceConfig) -> Result<Self, ServiceError> {
        let addr = config.bind;
        let failed = |source| ServiceError::Bind { addr, source };
        let socket = TcpListener::bind(addr).map_err(failed)?;
        config.bind = socket.local_addr().map_err(failed)?;
        let key = Key::random().map_err(ServiceError::System)?;
        let instance = hex::encode(crypto::random_bytes::<8>().map_err(ServiceError::System)?);
        let blobs = BlobStore::create(&config.store_dir)?;
        let state = Arc::new(State::new(config, key, blobs));
        let shared_state = Arc::clone(&state);
        let handler = move |exchange: &mut Exchange<'_>| {
            let path = &exchange.head.path;
            // Every other path gets JSON, which all clients parse.
            let is_blob = path.starts_with("/actions-results/") || path.starts_with("/actions-cache/");
            if is_blob { blob::handle(&shared_state, exchange) } else { api::handle(&shared_state, exchange) }
        };
        match Listener::start(socket, instance, Box::new(handler)) {
            Ok(listener) => Ok(Self { state, listener }),
            Err(error) => {
                state.blobs.clear();
                Err(ServiceError::System(error))
            }
        }
    }

    /// Address of the service.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// URL `http://127.0.0.1:PORT/`, with the slash at the end that some clients need.
    pub fn base_url(&self) -> String {
        format!("http://{}/", reachable(self.addr()))
    }

    /// Mints a token for one job: a JWT signed with the key of this service.
    pub fn mint(&self, spec: TokenSpec) -> String {
        let spec = TokenSpec { run: plain_id(&spec.run), job: plain_id(&spec.job), ..spec };
        let denied = spec.deny_cache_writes || !self.state.config.profile.cache_writes();
        let permission = if denied { READ } else { READ | WRITE };
        let write_scope = Scope { name: spec.ref_scope.clone(), permission };
        let read_scopes = spec.read_scopes.iter().map(|name| Scope { name: name.clone(), permission: READ });
        let scopes: Vec<Scope> = std::iter::once(write_scope).chain(read_scopes).collect();
        let id = self.state.next_token_id();
        let now = clock::unix_seconds();
        let claims = Claims {
            scp: format!("Actions.Results:{}:{}", spec.run, spec.job),
            // Strings and numbers always serialize; a token without scopes would be refused.
            ac: serde_json::to_string(&scopes).unwrap_or_default(),
            nbf: now - CLOCK_SKEW.as_secs().cast_signed(),
            exp: now.saturating_add_unsigned(spec.ttl.as_secs()),
            jti: id.clone(),
            trial: spec.trial.clone(),
            role: spec.role.clone(),
        };
        let link = self.state.network.link(&format!("{}/{}", spec.run, spec.job));
        self.state.accounts.add(id, spec, link);
        token::encode(&self.state.key, &claims)
    }

    /// Revokes the token and every URL signed for it. Requests in progress may finish. Returns false for a token of another
    /// service.
    pub fn revoke(&self, token: &str) -> bool {
        let account = self.account(token);
        account.inspect(|account| account.revoke()).is_some()
    }

    /// Counters of the token so far; zeros for a token of another service.
    ///
    /// A request is counted before its client has the whole answer.
    pub fn counters(&self, token: &str) -> Counters {
        let Some(account) = self.account(token) else { return Counters::default() };
        Counters { stored_bytes: self.state.stored_by(&account), ..account.counters() }
    }

    /// Latest requests of the token in the order of their answers, at most `log_capacity`.
    pub fn request_log(&self, token: &str) -> Vec<RequestRecord> {
        self.account(token).map(|account| account.log()).unwrap_or_default()
    }

    /// Deletes the artifacts, cache entries and files of `run`.
    pub fn purge(&self, run: &str) {
        self.state.purge(&plain_id(run));
    }

    /// Deletes an artifact or cache entry with its blob; returns the number of deleted ones.
    pub fn delete(&self, stored: &Stored) -> usize {
        self.state.delete(stored)
    }

    /// Deletes the blob of an artifact or cache entry alone; returns the number of deleted blobs. Lookups still find the entry,
    /// and its URL answers 404, as after a loss in the storage.
    pub fn delete_blob(&self, stored: &Stored) -> usize {
        self.state.delete_blob(stored)
    }

    /// Keys of the finalized cache entries of `run`, oldest first.
    pub fn cache_keys(&self, run: &str) -> Vec<String> {
        let run = plain_id(run);
        let entries = self.state.caches.select(|entry| entry.run == run && entry.size.is_some());
        entries.into_iter().map(|entry| entry.key).collect()
    }

    /// Resets the rate limits, as if a minute had passed, because the next requests belong to another workflow.
    pub fn reset_rate_limits(&self) {
        self.state.reset_rate_limits();
    }

    /// Bytes that `run` stores now, committed or staged.
    pub fn stored_bytes(&self, run: &str) -> u64 {
        let run = plain_id(run);
        self.state.blobs.stored_bytes(|owner| owner.run == run)
    }

    /// CPU time and peak memory of this process.
    pub fn usage(&self) -> ServiceUsage {
        crate::usage::now()
    }

    /// Environment variables of a client, except `NODE_OPTIONS`.
    pub fn client_env(&self, token: &str) -> Vec<(String, String)> {
        client_env(&self.base_url(), token)
    }

    /// Ends the service, as dropping it does.
    #[allow(clippy::unused_async, reason = "callers are asynchronous; an end that waits for something may come")]
    pub async fn shutdown(self) {
        drop(self);
    }

    fn account(&self, token: &str) -> Option<Arc<Account>> {
        let claims = token::decode_signed(&self.state.key, token).ok()?;
        self.state.accounts.get(&claims.jti)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.state.network.end();
        self.listener.end();
        self.state.blobs.clear();
    }
}

/// Environment variables of a client for the service at `base_url`, as [`Service::client_env`].
pub fn client_env(base_url: &str, token: &str) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        pair("ACTIONS_RESULTS_URL", base_url),
        pair("ACTIONS_CACHE_URL", base_url),
        pair("ACTIONS_RUNTIME_URL", base_url),
        pair("ACTIONS_RUNTIME_TOKEN", token),
        pair("ACTIONS_CACHE_SERVICE_V2", "true"),
        // For another server, clients refuse artifacts and use the first cache service.
        pair("GITHUB_SERVER_URL", "https://github.com"),
    ]
}
