//! gRPC over HTTP/2 on a Unix socket: unary calls, and one stream in both directions.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;

use crate::error::{Code, Error};
use crate::timeouts;

/// Largest answer in bytes: containerd's own limit of a message.
const MAX_MESSAGE: usize = 16 << 20;
/// Length of a message's prefix: a flag and the length.
const PREFIX: usize = 5;

/// Method of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    /// Name for messages.
    pub name: &'static str,
    /// Path of its requests.
    pub path: &'static str,
    /// Limit of a call.
    pub limit: Duration,
}

impl Method {
    fn broken(self, why: impl std::fmt::Display) -> Error {
        Error::Broken { call: self.name, why: why.to_string() }
    }

    /// Waits for an answer no longer than the limit.
    async fn in_time<T>(self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = Error::TimedOut { call: self.name, seconds: self.limit.as_secs() };
        tokio::time::timeout(self.limit, answer).await.unwrap_or(Err(late))
    }
}

/// Headers that name the namespace, and the lease that holds what a call makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub namespace: &'a str,
    pub lease: Option<&'a str>,
}

/// Connection to a daemon. Clones share it; it ends with the last one.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    requests: SendRequest<Bytes>,
    _driver: Arc<Driver>,
}

/// Task that drives the connection.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Channel {
    /// Connects to a socket. Returns the daemon's process as well, as the kernel knows it.
    pub(crate) async fn connect(socket: &Path) -> Result<(Self, Option<i32>), Error> {
        let failed = |source| Error::Connect { socket: socket.to_owned(), source };
        let timed_out = || failed(std::io::ErrorKind::TimedOut.into());
        let stream = tokio::time::timeout(timeouts::CONNECT, UnixStream::connect(socket)).await;
        let stream = stream.map_err(|_| timed_out())?.map_err(failed)?;
        let peer = stream.peer_cred().map_err(failed)?.pid();
        let handshake = tokio::time::timeout(timeouts::CONNECT, h2::client::handshake(stream)).await;
        let (requests, connection) =
            handshake.map_err(|_| timed_out())?.map_err(|e| failed(std::io::Error::other(e)))?;
        // An error of the connection reaches every call on it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok((Self { requests, _driver: Arc::new(Driver(driver.abort_handle())) }, peer))
    }

    /// Calls a method with one request and one answer.
    pub(crate) async fn call<Q: Message, A: Message + Default>(
        &self,
        method: Method,
        scope: Scope<'_>,
        request: &Q,
    ) -> Result<A, Error> {
        method
            .in_time(async {
                let mut stream = self.open(method, scope).await?;
                stream.send_now(request, true);
                let answer = stream.receive_now().await?;
                let answer = answer.ok_or_else(|| method.broken("there is no answer"))?;
                // The status comes after the answer.
                stream.receive_now::<A>().await?;
                Ok(answer)
            })
            .await
    }

    /// Opens a stream in both directions.
    pub(crate) async fn open(&self, method: Method, scope: Scope<'_>) -> Result<Stream, Error> {
        let mut request = Request::post(format!("http://localhost{}", method.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("handoff/", env!("CARGO_PKG_VERSION")))
            .header("containerd-namespace", scope.namespace);
        if let Some(lease) = scope.lease {
            request = request.header("containerd-lease", lease);
        }
        let request = request.body(()).map_err(|e| method.broken(e))?;
        let mut requests = self.requests.clone().ready().await.map_err(|e| method.broken(e))?;
        let (response, output) = requests.send_request(request, false).map_err(|e| method.broken(e))?;
        Ok(Stream { method, output, input: Input::Waiting(response), buffer: BytesMut::new() })
    }
}

/// Call in progress.
#[derive(Debug)]
pub(crate) struct Stream {
    method: Method,
    output: SendStream<Bytes>,
    input: Input,
    buffer: BytesMut,
}

#[derive(Debug)]
enum Input {
    Waiting(ResponseFuture),
    Open(RecvStream),
    Ended,
}

