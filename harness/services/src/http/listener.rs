//! Takes connections, gives each a thread, and ends them all.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::connection::{Connection, NoHead};
use super::{Exchange, Reply};

/// Enough for the handlers, whose buffers are on the heap.
const STACK: usize = 256 << 10;
/// How long an end waits for threads that are in the middle of something.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers one request; an error means that the connection is of no use any more.
pub(crate) type Handler = dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync;

/// A listening socket and its connections.
pub(crate) struct Listener {
    addr: SocketAddr,
    shared: Arc<ListenerState>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct ListenerState {
    handler: Box<Handler>,
    ended: AtomicBool,
    requests: AtomicU64,
    // Begins every request id, so that ids of two services differ.
    instance: String,
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
    closed: Condvar,
}

impl Listener {
    /// Starts to answer on `socket`.
    pub(crate) fn start(socket: TcpListener, instance: String, handler: Box<Handler>) -> io::Result<Self> {
        let addr = socket.local_addr()?;
        let shared = Arc::new(ListenerState {
            handler,
            ended: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            instance,
            open: Mutex::default(),
            closed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let acceptor = Builder::new().name("accept".into()).spawn(move || accept(&socket, &own))?;
        Ok(Self { addr, shared, acceptor: Mutex::new(Some(acceptor)) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends every connection and stops listening. Idempotent.
    pub(crate) fn end(&self) {
        let Some(acceptor) = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.shared.ended.store(true, Ordering::SeqCst);
        // A connection of our own wakes the thread that waits for one.
        let mut wake = self.addr;
        if wake.ip().is_unspecified() {
            let loopback = if wake.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            wake.set_ip(loopback);
        }
        if TcpStream::connect_timeout(&wake, SHUTDOWN_TIMEOUT).is_ok() {
            acceptor.join().ok();
        }
        let open = self.shared.open();
        for stream in open.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        drop(self.shared.closed.wait_timeout_while(open, SHUTDOWN_TIMEOUT, |open| !open.is_empty()));
    }
}

impl ListenerState {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(socket: &TcpListener, shared: &Arc<ListenerState>) {
    for id in 1.. {
        let accepted = socket.accept();
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: the connections that are there will end.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let stream = Arc::new(stream);
        shared.open().insert(id, Arc::clone(&stream));
        let own = Arc::clone(shared);
        let spawned = Builder::new().name("connection".into()).stack_size(STACK).spawn(move || {
            let _registered = Registered { id, shared: &own };
            serve(stream, id, &own).ok();
        });
        if spawned.is_err() {
            shared.open().remove(&id);
        }
    }
}

// Takes the connection off the list also when its thread panics.
struct Registered<'a> {
    id: u64,
    shared: &'a ListenerState,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.open().remove(&self.id);
        self.shared.closed.notify_all();
    }
}

fn serve(stream: Arc<TcpStream>, id: u64, shared: &ListenerState) -> io::Result<()> {
    let mut connection = Connection::new(stream, id)?;
    loop {
        let head = match connection.read_head()? {
            Ok(head) => head,
            Err(NoHead::Closed) => return Ok(()),
            Err(NoHead::Bad(bad)) => {
                let body = serde_json::json!({ "code": "malformed", "msg": bad.0 });
                let reply = Reply::json(400, &body);
                let date = crate::clock::http_date(crate::clock::unix_seconds());
                connection.write_all(reply.head(&shared.request_id(), &date, false).as_bytes())?;
                return connection.write_all(&reply.body);
            }
        };
        let mut exchange = Exchange::new(head, &mut connection, shared.request_id());
        let result = (shared.handler)(&mut exchange);
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
