//! Listener: accepts connections, runs a thread for each, and ends them all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::connection::{Connection, NoHead};
use super::{Exchange, Reply};
use crate::timeouts::{ACCEPT_BACKOFF, SHUTDOWN_TIMEOUT};

/// Stack of a connection's thread in bytes: enough for the handlers, whose buffers are on the heap.
const STACK: usize = 256 << 10;

/// Handler of one request; an error ends the connection.
pub(crate) type Handler = dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync;

/// Listening socket and its connections.
pub(crate) struct Listener {
    addr: SocketAddr,
    state: Arc<ListenerState>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct ListenerState {
    handler: Box<Handler>,
    ended: AtomicBool,
    requests: AtomicU64,
    // Prefix of every request id, so that ids of two services differ.
    instance: String,
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
    closed: Condvar,
}

impl Listener {
    /// Starts to accept connections on `socket`.
    pub(crate) fn start(socket: TcpListener, instance: String, handler: Box<Handler>) -> io::Result<Self> {
        let addr = socket.local_addr()?;
        let state = Arc::new(ListenerState {
            handler,
            ended: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            instance,
            open: Mutex::default(),
            closed: Condvar::new(),
        });
        let acceptor_state = Arc::clone(&state);
        let acceptor = Builder::new().name("accept".into()).spawn(move || accept(&socket, &acceptor_state))?;
        Ok(Self { addr, state, acceptor: Mutex::new(Some(acceptor)) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends every connection and stops listening. Idempotent.
    pub(crate) fn end(&self) {
        let Some(acceptor) = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.state.ended.store(true, Ordering::SeqCst);
        // A connection to itself wakes the accepting thread.
        if TcpStream::connect_timeout(&reachable(self.addr), SHUTDOWN_TIMEOUT).is_ok() {
            acceptor.join().ok();
        }
        let open = self.state.open();
        for stream in open.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        drop(self.state.closed.wait_timeout_while(open, SHUTDOWN_TIMEOUT, |open| !open.is_empty()));
    }
}

impl ListenerState {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(socket: &TcpListener, state: &Arc<ListenerState>) {
    for id in 1.. {
        let accepted = socket.accept();
        if state.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // Probably out of file descriptors, which ending connections free.
            std::thread::sleep(ACCEPT_BACKOFF);
            continue;
        };
        let stream = Arc::new(stream);
        state.open().insert(id, Arc::clone(&stream));
        let connection_state = Arc::clone(state);
        let spawned = Builder::new().name("connection".into()).stack_size(STACK).spawn(move || {
            let _registered = Registered { id, state: &connection_state };
            serve(stream, id, &connection_state).ok();
        });
        if spawned.is_err() {
            state.open().remove(&id);
        }
    }
}

// Removes the connection from the list, also when its thread panics.
struct Registered<'a> {
    id: u64,
    state: &'a ListenerState,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.state.open().remove(&self.id);
        self.state.closed.notify_all();
    }
}

fn serve(stream: Arc<TcpStream>, id: u64, state: &ListenerState) -> io::Result<()> {
    let mut connection = Connection::new(stream, id)?;
    loop {
        let head = match connection.read_head()? {
            Ok(head) => head,
            Err(NoHead::Closed) => return Ok(()),
            Err(NoHead::Bad(bad)) => {
                let body = serde_json::json!({ "code": "malformed", "msg": bad.0 });
                let reply = Reply::json(400, &body);
                let date = crate::clock::http_date(crate::clock::unix_seconds());
                connection.write_all(reply.head(&state.request_id(), &date, false).as_bytes())?;
                return connection.write_all(&reply.body);
            }
        };
        let mut exchange = Exchange::new(head, &mut connection, state.request_id());
        let result = (state.handler)(&mut exchange);
        if !exchange.finish(&result) {
            return result;
        }
    }
}

impl ListenerState {
    fn request_id(&self) -> String {
        format!("{}-{:012x}", self.instance, self.requests.fetch_add(1, Ordering::Relaxed))
    }
}

/// Address for a client to connect to: the unspecified address becomes loopback.
pub(crate) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
