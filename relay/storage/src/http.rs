//! HTTP/1.1 client with a small pool of connections, for few hosts and large bodies.
//!
//! Bodies are `Bytes`: a block goes from its buffer to the socket without a copy, and a retry costs a reference. A connection
//! returns to the pool only after its answer was read to the end, so that the pool holds no connection in an unknown state.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use tokio::time::sleep_until;

use crate::dial::{Connection, Dialer};
use crate::endpoint::{Resolve, Target};
use crate::error::{Error, without_query};
use crate::page::first_words;
use crate::proxy::Proxies;
use crate::pulse::{Activity, Pulse};
use crate::retry::{Backoff, Counters, RetryPolicy};

/// Largest answer in bytes that is read into memory.
const MAX_SMALL_BODY: usize = 4 << 20;

/// HTTP client with its connections.
#[derive(Debug)]
pub(crate) struct Http {
    dialer: Dialer,
    pub(crate) counters: Counters,
    pub(crate) pulse: Arc<Pulse>,
    retry: RetryPolicy,
    idle: Mutex<HashMap<Target, Vec<Connection>>>,
}

/// Answer whose body is not read yet, with its connection.
pub(crate) struct Exchange<'a> {
    http: &'a Http,
    target: Target,
    connection: Connection,
    url: String,
    pub(crate) response: Response<Incoming>,
}

impl Http {
    pub(crate) fn new(resolve: Resolve, proxies: Proxies, retry: RetryPolicy) -> Self {
        let (idle, counters) = (Mutex::default(), Counters::default());
        Self { dialer: Dialer::new(resolve, proxies), counters, pulse: Pulse::new(retry.limits), retry, idle }
    }

    /// Backoff for one operation, which runs as long as it exists.
    pub(crate) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(self.retry, &self.counters, &self.pulse)
    }

    /// Waits while bytes move on a connection, at most `limit` without one.
    async fn while_moving<F: Future>(
        &self,
        activity: &Activity,
        limit: Duration,
        url: &str,
        waiting: F,
    ) -> Result<F::Output, Error> {
        let mut waiting = std::pin::pin!(waiting);
        activity.mark();
        loop {
            let end = activity.last() + limit;
            let next = Instant::now() + self.pulse.limits.silence.min(self.pulse.left());
            tokio::select! {
                biased;
                done = &mut waiting => return Ok(done),
                () = sleep_until(end.min(next).into()) => {}
            }
            if Instant::now() >= activity.last() + limit {
                let why = format!("no byte for {} s", limit.as_secs_f32());
                return Err(Error::Broken { url: url.to_owned(), why });
            }
            self.pulse.check_overall()?;
            self.pulse.report_silence(host_of(url));
        }
    }

    /// Runs an operation and retries transient failures.
    pub(crate) async fn repeat<T, F>(&self, operation: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = self.backoff();
        loop {
            match operation().await {
                Ok(result) => return Ok(result),
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    /// Sends one request with an absolute URL and waits for the head of its answer, up to `limit` without a byte.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, limit: Duration) -> Result<Exchange<'_>, Error> {
        let url = without_query(&request.uri().to_string());
        let target = Target::of(request.uri())?;
        let mut request = origin_form(request, &target)?;
        self.pulse.check_overall()?;
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let (mut connection, reused) = match self.take(&target).await {
                Some(connection) => (connection, true),
                None => (self.dialer.dial(&target, &self.pulse, &self.counters.connections).await?, false),
            };
            let activity = Arc::clone(&connection.activity);
            let waiting = connection.sender.try_send_request(request);
            match self.while_moving(&activity, limit, &url, waiting).await? {
                Ok(response) => return Ok(Exchange { http: self, target, connection, url, response }),
                Err(mut refused) => match refused.take_message() {
                    // The server closed an idle connection of the pool before anything was sent: this is no failure.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(broken(&url, &refused.into_error())),
                },
            }
        }
    }

    async fn take(&self, target: &Target) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(target)?.pop()?;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn return_to_pool(&self, target: Target, connection: Connection) {
        if !connection.sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(target).or_default().push(connection);
        }
    }
}