impl Stream {
    /// Hands a message to the connection, which sends it as the daemon's window allows. The caller bounds how many
    /// messages wait. An error is that of the stream, and the next answer names its cause.
    pub(crate) fn send_now<Q: Message>(&mut self, message: &Q, last: bool) {
        let len = message.encoded_len();
        let mut frame = BytesMut::with_capacity(PREFIX + len);
        frame.put_u8(0);
        frame.put_u32(len as u32);
        // A `BytesMut` grows: encoding into it cannot fail.
        let _ = message.encode(&mut frame);
        let _ = self.output.send_data(frame.freeze(), last);
    }

    /// Receives the next answer within the method's limit; none after the last one, if the status is OK.
    pub(crate) async fn receive<A: Message + Default>(&mut self) -> Result<Option<A>, Error> {
        self.method.in_time(self.receive_now()).await
    }

    async fn receive_now<A: Message + Default>(&mut self) -> Result<Option<A>, Error> {
        let method = self.method;
        loop {
            if let Some(frame) = take_frame(&mut self.buffer).map_err(|e| method.broken(e))? {
                return A::decode(frame).map(Some).map_err(|e| method.broken(e));
            }
            match &mut self.input {
                Input::Waiting(response) => {
                    let (head, body) = response.await.map_err(|e| method.broken(e))?.into_parts();
                    if !head.status.is_success() {
                        return Err(method.broken(format!("HTTP status {}", head.status)));
                    }
                    // An error before any answer comes in the first headers.
                    check_status(method, &head.headers, false)?;
                    self.input = Input::Open(body);
                }
                Input::Open(body) => {
                    if let Some(piece) = body.data().await {
                        let piece = piece.map_err(|e| method.broken(e))?;
                        let _ = body.flow_control().release_capacity(piece.len());
                        self.buffer.extend_from_slice(&piece);
                    } else {
                        let trailers = body.trailers().await.map_err(|e| method.broken(e))?;
                        self.input = Input::Ended;
                        check_status(method, &trailers.unwrap_or_default(), true)?;
                    }
                }
                Input::Ended => return Ok(None),
            }
        }
    }
}

/// Takes a whole message from the front of the received bytes.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(prefix) = buffer.get(..PREFIX) else { return Ok(None) };
    let len = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if prefix[0] != 0 || len > MAX_MESSAGE {
        return Err(format!("an answer of {len} bytes with flag {}", prefix[0]));
    }
    if buffer.len() < PREFIX + len {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(buffer.split_to(len).freeze()))
}

/// Fails with the status in headers or trailers, unless it is OK.
fn check_status(method: Method, headers: &HeaderMap, required: bool) -> Result<(), Error> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(status) = text("grpc-status") else {
        return if required { Err(method.broken("there is no grpc-status")) } else { Ok(()) };
    };
    if status == "0" {
        return Ok(());
    }
    let message = percent_encoding::percent_decode_str(text("grpc-message").unwrap_or_default());
    let code = status.parse().map_or(Code::Other(2), Code::of);
    Err(Error::Status { call: method.name, code, message: message.decode_utf8_lossy().into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: Method = Method { name: "Test", path: "/t", limit: timeouts::CALL };

    #[test]
    fn frames_are_taken_whole_and_long_or_compressed_ones_are_refused() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 0, 2, 7][..]);
        assert_eq!(take_frame(&mut buffer), Ok(None));
        buffer.extend_from_slice(&[8, 0]);
        assert_eq!(take_frame(&mut buffer), Ok(Some(Bytes::from_static(&[7, 8]))));
        assert_eq!(buffer[..], [0]);
        assert!(take_frame(&mut BytesMut::from(&[1, 0, 0, 0, 0][..])).is_err());
        assert!(take_frame(&mut BytesMut::from(&[0, 255, 0, 0, 0][..])).is_err());
    }

    #[test]
    fn status_names_the_code_and_decodes_the_message() {
        let mut headers = HeaderMap::new();
        assert!(check_status(METHOD, &headers, false).is_ok());
        assert!(matches!(check_status(METHOD, &headers, true), Err(Error::Broken { .. })));
        headers.insert("grpc-status", "6".parse().unwrap());
        headers.insert("grpc-message", "caf%C3%A9: exists".parse().unwrap());
        let error = check_status(METHOD, &headers, true).unwrap_err();
        assert!(error.is(Code::AlreadyExists) && error.to_string().contains("café: exists"), "{error}");
    }
}
