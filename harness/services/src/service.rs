//! The service as a value: started, asked, ended.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use handoff_link::RequestRecord;
use handoff_model::{Counters, ServiceUsage};

use crate::account::Account;
use crate::api;
use crate::blob::{self, BlobStore};
use crate::clock;
use crate::config::{ServiceConfig, TokenSpec, plain_id};
use crate::crypto::{self, Key};
use crate::error::ServiceError;
use crate::http::{Exchange, Listener};
use crate::state::{State, reachable};
use crate::token::{self, Claims, READ, Scope, WRITE};

/// GitHub's artifact and cache services on an address of this machine, with a thread for each connection.
///
/// Dropping it ends it: connections are cut, everything stored is deleted.
pub struct Service {
    state: Arc<State>,
    listener: Listener,
}

impl Service {
    /// Starts a service.
    ///
    /// Fails when the address is taken or the store's folder cannot be used.
    #[allow(clippy::unused_async, reason = "callers are asynchronous; a start that waits for something may come")]
    pub async fn start(config: ServiceConfig) -> Result<Self, ServiceError> {
        Self::start_blocking(config)
    }

    /// As [`Service::start`], for callers without a runtime.
    pub fn start_blocking(mut config: ServiceConfig) -> Result<Self, ServiceError> {
        let addr = config.bind;
        let failed = |source| ServiceError::Bind { addr, source };
        let socket = TcpListener::bind(addr).map_err(failed)?;
        config.bind = socket.local_addr().map_err(failed)?;
        let key = Key::random().map_err(ServiceError::System)?;
        let instance = crypto::hex(crypto::random_bytes::<8>().map_err(ServiceError::System)?);
        let blobs = BlobStore::create(&config.store_dir)?;
        let state = Arc::new(State::new(config, key, blobs));
        let own = Arc::clone(&state);
        let handler = move |exchange: &mut Exchange<'_>| {
            let path = &exchange.head.path;
            // Everything else gets JSON: that is what clients parse, whatever they asked for.
            let is_blob = path.starts_with("/actions-results/") || path.starts_with("/actions-cache/");
            if is_blob { blob::handle(&own, exchange) } else { api::handle(&own, exchange) }
        };
        match Listener::start(socket, instance, Box::new(handler)) {
            Ok(listener) => Ok(Self { state, listener }),
            Err(error) => {
                // The error that is reported is why it does not start.
                state.blobs.clear().ok();
                Err(ServiceError::System(error))
            }
        }
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// `http://127.0.0.1:PORT/`. Ends in a slash, as some clients append without one.
    pub fn base_url(&self) -> String {
        format!("http://{}/", reachable(self.addr()))
    }

    /// A token for one job of one trial: a JWT signed with a key of this service.
    pub fn mint(&self, spec: TokenSpec) -> String {
        let spec = TokenSpec { run: plain_id(&spec.run), job: plain_id(&spec.job), ..spec };
        let own = Scope { name: spec.ref_scope.clone(), permission: READ | WRITE };
        let others = spec.read_scopes.iter().map(|name| Scope { name: name.clone(), permission: READ });
        let scopes: Vec<Scope> = std::iter::once(own).chain(others).collect();
        let id = self.state.next_token_id();
        let now = clock::unix_seconds();
        let claims = Claims {
            scp: format!("Actions.Results:{}:{}", spec.run, spec.job),
            // Names and numbers always have JSON; a token without scopes would be refused everywhere.
            ac: serde_json::to_string(&scopes).unwrap_or_default(),
            // A little earlier: clients compare with clocks of their own.
            nbf: now - 60,
            exp: now.saturating_add_unsigned(spec.ttl.as_secs()),
            jti: id.clone(),
            trial: spec.trial.clone(),
            role: spec.role.clone(),
        };
        let link = self.state.network.link(&format!("{}/{}", spec.run, spec.job));
        self.state.accounts.add(id, spec, link);
        token::encode(&self.state.key, &claims)
    }

    /// Refuses the token and every URL made for it from now on. Requests that have begun may finish. False when the
    /// token is not of this service.
    pub fn revoke(&self, token: &str) -> bool {
        let account = self.account(token);
        account.inspect(|account| account.revoke()).is_some()
    }

    /// What was counted for the token so far; nothing for a token that is not of this service.
    ///
    /// A client that has its answer is counted; a request in progress is not yet.
    pub fn counters(&self, token: &str) -> Counters {
        let Some(account) = self.account(token) else { return Counters::default() };
        Counters { stored_bytes: self.state.stored_by(&account), ..account.counters() }
    }

    /// The token's latest requests in the order of their answers; at most `log_capacity`.
    pub fn request_log(&self, token: &str) -> Vec<RequestRecord> {
        self.account(token).map(|account| account.log()).unwrap_or_default()
    }

    /// Deletes everything that tokens of `run` stored, and its files.
    pub fn purge(&self, run: &str) {
        self.state.purge(&plain_id(run));
    }

    /// Forgets what counts against limits of time, as if a minute had gone by: what comes next is not the same workflow.
    pub fn rest(&self) {
        self.state.rest();
    }

    /// Bytes that tokens of `run` stored and that are there now, committed or not.
    pub fn stored_bytes(&self, run: &str) -> u64 {
        let run = plain_id(run);
        self.state.blobs.stored_bytes(|owner| owner.run == run)
    }

    /// CPU time and peak memory of this process.
    pub fn usage(&self) -> ServiceUsage {
        crate::usage::now()
    }

    /// What a client's environment needs, except `NODE_OPTIONS`.
    pub fn client_env(&self, token: &str) -> Vec<(String, String)> {
        client_env(&self.base_url(), token)
    }

    /// Ends it, as dropping does.
    #[allow(clippy::unused_async, reason = "the counterpart of start")]
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
        // The folder of a service that ends is of no use; whoever owns the folder above will see what stayed.
        self.state.blobs.clear().ok();
    }
}

/// The variables of [`Service::client_env`] for a service that is reached at `base_url`.
pub fn client_env(base_url: &str, token: &str) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        pair("ACTIONS_RESULTS_URL", base_url),
        pair("ACTIONS_CACHE_URL", base_url),
        pair("ACTIONS_RUNTIME_URL", base_url),
        pair("ACTIONS_RUNTIME_TOKEN", token),
        pair("ACTIONS_CACHE_SERVICE_V2", "true"),
        // Clients on another server refuse artifacts and fall back to the first cache service.
        pair("GITHUB_SERVER_URL", "https://github.com"),
    ]
}
