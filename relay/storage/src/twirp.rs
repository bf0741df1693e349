//! Calls of GitHub's results services: small JSON both ways, repeated where that may help.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Serialize;

use crate::endpoint::{Resolve, ServiceEndpoint, Target, parse};
use crate::error::Error;
use crate::http::Http;
use crate::retry::RetryPolicy;
use crate::wire::{Answer, explain};

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
    base: String,
    endpoint: ServiceEndpoint,
}

impl Twirp {
    pub(crate) fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, service: &str) -> Result<Self, Error> {
        let target = Target::of(&parse(&endpoint.results_url)?)?;
        let http = Arc::new(Http::new(Resolve::of(&target), STALL, retry));
        let base = format!("{}/twirp/github.actions.results.api.v1.{service}/", target.origin());
        Ok(Self { http, base, endpoint })
    }

    pub(crate) async fn call(&self, method: &'static str, body: &impl Serialize) -> Result<Answer, Error> {
        let json = serde_json::to_vec(body).map_err(|e| Error::Answer { what: method, why: e.to_string() })?;
        let json = Bytes::from(json);
        self.http.repeat(|| self.try_call(method, json.clone())).await
    }

    async fn try_call(&self, method: &'static str, json: Bytes) -> Result<Answer, Error> {
        let url = format!("{}{method}", self.base);
        let request = Request::post(&url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.endpoint.token))
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