impl Exchange<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads the next piece of the body from the socket; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Result<Option<Bytes>, Error> {
        let http = self.http;
        // A body that trickles never stalls.
        http.pulse.check_overall()?;
        loop {
            let (activity, body) = (&self.connection.activity, self.response.body_mut());
            let frame = http.while_moving(activity, http.pulse.limits.stall, &self.url, body.frame()).await?;
            match frame.transpose().map_err(|e| broken(&self.url, &e))? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Returns the connection to the pool after the end of the body.
    pub(crate) fn release(self) {
        self.http.return_to_pool(self.target, self.connection);
    }

    /// Reads a small body to its end and returns the connection to the pool.
    pub(crate) async fn body(mut self) -> Result<Bytes, Error> {
        let body = self.small_body().await?;
        self.release();
        Ok(body)
    }

    async fn small_body(&mut self) -> Result<Bytes, Error> {
        let http = self.http;
        let whole = Limited::new(self.response.body_mut(), MAX_SMALL_BODY).collect();
        let whole = http.while_moving(&self.connection.activity, http.pulse.limits.stall, &self.url, whole).await?;
        let whole = whole.map_err(|e| Error::Broken { url: self.url.clone(), why: e.to_string() })?;
        Ok(whole.to_bytes())
    }

    /// Turns an answer that cannot be the service's into an error that is retried, for example the page of a gateway.
    pub(crate) async fn foreign(mut self, what: &'static str) -> Error {
        let (status, content_type) = (self.status(), self.content_type());
        let url = self.url.clone();
        let start = self.small_body().await.map_or_else(|e| e.to_string(), |body| first_words(&body));
        Error::Foreign { what, url, status, content_type, start }
    }

    /// Media type of the answer, for messages.
    pub(crate) fn content_type(&self) -> String {
        self.header("content-type").map_or_else(|| "no content type".to_owned(), |kind| first_words(kind.as_bytes()))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Turns an answer with an error status into an error; `parse` reads code and message from its body. The connection is
    /// not reused, because a service may answer without reading the whole request.
    pub(crate) async fn refused(mut self, what: &'static str, parse: fn(&[u8]) -> (String, String)) -> Error {
        let status = self.status();
        let url = self.url.clone();
        let named = self.header("x-ms-error-code").map(str::to_owned);
        let retry_after = self.header("retry-after").and_then(|value| retry_after(value, jiff::Timestamp::now()));
        if (300..400).contains(&status) {
            // Neither service redirects, and the token must not go to another host.
            let to = without_query(self.header("location").unwrap_or("nowhere"));
            let message = format!("it redirects to {to}, which is not followed");
            return Error::Status { what, url, status, code: String::new(), message, retry_after };
        }
        let content_type = self.content_type();
        let body = self.small_body().await.unwrap_or_default();
        let (code, mut message) = parse(&body);
        if code.is_empty() && message.is_empty() && named.is_none() {
            // A gateway's page: without its words nobody finds out who answered.
            message = format!("{content_type}: {}", first_words(&body));
        }
        Error::Status { what, url, status, code: named.unwrap_or(code), message, retry_after }
    }
}

/// Host of a URL, for messages.
fn host_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or(url)
}

/// Converts a request to path and query, with the host in its header.
fn origin_form(mut request: Request<Full<Bytes>>, target: &Target) -> Result<Request<Full<Bytes>>, Error> {
    let bad = |why: String| Error::BadUrl { url: target.authority(), why };
    let host = target.host_header().parse().map_err(|_| bad("the host name is no valid header value".to_owned()))?;
    request.headers_mut().insert(http::header::HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse::<Uri>().map_err(|e| bad(e.to_string()))?;
    Ok(request)
}

// hyper's text says only that something failed; its source says what.
fn broken(url: &str, error: &hyper::Error) -> Error {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Error::Broken { url: url.to_owned(), why: format!("{error}{cause}") }
}

/// Parses `Retry-After`, in seconds or as a date.
fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("2", now), Some(Duration::from_secs(2)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 10:00:05 GMT", now), Some(Duration::from_secs(5)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn request_has_path_and_host_header() {
        let uri = "http://acct1.blob.core.windows.net:7/c/b?sig=a%2B";
        let request = Request::get(uri).body(Full::default()).unwrap();
        let target = Target::of(request.uri()).unwrap();
        let sent = origin_form(request, &target).unwrap();
        assert_eq!(sent.uri().to_string(), "/c/b?sig=a%2B");
        assert_eq!(sent.headers()["host"], "acct1.blob.core.windows.net:7");
    }

    proptest! {
        #[test]
        fn parsing_any_retry_after_never_panics(value in "\\PC{0,40}") {
            let _ = retry_after(&value, jiff::Timestamp::UNIX_EPOCH);
        }
    }
}
