//! One request and its answer on a connection. Bodies pass the link; a request is counted before its answer is complete.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use handoff_link::{Call, Direction, Fault, RequestRecord};
use rustix::fs::sendfile;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send};

use super::Reply;
use super::connection::Connection;
use super::head::{BodyLength, Head};
use crate::account::{Account, Attempt, Receipt};
use crate::clock;
use crate::link::TransferGuard;

/// Largest unread body in bytes that is discarded, so that the client sees the answer instead of a reset. A longer body closes
/// the connection.
const DISCARD: u64 = 256 << 20;
/// Size of the buffer for bodies, in bytes.
const SCRATCH: usize = 512 << 10;
/// Last bytes of a file, which are sent only after the request is counted.
const TAIL: u64 = 16 << 10;
/// Largest piece of a file per call of sendfile on an unshaped link, in bytes.
const UNSHAPED: usize = 1 << 30;

/// Request that is being answered.
pub(crate) struct Exchange<'a> {
    pub(crate) head: Head,
    pub(crate) record: RequestRecord,
    connection: &'a mut Connection,
    request_id: String,
    account: Option<Arc<Account>>,
    receipt: Option<Receipt>,
    /// `None` on an unshaped link.
    guard: Option<TransferGuard>,
    /// Seconds in the Retry-After of an injected 429.
    retry_after_s: u64,
    body_left: u64,
    awaits_continue: bool,
    keep_alive: bool,
}

/// Parts of a file that are sent as the body of an answer.
pub(crate) struct FileBody {
    pub(crate) file: File,
    /// Offset and length of each part.
    pub(crate) pieces: Vec<(u64, u64)>,
    /// Sum of the lengths.
    pub(crate) length: u64,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(head: Head, connection: &'a mut Connection, request_id: String) -> Self {
        let record = RequestRecord {
            start_ns: clock::monotonic_ns(),
            method: head.method.clone(),
            path: head.path.clone(),
            connection: connection.id,
            ..RequestRecord::default()
        };
        let body_left = if let BodyLength::Known(length) = head.body { length } else { 0 };
        let awaits_continue = head.expects_continue && body_left > 0;
        // A chunked body is not parsed, so the connection ends after the answer.
        let keep_alive = head.keep_alive && head.body != BodyLength::Chunked;
        Self {
            head,
            record,
            connection,
            request_id,
            account: None,
            receipt: None,
            guard: None,
            retry_after_s: 0,
            body_left,
            awaits_continue,
            keep_alive,
        }
    }

    /// Counts the request for `account` and passes it through the account's link.
    pub(crate) fn attach(&mut self, account: &Arc<Account>, call: Call) {
        if !self.connection.carried.contains(&account.id) {
            self.connection.carried.push(account.id.clone());
            account.count_connection();
        }
        self.account = Some(Arc::clone(account));
        let admission = account.link.admit(call, self.record.start_ns);
        self.record.fault = admission.fault;
        self.guard = admission.guard;
        self.retry_after_s = admission.retry_after_s;
    }

    /// Status of an injected error, and the seconds of Retry-After.
    pub(crate) fn refusal(&self) -> Option<(u16, u64)> {
        match self.record.fault? {
            Fault::Status429 => Some((429, self.retry_after_s)),
            Fault::Status500 => Some((500, 0)),
            Fault::Status503 => Some((503, 0)),
            Fault::Stall | Fault::Slow | Fault::Reset => None,
        }
    }

    /// Number of the `left` bytes of `total` that may move before an injected reset; an error when it is due.
    fn before_break(&self, left: u64, total: u64) -> io::Result<u64> {
        if self.record.fault != Some(Fault::Reset) {
            return Ok(left);
        }
        let before = left.saturating_sub(total / 2);
        if before == 0 { Err(ErrorKind::ConnectionReset.into()) } else { Ok(before) }
    }

    pub(crate) fn note_attempt(&self, attempt: &Attempt<'_>) {
        if let Some(account) = &self.account {
            account.count_attempt(attempt);
        }
    }

    pub(crate) fn note_failure(&self, attempt: &Attempt<'_>) {
        if let Some(account) = &self.account {
            account.note_failure(attempt);
        }
    }

    /// Address by which the client reached the service.
    pub(crate) fn local(&self) -> std::net::SocketAddr {
        self.connection.local
    }

