//! One TCP connection, with its unread bytes and its state between requests.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustix::io::{read, retry_on_intr};

use super::head::{BadHead, Head};

/// Bytes of one read for a head.
const READ: usize = 16 << 10;

/// Connection with the received bytes that are not used yet.
pub(crate) struct Connection {
    pub(crate) stream: Arc<TcpStream>,
    /// Unique within the service.
    pub(crate) id: u64,
    /// Address by which the client reached the service.
    pub(crate) local: SocketAddr,
    /// Ids of the accounts with requests on this connection.
    pub(crate) carried: Vec<String>,
    /// Buffer for bodies, kept between requests.
    pub(crate) scratch: Vec<u8>,
    inbox: Vec<u8>,
    used: usize,
}

/// Reason why there is no next head.
pub(crate) enum NoHead {
    /// The client closed the connection between two requests.
    Closed,
    /// The bytes are no request.
    Bad(BadHead),
}

impl Connection {
    pub(crate) fn new(stream: Arc<TcpStream>, id: u64) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok(Self { stream, id, local, carried: Vec::new(), scratch: Vec::new(), inbox: Vec::new(), used: 0 })
    }

    /// Waits for the head of the next request.
    pub(crate) fn read_head(&mut self) -> io::Result<Result<Head, NoHead>> {
        self.inbox.drain(..self.used);
        self.used = 0;
        loop {
            if !self.inbox.is_empty() {
                match Head::parse(&self.inbox) {
                    Ok(Some((head, length))) => {
                        self.used = length;
                        return Ok(Ok(head));
                    }
                    Ok(None) => {}
                    Err(bad) => return Ok(Err(NoHead::Bad(bad))),
                }
            }
            let filled = self.inbox.len();
            self.inbox.resize(filled + READ, 0);
            let got = retry_on_intr(|| read(&*self.stream, &mut self.inbox[filled..]));
            self.inbox.truncate(filled + *got.as_ref().unwrap_or(&0));
            match got? {
                0 if filled == 0 => return Ok(Err(NoHead::Closed)),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// Reads some bytes of a body; the end of the connection is an error.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.inbox[self.used..];
        let got = if waiting.is_empty() {
            retry_on_intr(|| read(&*self.stream, &mut *into))?
        } else {
            let count = waiting.len().min(into.len());
            into[..count].copy_from_slice(&waiting[..count]);
            self.used += count;
            count
        };
        if got == 0 && !into.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(got) }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }
}
