//! Proxy between client and service that records every request and injects faults by a rule.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Fault of one request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Answer with this status, asking to wait so many seconds; the service never sees the request.
    Status(u16, Option<u64>),
    /// Break the connection after so many bytes of the answer's body.
    Cut(usize),
    /// Alter the byte at this place of the answer's body.
    Flip(usize),
    /// Say that this is another version of the blob.
    Etag,
    /// Answer that it has moved elsewhere.
    Moved,
    /// Let the service do it, and break the connection instead of answering.
    Lost,
    /// Answer with a page and status 200; the service never sees the request.
    Page,
    /// Let the service do it, and answer with a page and status 200.
    LostToPage,
    /// Never answer.
    Silent,
    /// Take so many milliseconds to read each MiB of the request.
    SlowRead(u64),
    /// Send the answer's body byte by byte, each so many milliseconds after the last.
    Trickle(u64),
}

/// A request, as a rule sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    /// Number of earlier requests with the same method, path and query.
    pub earlier: usize,
    /// Number of earlier requests with the same method.
    pub earlier_of_method: usize,
}

impl Seen {
    pub fn is_block(&self) -> bool {
        self.query.contains("comp=block&")
    }

    pub fn is_block_list(&self) -> bool {
        self.query.contains("comp=blocklist")
    }
}

/// Scheme and TLS of the proxy, which it also writes into URLs.
#[derive(Clone)]
pub struct Front {
    /// `http` or `https`.
    pub scheme: &'static str,
    pub tls: Option<TlsAcceptor>,
}

impl Front {
    pub fn plain() -> Self {
        Self { scheme: "http", tls: None }
    }
}

pub type Rule = Box<dyn Fn(&Seen) -> Fault + Send + Sync>;

pub struct Proxy {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    pub async fn start(upstream: SocketAddr, front: Front, rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let state = Arc::new(State { upstream, address, scheme: front.scheme, rule, seen: Arc::clone(&seen) });
        let serving = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&state), front.tls.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.answer(request).await) }
                    });
                    // Broken connections are what some rules are for.
                    let server = hyper::server::conn::http1::Builder::new();
                    let _ = match tls {
                        None => server.serve_connection(TokioIo::new(tcp), service).await,
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => server.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => return,
                        },
                    };
                });
            }
        });
        Self { address, seen, serving }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

