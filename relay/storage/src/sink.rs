//! Sink of downloaded bytes: a writer and a digest, each on its own thread. The last bytes wait for the digest.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::digest::{Digester, spawn};
use crate::error::Error;
use crate::remote::Frames;

/// Bytes held back at least, or a whole shorter stream. More than a zstd block (128 KiB), so that a decompressor cannot
/// complete an unverified stream.
const HELD_BACK_BYTES: usize = 256 << 10;
/// Pieces queued for a thread. A piece is one read of the socket, less than half a megabyte.
const QUEUED_PIECES: usize = 32;

enum Piece {
    Data(Bytes),
    /// The digest is verified: the rest may be written.
    Verified,
}

/// Downloaded bytes in order, on their way to a writer.
pub(crate) struct Sink {
    digester: Digester,
    hash: mpsc::Sender<Bytes>,
    pieces: mpsc::Sender<Piece>,
    written: oneshot::Receiver<Result<(), Error>>,
}

impl Sink {
    pub(crate) fn start(writer: impl Write + Send + 'static) -> Result<Self, Error> {
        let digester = Digester::start(QUEUED_PIECES)?;
        let (pieces, queue) = mpsc::channel(QUEUED_PIECES);
        let (result_sender, written) = oneshot::channel();
        spawn("stream-writer", move || {
            // The receiver is gone when the download failed for another reason.
            let _ = result_sender.send(write_out(writer, queue));
        })?;
        Ok(Self { hash: digester.input(), digester, pieces, written })
    }

    /// Ends the stream. Completes it if `fetched` succeeded and the digest is `expected`.
    pub(crate) async fn finish(self, fetched: Result<(), Error>, name: &str, expected: &str) -> Result<String, Error> {
        let Self { digester, hash, pieces, written } = self;
        match fetched {
            // The writer failed first: its own error says why the queue is closed.
            Err(Error::Writer { .. }) => return Err(writer_result(written).await.err().unwrap_or_else(writer_ended)),
            Err(other) => return Err(other),
            Ok(()) => {}
        }
        drop(hash);
        let sha256 = digester.finish().await?;
        let got = format!("sha256:{sha256}");
        if !got.eq_ignore_ascii_case(expected) {
            return Err(Error::Digest { name: name.to_owned(), expected: expected.to_owned(), got });
        }
        // If the writer does not receive this, its own error follows.
        let _ = pieces.send(Piece::Verified).await;
        writer_result(written).await.map(|()| sha256)
    }
}

impl Frames for Sink {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        let queued = self.pieces.send(Piece::Data(frame.clone())).await.is_ok();
        if queued && self.hash.send(frame).await.is_ok() { Ok(()) } else { Err(writer_ended()) }
    }
}

async fn writer_result(written: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
    written.await.unwrap_or_else(|_| Err(writer_ended()))
}

fn writer_ended() -> Error {
    Error::Writer { at: 0, source: io::Error::other("the writing thread ended") }
}

/// Writing thread: writes all but the last bytes at once, and these after the verification.
fn write_out(mut writer: impl Write, mut queue: mpsc::Receiver<Piece>) -> Result<(), Error> {
    let mut held: VecDeque<Bytes> = VecDeque::new();
    let mut held_bytes = 0;
    let mut at = 0;
    let mut write = |piece: &Bytes| {
        writer.write_all(piece).map_err(|source| Error::Writer { at, source })?;
        at += piece.len() as u64;
        Ok(())
    };
    while let Some(piece) = queue.blocking_recv() {
        match piece {
            Piece::Data(data) => {
                held_bytes += data.len();
                held.push_back(data);
                while let Some(oldest) = held.pop_front_if(|oldest| held_bytes - oldest.len() >= HELD_BACK_BYTES) {
                    held_bytes -= oldest.len();
                    write(&oldest)?;
                }
            }
            Piece::Verified => {
                held.iter().try_for_each(&mut write)?;
                return writer.flush().map_err(|source| Error::Writer { at, source });
            }
        }
    }
    // The download failed: the held bytes are not written.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedBuffer {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn feed(pieces: &[usize], verified: bool) -> (usize, usize) {
        let out = SharedBuffer::default();
        let (sender, queue) = mpsc::channel(pieces.len() + 1);
        for &n in pieces {
            sender.blocking_send(Piece::Data(Bytes::from(vec![7; n]))).unwrap();
        }
        if verified {
            sender.blocking_send(Piece::Verified).unwrap();
        }
        drop(sender);
        write_out(out.clone(), queue).unwrap();
        (out.0.lock().unwrap().len(), pieces.iter().sum())
    }

    #[test]
    fn last_bytes_are_written_only_after_verification() {
        for pieces in [&[1, 2, 3][..], &[400 << 10; 5], &[1000; 900], &[HELD_BACK_BYTES, 1], &[]] {
            let (written, all) = feed(pieces, true);
            assert_eq!(written, all);
            let (written, all) = feed(pieces, false);
            assert!(written + HELD_BACK_BYTES <= all.max(HELD_BACK_BYTES), "{written} of {all}");
        }
    }

    #[tokio::test]
    async fn wrong_digest_and_broken_writer_are_reported() {
        let mut sink = Sink::start(SharedBuffer::default()).unwrap();
        sink.accept(Bytes::from_static(b"abc")).await.unwrap();
        let error = sink.finish(Ok(()), "n", "sha256:00").await.unwrap_err();
        assert!(matches!(error, Error::Digest { .. }), "{error}");

        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Sink::start(Broken).unwrap();
        let failed = loop {
            if let Err(e) = sink.accept(Bytes::from(vec![0; HELD_BACK_BYTES])).await {
                break e;
            }
        };
        let error = sink.finish(Err(failed), "n", "").await.unwrap_err();
        assert!(
            matches!(&error, Error::Writer { source, .. } if source.kind() == io::ErrorKind::BrokenPipe),
            "{error}"
        );
    }
}
