//! Calls of GitHub's results services: small JSON both ways, repeated where that may help.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::endpoint::{Resolve, ServiceEndpoint, Target, parse};
use crate::error::Error;
use crate::http::Http;
use crate::retry::{Patience, RetryPolicy};
use crate::wire::explain;

/// A call that is not answered in this time is repeated.
const CALL: Duration = Duration::from_mins(1);
/// A connection without a byte for this long counts as broken.
const STALL: Duration = Duration::from_mins(1);
/// What we say we are.
pub(crate) const USER_AGENT: &str = concat!("handoff/", env!("CARGO_PKG_VERSION"));

/// One of the services, with the job's token.
#[derive(Debug)]
pub(crate) struct Twirp {
    pub(crate) http: Arc<Http>,
    retry: RetryPolicy,
    base: String,
    token: Token,
}

struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A credential never reaches a log.
        f.write_str("Token")
    }
}

impl Twirp {
    pub(crate) fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, service: &str) -> Result<Self, Error> {
        let target = Target::of(&parse(&endpoint.results_url)?)?;
        let http = Arc::new(Http::new(Resolve::of(&target), STALL));
        let base = format!("{}/twirp/github.actions.results.api.v1.{service}/", target.origin());
        Ok(Self { http, retry, base, token: Token(endpoint.token) })
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let json = serde_json::to_vec(body).map_err(|e| Error::Answer { what: method, why: e.to_string() })?;
        let json = Bytes::from(json);
        let mut patience = Patience::new(self.retry, &self.http.counters);
        loop {
            match self.try_call(method, json.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    async fn try_call<T: DeserializeOwned>(&self, method: &'static str, json: Bytes) -> Result<T, Error> {
        let url = format!("{}{method}", self.base);
        let request = Request::post(&url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token.0))
            .header("user-agent", USER_AGENT)
            .body(Full::new(json))
            .map_err(|e| Error::BadUrl { url, why: e.to_string() })?;
        let exchange = self.http.send(request, CALL).await?;
        if !(200..300).contains(&exchange.status()) {
            return Err(exchange.refused(method, explain).await);
        }
        let body = exchange.body().await?;
        serde_json::from_slice(&body).map_err(|e| Error::Answer { what: method, why: e.to_string() })
    }
}
