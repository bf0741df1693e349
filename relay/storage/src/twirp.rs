//! Calls of GitHub's results services: JSON both ways, with retries.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Serialize;

use crate::endpoint::{Resolve, ServiceEndpoint, Target, parse};
use crate::error::Error;
use crate::http::Http;
use crate::page::first_words;
use crate::proxy::Proxies;
use crate::retry::RetryPolicy;
use crate::wire::{Answer, parse_error_body};

/// User agent of every request.
pub(crate) const USER_AGENT: &str = concat!("handoff/", env!("CARGO_PKG_VERSION"));

/// Client of one service, with the job's token.
#[derive(Debug)]
pub(crate) struct Twirp {
    pub(crate) http: Arc<Http>,
    base: String,
    endpoint: ServiceEndpoint,
}

impl Twirp {
    pub(crate) fn new(endpoint: ServiceEndpoint, retry: RetryPolicy, service: &str) -> Result<Self, Error> {
        let target = Target::of(&parse(&endpoint.results_url)?)?;
        let http = Arc::new(Http::new(Resolve::of(&target), Proxies::from_env()?, retry));
        let base = format!("{}/twirp/github.actions.results.api.v1.{service}/", target.origin());
        Ok(Self { http, base, endpoint })
    }

    /// Calls a method, with retries.
    pub(crate) async fn call(&self, method: &'static str, body: &impl Serialize) -> Result<Answer, Error> {
        let json = Self::encode(method, body)?;
        self.http.repeat(|| self.try_call(method, json.clone())).await
    }

    pub(crate) fn encode(method: &'static str, body: &impl Serialize) -> Result<Bytes, Error> {
        serde_json::to_vec(body).map(Bytes::from).map_err(|e| Error::answer(method, e.to_string()))
    }

    /// Calls a method once.
    pub(crate) async fn try_call(&self, method: &'static str, json: Bytes) -> Result<Answer, Error> {
        let url = format!("{}{method}", self.base);
        let request = Request::post(&url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.endpoint.token))
            .header("user-agent", USER_AGENT)
            .body(Full::new(json))
            .map_err(|e| Error::BadUrl { url, why: e.to_string() })?;
        let exchange = self.http.send(request, self.http.pulse.limits.call).await?;
        if !(200..300).contains(&exchange.status()) {
            return Err(exchange.refused(method, parse_error_body).await);
        }
        let (status, content_type) = (exchange.status(), exchange.content_type());
        let url = exchange.url().to_owned();
        let body = exchange.body().await?;
        // A gateway's page with status 200 is a fault in between, as its 502 is.
        serde_json::from_slice(&body).map_err(|_| {
            let start = first_words(&body);
            Error::Foreign { what: method, url, status, content_type, start }
        })
    }
}
