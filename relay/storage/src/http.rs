//! HTTP/1.1 over a small pool of connections, made for few hosts and large bodies.
//!
//! Bodies are `Bytes`: a block goes from its buffer to the socket without a copy, and trying again costs a reference.
//! A connection returns to the pool when its answer has been read to the end, so that a pool never holds a connection
//! in an unknown state.

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

use crate::endpoint::{Address, Resolve, Target};
use crate::error::{Error, scrub};
use crate::retry::{Backoff, Counters, RetryPolicy};
use crate::tls::Tls;

/// An answer that should be small is never read beyond this many bytes.
const SMALL: usize = 4 << 20;
/// A connection that does not come up in this time is given up.
const CONNECT: Duration = Duration::from_secs(30);

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Http {
    resolve: Resolve,
    idle: Mutex<HashMap<Target, Vec<SendRequest<Full<Bytes>>>>>,
    /// No byte for this long means that the other side is gone.
    stall: Duration,
    retry: RetryPolicy,
    pub(crate) counters: Counters,
    tls: Tls,
}

/// An answer whose body is still to come, with the connection that it comes on.
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

    /// Counts the failures of one operation.
    pub(crate) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(self.retry, &self.counters)
    }

    /// Repeats an operation where that may help.
    pub(crate) async fn repeat<T, F>(&self, operation: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = self.backoff();
        loop {
            match operation().await {
                Ok(done) => return Ok(done),
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    /// Sends one request and waits for the head of its answer. `request` holds an absolute address.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, backoff: Duration) -> Result<Exchange<'_>, Error> {
        let url = scrub(&request.uri().to_string());
        let target = Target::of(request.uri())?;
        let mut request = origin_form(request, &target)?;
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        loop {
            let (mut sender, reused) = match self.take(&target).await {
                Some(sender) => (sender, true),
                None => (self.dial(&target).await?, false),
            };
            let answer = timeout(backoff, sender.try_send_request(request)).await.map_err(|_| Error::Broken {
                url: url.clone(),
                why: format!("no answer within {} s", backoff.as_secs()),
            })?;
            match answer {
                Ok(response) => return Ok(Exchange { http: self, target, sender, url, response }),
                Err(mut refused) => match refused.take_message() {
                    // The server had closed a connection that rested in the pool: nothing was sent, no failure of it.
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

    fn give_back(&self, target: Target, sender: SendRequest<Full<Bytes>>) {
        if !sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(target).or_default().push(sender);
        }
    }

    async fn dial(&self, target: &Target) -> Result<SendRequest<Full<Bytes>>, Error> {
        let failed = |why: String| Error::Broken { url: target.authority(), why };
        let connect = async {
            match self.resolve.address(target)? {
                Address::Ip(ip, port) => TcpStream::connect((ip, port)).await,
                Address::Name(host, port) => TcpStream::connect((host, port)).await,
            }
            .map_err(|e| failed(e.to_string()))
        };
        let tcp = timeout(CONNECT, connect).await.map_err(|_| failed("timed out".to_owned()))??;
        tcp.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
        if !target.tls {
            return speak(tcp).await.map_err(|e| failed(e.to_string()));
        }
        let shake = timeout(CONNECT, self.tls.connect(target, tcp)).await;
        speak(shake.map_err(|_| failed("timed out".to_owned()))??).await.map_err(|e| failed(e.to_string()))
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, hyper::Error> {
    let (sender, connection) = Builder::new().handshake(TokioIo::new(stream)).await?;
    // Its error reaches the request that runs on it; without one nobody misses the connection.
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

    /// The next piece of the body as it came from the socket, `None` at its end.
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

    /// Gives the connection back after the body has ended.
    pub(crate) fn done(self) {
        self.http.give_back(self.target, self.sender);
    }

    /// Reads a small body to its end and gives the connection back.
    pub(crate) async fn body(mut self) -> Result<Bytes, Error> {
        let body = self.small_body().await?;
        self.done();
        Ok(body)
    }

    async fn small_body(&mut self) -> Result<Bytes, Error> {
        let broken = |why| Error::Broken { url: self.url.clone(), why };
        let stall = self.http.stall;
        let whole = Limited::new(self.response.body_mut(), SMALL).collect();
        match timeout(stall, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(e)) => Err(broken(e.to_string())),
            Err(_) => Err(broken(format!("no answer for {} s", stall.as_secs()))),
        }
    }

    /// Turns an answer with an error status into an error; `explain` reads code and message out of its body. The
    /// connection is not used again: a service may answer before it has read the request, and never read the rest.
    pub(crate) async fn refused(mut self, what: &'static str, explain: fn(&[u8]) -> (String, String)) -> Error {
        let status = self.status();
        let url = self.url.clone();
        let named = self.header("x-ms-error-code").map(str::to_owned);
        let retry_after = self.header("retry-after").and_then(|value| retry_after(value, jiff::Timestamp::now()));
        if (300..400).contains(&status) {
            // Neither service does this; the token must not follow to wherever it leads.
            let to = scrub(self.header("location").unwrap_or("nowhere"));
            let message = format!("it redirects to {to}, which is not followed");
            return Error::Status { what, url, status, code: String::new(), message, retry_after };
        }
        let (code, message) = self.small_body().await.map(|body| explain(&body)).unwrap_or_default();
        Error::Status { what, url, status, code: named.unwrap_or(code), message, retry_after }
    }
}

/// HTTP/1.1 servers get path and query; the host goes into its header.
fn origin_form(mut request: Request<Full<Bytes>>, target: &Target) -> Result<Request<Full<Bytes>>, Error> {
    let bad = |why: String| Error::BadUrl { url: target.authority(), why };
    let host = target.host_header().parse().map_err(|_| bad("host is no header value".to_owned()))?;
    request.headers_mut().insert(http::header::HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse::<Uri>().map_err(|e| bad(e.to_string()))?;
    Ok(request)
}

// hyper's own text says that something failed; the cause says what.
fn broken(url: &str, error: &hyper::Error) -> Error {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Error::Broken { url: url.to_owned(), why: format!("{error}{cause}") }
}

/// `Retry-After` as seconds or as a date.
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
    fn requests_carry_path_and_host() {
        let uri = "http://acct1.blob.core.windows.net:7/c/b?sig=a%2B";
        let request = Request::get(uri).body(Full::default()).unwrap();
        let target = Target::of(request.uri()).unwrap();
        let sent = origin_form(request, &target).unwrap();
        assert_eq!(sent.uri().to_string(), "/c/b?sig=a%2B");
        assert_eq!(sent.headers()["host"], "acct1.blob.core.windows.net:7");
    }

    proptest! {
        #[test]
        fn any_retry_after_is_read_or_ignored(value in "\\PC{0,40}") {
            let _ = retry_after(&value, jiff::Timestamp::UNIX_EPOCH);
        }
    }
}
