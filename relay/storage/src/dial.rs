//! New connections: resolved, through a proxy where the environment names one, encrypted where the scheme says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::endpoint::{Resolve, Target};
use crate::error::Error;
use crate::proxy::Proxies;
use crate::pulse::{Activity, Pulse, Watched};
use crate::timeouts::CONNECT_TIMEOUT;
use crate::tls::Tls;

/// Connection that carries one request after another.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pub(crate) activity: Arc<Activity>,
}

/// Opener of connections.
#[derive(Debug)]
pub(crate) struct Dialer {
    resolve: Resolve,
    proxies: Proxies,
    tls: Tls,
}

impl Dialer {
    pub(crate) fn new(resolve: Resolve, proxies: Proxies) -> Self {
        Self { resolve, proxies, tls: Tls::default() }
    }

    /// Opens a connection and counts it.
    pub(crate) async fn dial(
        &self,
        target: &Target,
        pulse: &Arc<Pulse>,
        opened: &AtomicU64,
    ) -> Result<Connection, Error> {
        let (host, port) = self.resolve.address(target)?;
        let proxy = self.proxies.of(target.tls, &host, port);
        let failed = |why: String| match proxy {
            Some(proxy) => proxy.failed(&target.authority(), why, true),
            None => Error::Broken { url: target.authority(), why },
        };
        let timed_out = || failed("timed out".to_owned());
        let address = proxy.map_or_else(|| (host.clone(), port), |proxy| (proxy.host.clone(), proxy.port));
        let connect = timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let tcp = connect.await.map_err(|_| timed_out())?.map_err(|e| failed(e.to_string()))?;
        tcp.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
        opened.fetch_add(1, Ordering::Relaxed);
        let activity = Activity::new(pulse);
        let mut stream = Watched::new(tcp, Arc::clone(&activity));
        if let Some(proxy) = proxy {
            timeout(CONNECT_TIMEOUT, proxy.tunnel(&mut stream, &host, port)).await.map_err(|_| timed_out())??;
        }
        let handshake = if target.tls {
            let encrypted = timeout(CONNECT_TIMEOUT, self.tls.connect(target, stream));
            http_handshake(encrypted.await.map_err(|_| timed_out())??).await
        } else {
            http_handshake(stream).await
        };
        Ok(Connection { sender: handshake.map_err(|e| failed(e.to_string()))?, activity })
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
