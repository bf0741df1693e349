//! Writer of one blob: a stream of pieces, several on their way at a time.

use bytes::Bytes;

use super::{Containerd, method};
use crate::channel::Stream;
use crate::error::{Code, allow};
use crate::proto::Empty;
use crate::proto::content::{AbortRequest, Action, WriteRequest, WriteResponse};
use crate::{Blob, BlobWriter, Error, Lease};

/// Largest piece in bytes. containerd refuses messages above 16 MiB; larger pieces than this gain nothing.
const PIECE: usize = 1 << 20;
/// Pieces without an answer. BuildKit's exporter waits for each piece of 128 KiB, which costs a round trip each.
const IN_FLIGHT: usize = 4;

/// Writer of a blob into containerd's content store. It holds at most 4 MiB.
#[derive(Debug)]
pub struct ContentWriter {
    store: Containerd,
    lease: Lease,
    /// Identifier of the lease that the stream names.
    term: String,
    blob: Blob,
    reference: String,
    stream: Stream,
    written: u64,
    in_flight: usize,
}

impl ContentWriter {
    /// Opens a writer. The error is [`Code::AlreadyExists`] if the store has the blob.
    pub(super) async fn open(store: &Containerd, lease: &Lease, blob: Blob) -> Result<Option<Self>, Error> {
        let term = lease.id();
        let reference = store.fresh(&term, "blob");
        let (stream, offset) = begin(store, &term, &reference, &blob).await?;
        let (store, lease) = (store.clone(), lease.clone());
        let mut writer = Self { store, lease, term, blob, reference, stream, written: 0, in_flight: 0 };
        // Content that another namespace has needs no bytes: containerd shares it.
        if offset > 0 && offset == writer.blob.size {
            writer.written = offset;
            writer.commit().await?;
            return Ok(None);
        }
        Ok(Some(writer))
    }

    fn damaged(&self, why: String) -> Error {
        Error::Damaged { digest: self.blob.digest.to_string(), why }
    }

    async fn answer(&mut self) -> Result<(), Error> {
        self.in_flight -= 1;
        match self.stream.receive::<WriteResponse>().await? {
            Some(_) => Ok(()),
            None => Err(ended()),
        }
    }

    /// Waits for the answers to all pieces.
    async fn drain(&mut self) -> Result<(), Error> {
        while self.in_flight > 0 {
            self.answer().await?;
        }
        Ok(())
    }

    /// Goes on under the newest lease. The old one may have expired, and containerd commits into no lease that is gone.
    async fn reopen(&mut self) -> Result<(), Error> {
        let newest = self.lease.id();
        self.stream.send_now(&WriteRequest { action: Action::Stat.into(), ..WriteRequest::default() }, true);
        // The reference is free when the stream has ended.
        while self.stream.receive::<WriteResponse>().await?.is_some() {}
        let (stream, offset) = begin(&self.store, &newest, &self.reference, &self.blob).await?;
        if offset != self.written {
            return Err(Error::Answer {
                call: method::WRITE_CONTENT.name,
                why: format!("{offset} of {} written bytes are there", self.written),
            });
        }
        (self.stream, self.term) = (stream, newest);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.drain().await?;
        if self.term != self.lease.id() {
            self.reopen().await?;
        }
        let request = WriteRequest {
            action: Action::Commit.into(),
            r#ref: self.reference.clone(),
            total: self.blob.size as i64,
            expected: self.blob.digest.to_string(),
            offset: self.written as i64,
            labels: self.blob.labels.clone(),
            data: Bytes::new(),
        };
        self.stream.send_now(&request, true);
        self.stream.receive::<WriteResponse>().await?.ok_or_else(ended)?;
        while self.stream.receive::<WriteResponse>().await?.is_some() {}
        Ok(())
    }
}

impl BlobWriter for ContentWriter {
    async fn write(&mut self, mut piece: Bytes) -> Result<(), Error> {
        let total = self.written + piece.len() as u64;
        if total > self.blob.size {
            return Err(self.damaged(format!("more than {} bytes came", self.blob.size)));
        }
        while !piece.is_empty() {
            if self.in_flight == IN_FLIGHT {
                self.answer().await?;
            }
            let data = piece.split_to(piece.len().min(PIECE));
            let len = data.len() as u64;
            let offset = self.written as i64;
            let request = WriteRequest { action: Action::Write.into(), offset, data, ..WriteRequest::default() };
            self.stream.send_now(&request, false);
            self.written += len;
            self.in_flight += 1;
        }
        Ok(())
    }

    async fn commit(mut self) -> Result<(), Error> {
        if self.written != self.blob.size {
            return Err(self.damaged(format!("{} of {} bytes came", self.written, self.blob.size)));
        }
        match self.finish().await {
            Err(error) if error.is(Code::AlreadyExists) => {
                if self.store.adopt(&self.lease, &self.blob).await? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(Error::Status { code: Code::FailedPrecondition, message, .. }) => Err(self.damaged(message)),
            other => other,
        }
    }

    async fn abort(self) -> Result<(), Error> {
        let Self { store, reference, stream, term, .. } = self;
        // containerd removes a reference even while its stream ends.
        drop(stream);
        let request = AbortRequest { r#ref: reference };
        allow(store.call::<_, Empty>(method::ABORT_CONTENT, Some(&term), &request).await, Code::NotFound).map(drop)
    }
}

/// Opens a stream for a reference. Returns how many bytes are there.
async fn begin(store: &Containerd, lease: &str, reference: &str, blob: &Blob) -> Result<(Stream, u64), Error> {
    let mut stream = store.open_stream(method::WRITE_CONTENT, lease).await?;
    let request = WriteRequest {
        action: Action::Stat.into(),
        r#ref: reference.to_owned(),
        total: blob.size as i64,
        expected: blob.digest.to_string(),
        ..WriteRequest::default()
    };
    stream.send_now(&request, false);
    let answer: WriteResponse = stream.receive().await?.ok_or_else(ended)?;
    Ok((stream, answer.offset.unsigned_abs()))
}

fn ended() -> Error {
    Error::Broken { call: method::WRITE_CONTENT.name, why: "the stream ended early".to_owned() }
}