struct State {
    upstream: SocketAddr,
    address: SocketAddr,
    scheme: &'static str,
    rule: Rule,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<FaultyBody> {
        let fault = (self.rule)(&self.note(&request));
        if let Fault::Status(status, wait) = fault {
            let body = Bytes::from_static(br#"{"code":"unavailable","msg":"fault of the test"}"#);
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            if let Some(seconds) = wait {
                response = response.header("retry-after", seconds);
            }
            // The whole request is read first, as a service behind a gateway does.
            request.into_body().collect().await.unwrap();
            return response.header("content-length", body.len()).body(FaultyBody::whole(body)).unwrap();
        }
        if matches!(fault, Fault::Moved) {
            request.into_body().collect().await.unwrap();
            let moved = Response::builder().status(307).header("location", "https://elsewhere.example/x?sig=1");
            return moved.header("content-length", 0).body(FaultyBody::whole(Bytes::new())).unwrap();
        }
        if matches!(fault, Fault::Silent) {
            std::future::pending::<()>().await;
        }
        if matches!(fault, Fault::Page) {
            request.into_body().collect().await.unwrap();
            return page();
        }
        let pause = if let Fault::SlowRead(pause) = fault { pause } else { 0 };
        let (head, body) = self.forward(request, pause).await.into_parts();
        let mut response = Response::from_parts(head, FaultyBody::whole(body));
        match fault {
            Fault::Cut(at) => {
                let data = response.body_mut().data.as_mut().unwrap();
                data.truncate(at);
                response.body_mut().breaks = true;
            }
            Fault::Flip(at) => {
                let mut data = response.body_mut().data.take().unwrap().to_vec();
                data[at] ^= 1;
                response.body_mut().data = Some(data.into());
            }
            Fault::Etag => {
                response.headers_mut().insert("etag", "\"another\"".parse().unwrap());
            }
            Fault::Lost => {
                response =
                    Response::builder().header("content-length", 9).body(FaultyBody::whole(Bytes::new())).unwrap();
                response.body_mut().breaks = true;
            }
            Fault::LostToPage => return page(),
            Fault::Trickle(pause) => response.body_mut().pause = Some(Duration::from_millis(pause)),
            Fault::Pass | Fault::Status(..) | Fault::Moved | Fault::Page | Fault::Silent | Fault::SlowRead(_) => {}
        }
        response
    }

    fn note(&self, request: &Request<Incoming>) -> Seen {
        let mut all = self.seen.lock().unwrap();
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let query = request.uri().query().unwrap_or_default().to_owned();
        let same = |other: &&Seen| (&other.method, &other.path, &other.query) == (&method, &path, &query);
        let earlier = all.iter().filter(same).count();
        let earlier_of_method = all.iter().filter(|other| other.method == method).count();
        let headers = request.headers().clone();
        let seen = Seen { method, path, query, headers, earlier, earlier_of_method };
        all.push(seen.clone());
        seen
    }

    async fn forward(&self, request: Request<Incoming>, pause_per_mib: u64) -> Response<Bytes> {
        let (head, mut incoming) = request.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let pause = Duration::from_millis(pause_per_mib).mul_f64(data.len() as f64 / f64::from(1 << 20));
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            body.extend_from_slice(&data);
        }
        let body = Bytes::from(body);
        let tcp = TcpStream::connect(self.upstream).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(Request::from_parts(head, Full::new(body))).await.unwrap();
        let (mut head, body) = response.into_parts();
        let mut body = body.collect().await.unwrap().to_bytes();
        // Addresses that the service gives out must lead through here as well.
        if head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
            let text = String::from_utf8(body.to_vec()).unwrap();
            // By the blob store's own name, whose answers a client checks against another name than the service's.
            let plain = format!("http://{}", self.upstream);
            let ours = match self.scheme {
                "https" => format!("https://acct1.blob.core.windows.net:{}", self.address.port()),
                scheme => format!("{scheme}://{}", self.address),
            };
            body = text.replace(&plain, &ours).into();
            head.headers.insert("content-length", body.len().into());
        }
        Response::from_parts(head, body)
    }
}

/// Page of a gateway, which has the address with its signature in it.
fn page() -> Response<FaultyBody> {
    let text = Bytes::from_static(b"<html>\r\n<title>Sign in\x1b</title> to reach /b?x=1&sig=SECRET</html>");
    let page = Response::builder().header("content-type", "text/html").header("content-length", text.len());
    page.body(FaultyBody::whole(text)).unwrap()
}

/// A body that may break off.
pub struct FaultyBody {
    /// Time before each byte, which then comes alone.
    pause: Option<Duration>,
    wait: Option<Pin<Box<tokio::time::Sleep>>>,
    data: Option<Bytes>,
    breaks: bool,
    /// Polls before the break, so that the client has received the earlier bytes.
    turns: u32,
}

impl FaultyBody {
    fn whole(data: Bytes) -> Self {
        Self { pause: None, wait: None, data: Some(data), breaks: false, turns: 100 }
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(pause) = self.pause {
            let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(wait.as_mut().poll(context));
            self.wait = None;
            let byte = self.data.as_mut().filter(|data| !data.is_empty()).map(|data| data.split_to(1));
            return Poll::Ready(byte.map(|byte| Ok(Frame::data(byte))));
        }
        match self.data.take().filter(|data| !data.is_empty()) {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None if self.breaks && self.turns > 0 => {
                self.turns -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None if self.breaks => Poll::Ready(Some(Err(std::io::Error::other("broken by the test")))),
            None => Poll::Ready(None),
        }
    }
}
