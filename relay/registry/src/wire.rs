//! HTTP of the registries: routes, answers and the server.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Error;
use crate::digest::Digest;

/// Resource that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/NAME/blobs/uploads/`
    NewUpload,
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(String),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(String),
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest(String),
    /// `/v2/NAME/tags/list`
    Tags,
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(String),
}

/// Splits a path into repository and resource.
pub(crate) fn route(path: &str) -> Option<(String, Route)> {
    let rest = path.strip_prefix("/v2")?;
    if rest.is_empty() || rest == "/" {
        return Some((String::new(), Route::Base));
    }
    let rest = rest.strip_prefix('/')?;
    let named = |name: &str, route| (!name.is_empty()).then(|| (name.to_owned(), route));
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return named(name, Route::Tags);
    }
    if let Some((name, id)) = rest.rsplit_once("/blobs/uploads/") {
        return named(name, if id.is_empty() { Route::NewUpload } else { Route::Upload(id.to_owned()) });
    }
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return named(name, Route::NewUpload);
    }
    // A repository may have one of these words in its name: only the last two parts of the path count.
    let (before, last) = rest.rsplit_once('/')?;
    let (name, kind) = before.rsplit_once('/')?;
    let make: fn(String) -> Route = match kind {
        "blobs" => Route::Blob,
        "manifests" => Route::Manifest,
        "referrers" => Route::Referrers,
        _ => return None,
    };
    if last.is_empty() { None } else { named(name, make(last.to_owned())) }
}

/// Decoded value of a query parameter.
pub(crate) fn query(uri: &http::Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Body of an answer: in memory, or streamed in pieces.
pub(crate) enum Reply {
    Whole(Option<Bytes>),
    Pieces { size: u64, pieces: mpsc::Receiver<Result<Bytes, std::io::Error>> },
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Self::Pieces { pieces, .. } => pieces.poll_recv(context).map(|piece| piece.map(|p| p.map(Frame::data))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Pieces { size, .. } => SizeHint::with_exact(*size),
        }
    }
}

/// Answer under construction.
pub(crate) struct Answer(Response<Reply>);

impl Answer {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self::with(status, Reply::Whole(None))
    }

    pub(crate) fn with(status: StatusCode, body: Reply) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let version = HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert("docker-distribution-api-version", version);
        Self(response)
    }

    pub(crate) fn bytes(status: StatusCode, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        // Set explicitly, because hyper omits a length of zero in an answer to HEAD.
        let length = bytes.len().to_string();
        Self::with(status, Reply::Whole(Some(bytes)))
            .header(header::CONTENT_TYPE.as_str(), media_type)
            .header(header::CONTENT_LENGTH.as_str(), length)
    }

    /// Adds a header; an invalid value is left out.
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    pub(crate) fn digest(self, digest: &Digest) -> Self {
        self.header("docker-content-digest", digest.as_str())
    }

    /// Error in the format of the distribution specification.
    pub(crate) fn refused(status: StatusCode, code: &str, message: impl std::fmt::Display) -> Self {
        let body = serde_json::json!({ "errors": [{ "code": code, "message": message.to_string() }] });
        Self::bytes(status, "application/json", body.to_string())
    }

    /// Response for hyper, which leaves out the body of an answer to HEAD and keeps its length.
    pub(crate) fn into_response(self) -> Response<Reply> {
        self.0
    }
}

/// Handler of an engine's requests.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// Server on loopback. Dropping it ends the server and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server on a port of 127.0.0.1 (0 selects a free one), which no other machine can reach.
pub(crate) async fn serve(port: u16, handler: Arc<impl Handler>) -> Result<Server, Error> {
    let failed = |source| Error::System { what: "opening a port on 127.0.0.1", source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    let _ = stream.set_nodelay(true);
                    let handler = Arc::clone(&handler);
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let handler = Arc::clone(&handler);
                            async move { Ok::<_, Infallible>(handler.handle(request).await.into_response()) }
                        });
                        // A client that disconnects is no error of the server.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok(Server { address, task })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_split_from_its_end() {
        let of = |path: &str| route(path).map(|(name, route)| format!("{name} {route:?}"));
        assert_eq!(of("/v2/").unwrap(), " Base");
        assert_eq!(of("/v2/a/b/blobs/uploads/").unwrap(), "a/b NewUpload");
        assert_eq!(of("/v2/a/blobs/uploads/7").unwrap(), "a Upload(\"7\")");
        assert_eq!(of("/v2/a/blobs/sha256:00").unwrap(), "a Blob(\"sha256:00\")");
        assert_eq!(of("/v2/blobs/blobs/manifests/latest").unwrap(), "blobs/blobs Manifest(\"latest\")");
        assert_eq!(of("/v2/a/tags/list").unwrap(), "a Tags");
        for bad in ["/", "/v1/", "/v2x", "/v2/a", "/v2//manifests/x", "/v2/a/manifests/"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn query_values_are_decoded() {
        let uri: http::Uri = "/x?digest=sha256%3Aab&mount=a+b&bad=%zz".parse().unwrap();
        assert_eq!(query(&uri, "digest").unwrap(), "sha256:ab");
        assert_eq!(query(&uri, "mount").unwrap(), "a b");
        assert_eq!(query(&uri, "bad").unwrap(), "%zz", "an incomplete escape stands for itself");
        assert_eq!(query(&uri, "none"), None);
    }
}
