//! HTTP/1.1 client with a small pool of connections, for few hosts and large bodies.
//!
//! Bodies are `Bytes`: a block goes from its buffer to the socket without a copy, and a retry costs a reference. A connection
//! returns to the pool only after its answer was read to the end, so that the pool holds no connection in an unknown state.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::endpoint::{Resolve, Target};
use crate::error::{Error, without_query};
use crate::retry::{Backoff, Counters, RetryPolicy};
use crate::timeouts::CONNECT_TIMEOUT;
use crate::tls::Tls;

/// Largest answer in bytes that is read into memory.
const MAX_SMALL_BODY: usize = 4 << 20;

/// HTTP client with its connections.
#[derive(Debug)]
pub(crate) struct Http {
    resolve: Resolve,
    idle: Mutex<HashMap<Target, Vec<SendRequest<Full<Bytes>>>>>,
    /// Time without a byte after which a connection counts as broken.
    stall: Duration,
    retry: RetryPolicy,
    pub(crate) counters: Counters,
    tls: Tls,
}

/// Answer whose body is not read yet, with its connection.
pub(crate) struct Exchange<'a> {
    http: &'a Http,
    target: Target,
    sender: SendRequest<Full<Bytes>>,
    url: String,
    pub(crate) response: Response<Incoming>,
}

impl Http {
    pub(crate) fn new(resolve: Resolve, stall: Duration, retry: RetryPolicy) -> Self {
        let (idle, counters, tls) = (Mutex::default(), Counters::default(), Tls::default());
        Self { resolve, idle, stall, retry, counters, tls }
    }

    /// Backoff for one operation.
    pub(crate) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(self.retry, &self.counters)
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

    /// Sends one request with an absolute URL and waits up to `limit` for the head of its answer.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, limit: Duration) -> Result<Exchange<'_>, Error> {
        let url = without_query(&request.uri().to_string());
        let target = Target::of(request.uri())?;
        let mut request = origin_form(request, &target)?;
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let (mut sender, reused) = match self.take(&target).await {
                Some(sender) => (sender, true),
                None => (self.dial(&target).await?, false),
            };
            let answer = timeout(limit, sender.try_send_request(request)).await.map_err(|_| Error::Broken {
                url: url.clone(),
                why: format!("no answer within {} s", limit.as_secs()),
            })?;
            match answer {
                Ok(response) => return Ok(Exchange { http: self, target, sender, url, response }),
                Err(mut refused) => match refused.take_message() {
                    // The server closed an idle connection of the pool before anything was sent: this is no failure.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(broken(&url, &refused.into_error())),
                },
            }
        }
    }

    async fn take(&self, target: &Target) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let mut sender = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(target)?.pop()?;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn return_to_pool(&self, target: Target, sender: SendRequest<Full<Bytes>>) {
        if !sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(target).or_default().push(sender);
        }
    }

    async fn dial(&self, target: &Target) -> Result<SendRequest<Full<Bytes>>, Error> {
        let failed = |why: String| Error::Broken { url: target.authority(), why };
        let connect =
            async { TcpStream::connect(self.resolve.address(target)?).await.map_err(|e| failed(e.to_string())) };
        let tcp = timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| failed("timed out".to_owned()))??;
        tcp.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
        if !target.tls {
            return http_handshake(tcp).await.map_err(|e| failed(e.to_string()));
        }
        let handshake = timeout(CONNECT_TIMEOUT, self.tls.connect(target, tcp)).await;
        http_handshake(handshake.map_err(|_| failed("timed out".to_owned()))??).await.map_err(|e| failed(e.to_string()))
    }
}

async fn http_handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, hyper::Error> {
    let (sender, connection) = Builder::new().handshake(TokioIo::new(stream)).await?;
    // An error reaches the request on this connection; without a request nobody needs it.
    tokio::spawn(connection);
    Ok(sender)
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
        loop {
            let stall = self.http.stall;
            let frame = timeout(stall, self.response.body_mut().frame()).await.map_err(|_| Error::Broken {
                url: self.url.clone(),
                why: format!("no byte for {} s", stall.as_secs()),
            })?;
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
        self.http.return_to_pool(self.target, self.sender);
    }

    /// Reads a small body to its end and returns the connection to the pool.
    pub(crate) async fn body(mut self) -> Result<Bytes, Error> {
        let body = self.small_body().await?;
        self.release();
        Ok(body)
    }

    async fn small_body(&mut self) -> Result<Bytes, Error> {
        let broken = |why| Error::Broken { url: self.url.clone(), why };
        let stall = self.http.stall;
        let whole = Limited::new(self.response.body_mut(), MAX_SMALL_BODY).collect();
        match timeout(stall, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(e)) => Err(broken(e.to_string())),
            Err(_) => Err(broken(format!("no answer for {} s", stall.as_secs()))),
        }
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
        let (code, message) = self.small_body().await.map(|body| parse(&body)).unwrap_or_default();
        Error::Status { what, url, status, code: named.unwrap_or(code), message, retry_after }
    }
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