    /// Length of the body, if the client sent one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        if let BodyLength::Known(length) = self.head.body { Some(length) } else { None }
    }

    /// Reads the whole body into memory; `Ok(None)` when it is longer than `limit`.
    pub(crate) fn read_body(&mut self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        if self.body_left > limit {
            return Ok(None);
        }
        let mut body = Vec::with_capacity(self.body_left as usize);
        self.read_pieces(|piece| {
            body.extend_from_slice(piece);
            Ok::<(), io::Error>(())
        })?;
        Ok(Some(body))
    }

    /// Passes the body to `take` in pieces. An error of `take` does not end the connection: the rest of the body is
    /// discarded before the answer.
    pub(crate) fn read_pieces<E: From<io::Error>>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut scratch = std::mem::take(&mut self.connection.scratch);
        // As large as the body: an API call should not allocate half a mebibyte.
        let wanted = usize::try_from(self.body_left).unwrap_or(SCRATCH).min(SCRATCH);
        if scratch.len() < wanted {
            scratch.resize(wanted, 0);
        }
        let mut result = Ok(());
        while result.is_ok() && self.body_left > 0 {
            result = self.read_some(&mut scratch).map_err(E::from).and_then(|count| take(&scratch[..count]));
        }
        self.connection.scratch = scratch;
        result
    }

    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.awaits_continue {
            self.awaits_continue = false;
            self.connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let most = self.before_break(self.body_left, self.content_length().unwrap_or(0))?;
        let piece = self.guard.as_ref().and_then(|guard| guard.piece(Direction::Up)).unwrap_or(SCRATCH);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(into.len()).min(piece);
        let count = self.connection.read(&mut into[..most])?;
        self.pass(Direction::Up, count as u64);
        self.body_left -= count as u64;
        self.record.bytes_up += count as u64;
        Ok(count)
    }

    /// Sends an answer whose body is in memory or absent.
    pub(crate) fn send(&mut self, reply: &Reply) -> io::Result<()> {
        self.discard_body()?;
        self.before_break(0, 0)?;
        let sent = if self.head.method == "HEAD" { 0 } else { reply.body.len() as u64 };
        let mut bytes = self.head_of(reply).into_bytes();
        bytes.extend_from_slice(&reply.body[..sent as usize]);
        self.count(reply.status, sent);
        self.pass(Direction::Down, sent);
        let result = self.connection.write_all(&bytes);
        self.complete(result, sent)
    }

    /// Sends `pieces` (offset and length each) of `file` after the head; `total` is the sum of their lengths.
    pub(crate) fn send_file(&mut self, reply: &Reply, body: &FileBody) -> io::Result<()> {
        self.discard_body()?;
        let mut left = body.length;
        let result = self.send_pieces(reply, body, &mut left);
        if self.receipt.is_none() {
            self.count(reply.status, body.length);
        }
        self.complete(result, left)
    }

    fn send_pieces(&mut self, reply: &Reply, body: &FileBody, left: &mut u64) -> io::Result<()> {
        let (status, head, total) = (reply.status, self.head_of(reply).into_bytes(), body.length);
        // MORE lets the first packet carry the head and the beginning of the file.
        let more = if total > 0 { SendFlags::MORE } else { SendFlags::empty() };
        let mut sent = 0;
        if total == 0 {
            self.count(status, 0);
        }
        while sent < head.len() {
            sent += retry_on_intr(|| send(&self.connection.stream, &head[sent..], more | SendFlags::NOSIGNAL))?;
        }
        let piece = self.guard.as_ref().and_then(|guard| guard.piece(Direction::Down)).unwrap_or(UNSHAPED) as u64;
        // Bytes that have passed the link but are not sent yet. They pass before they are sent, so that none arrives early.
        let mut passed = 0;
        for &(start, length) in &body.pieces {
            let (mut offset, end) = (start, start + length);
            while offset < end {
                let before_break = self.before_break(*left, total)?;
                if *left <= TAIL && self.receipt.is_none() {
                    self.count(status, total);
                }
                let before_tail = if *left > TAIL { *left - TAIL } else { *left };
                let mut count = (end - offset).min(before_tail).min(before_break).min(piece);
                if passed == 0 {
                    self.pass(Direction::Down, count);
                    passed = count;
                }
                count = count.min(passed);
                let moved = match sendfile(&self.connection.stream, &body.file, Some(&mut offset), count as usize) {
                    // The file is shorter than the blob, which cannot be completed.
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(moved) => moved as u64,
                    Err(Errno::INTR) => 0,
                    Err(error) => return Err(error.into()),
                };
                *left -= moved;
                passed -= moved;
            }
        }
        Ok(())
    }

    /// Ends the exchange after its answer; returns whether the connection can carry another request.
    pub(crate) fn finish(mut self, result: &io::Result<()>) -> bool {
        if result.is_err() && self.receipt.is_none() {
            // The client disconnected during its request, which is counted without a status.
            self.record.broken = true;
            self.count(0, 0);
            self.complete(Err(ErrorKind::BrokenPipe.into()), 0).ok();
        }
        if self.record.fault == Some(Fault::Reset) {
            // With zero linger, closing the connection sends a reset.
            rustix::net::sockopt::set_socket_linger(&*self.connection.stream, Some(std::time::Duration::ZERO)).ok();
        }
        result.is_ok() && self.keep_alive
    }

    fn head_of(&self, reply: &Reply) -> String {
        reply.head(&self.request_id, &clock::http_date(clock::unix_seconds()), self.keep_alive)
    }

    fn pass(&mut self, direction: Direction, bytes: u64) {
        if let Some(guard) = self.guard.as_mut().filter(|guard| guard.piece(direction).is_some() && bytes > 0) {
            guard.pass(direction, bytes);
        }
    }

    fn discard_body(&mut self) -> io::Result<()> {
        if self.awaits_continue || self.body_left > DISCARD {
            self.keep_alive = false;
            return Ok(());
        }
        self.read_pieces(|_| Ok::<(), io::Error>(()))
    }

    fn count(&mut self, status: u16, bytes_down: u64) {
        self.record.status = status;
        self.record.bytes_down = bytes_down;
        self.record.end_ns = clock::monotonic_ns();
        let Some(account) = &self.account else { return };
        self.receipt = Some(account.count(self.record.clone()));
    }

    fn complete(&self, result: io::Result<()>, missing: u64) -> io::Result<()> {
        if let (Some(account), Some(receipt)) = (&self.account, &self.receipt) {
            let missing = if result.is_err() { missing } else { 0 };
            account.complete(receipt, clock::monotonic_ns(), result.is_err(), missing);
        }
        result
    }
}
