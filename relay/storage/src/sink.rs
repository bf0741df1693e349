//! Where downloaded bytes go: to the writer and the digest, each on its own thread, the last of them only once the
//! digest is known to be right.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::digest::{Digester, spawn};
use crate::error::Error;
use crate::remote::Frames;

/// Bytes held back at least (of a shorter stream: all). More than a block of zstd (128 KiB), so that a decompressor
/// cannot give out the end of a stream that is not known to be right.
const HELD_BACK: usize = 256 << 10;
/// Pieces on their way to a thread; a piece is what the socket gave, less than half a megabyte.
const DEPTH: usize = 32;

enum Piece {
    Data(Bytes),
    /// All that came is right: the rest may go out.
    Verified,
}

/// Bytes on their way to a writer.
pub(crate) struct Sink {
    digester: Digester,
    hash: mpsc::Sender<Bytes>,
    pieces: mpsc::Sender<Piece>,
    written: oneshot::Receiver<Result<(), Error>>,
}

impl Sink {
    pub(crate) fn start(writer: impl Write + Send + 'static) -> Result<Self, Error> {
        let digester = Digester::start(DEPTH)?;
        let (pieces, queue) = mpsc::channel(DEPTH);
        let (said, written) = oneshot::channel();
        spawn("stream-writer", move || {
            // Nobody asks after the writer once a download has failed for another reason.
            let _ = said.send(write_out(writer, queue));
        })?;
        Ok(Self { hash: digester.input(), digester, pieces, written })
    }

    /// Ends the stream: completes it if `fetched` went well and the digest is the expected one.
    pub(crate) async fn finish(self, fetched: Result<(), Error>, name: &str, expected: &str) -> Result<String, Error> {
        let Self { digester, hash, pieces, written } = self;
        match fetched {
            // The writer has ended; it knows why better than who met its closed queue.
            Err(Error::Writer { .. }) => return Err(ended(written).await.err().unwrap_or_else(gone)),
            Err(other) => return Err(other),
            Ok(()) => {}
        }
        drop(hash);
        let sha256 = digester.finish().await?;
        let got = format!("sha256:{sha256}");
        if !got.eq_ignore_ascii_case(expected) {
            return Err(Error::Digest { name: name.to_owned(), expected: expected.to_owned(), got });
        }
        // If it does not take this, its own error follows.
        let _ = pieces.send(Piece::Verified).await;
        ended(written).await.map(|()| sha256)
    }
}

impl Frames for Sink {
    async fn accept(&mut self, frame: Bytes) -> Result<(), Error> {
        let handed = self.pieces.send(Piece::Data(frame.clone())).await.is_ok();
        if handed && self.hash.send(frame).await.is_ok() { Ok(()) } else { Err(gone()) }
    }
}

async fn ended(written: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
    written.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> Error {
    Error::Writer { at: 0, source: io::Error::other("the writing thread ended") }
}

/// The writing thread: all but the last bytes as they come, those when they are known to be right.
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
                while let Some(oldest) = held.pop_front_if(|oldest| held_bytes - oldest.len() >= HELD_BACK) {
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
    // Given up: what is held back stays unwritten.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn feed(pieces: &[usize], verified: bool) -> (usize, usize) {
        let out = Shared::default();
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
    fn the_end_goes_out_only_when_it_is_known_to_be_right() {
        for pieces in [&[1, 2, 3][..], &[400 << 10; 5], &[1000; 900], &[HELD_BACK, 1], &[]] {
            let (written, all) = feed(pieces, true);
            assert_eq!(written, all);
            let (written, all) = feed(pieces, false);
            assert!(written + HELD_BACK <= all.max(HELD_BACK), "{written} of {all}");
        }
    }

    #[tokio::test]
    async fn a_wrong_digest_and_a_broken_writer_are_named() {
        let mut sink = Sink::start(Shared::default()).unwrap();
        sink.accept(Bytes::from_static(b"abc")).await.unwrap();
        let said = sink.finish(Ok(()), "n", "sha256:00").await.unwrap_err();
        assert!(matches!(said, Error::Digest { .. }), "{said}");

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
            if let Err(e) = sink.accept(Bytes::from(vec![0; HELD_BACK])).await {
                break e;
            }
        };
        let said = sink.finish(Err(failed), "n", "").await.unwrap_err();
        assert!(matches!(&said, Error::Writer { source, .. } if source.kind() == io::ErrorKind::BrokenPipe), "{said}");
    }
}
