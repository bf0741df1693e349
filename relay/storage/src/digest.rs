//! SHA-256 on a separate thread: hashing a block costs as much as sending it, so both run in parallel.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

/// Running digest.
pub(crate) struct Digester {
    input: mpsc::Sender<Bytes>,
    result: oneshot::Receiver<String>,
}

impl Digester {
    /// Starts the thread with a queue of `depth` pieces.
    pub(crate) fn start(depth: usize) -> Result<Self, Error> {
        let (input, mut pieces) = mpsc::channel::<Bytes>(depth);
        let (answer, result) = oneshot::channel();
        let work = move || {
            let mut state = Sha256::new();
            while let Some(piece) = pieces.blocking_recv() {
                state.update(&piece);
            }
            // The receiver is gone when the transfer has failed.
            let _ = answer.send(hex::encode(state.finalize()));
        };
        spawn("sha256", work)?;
        Ok(Self { input, result })
    }

    /// Sender for the bytes, in order.
    pub(crate) fn input(&self) -> mpsc::Sender<Bytes> {
        self.input.clone()
    }

    /// Digest in hex, once every other sender is dropped.
    pub(crate) async fn finish(self) -> Result<String, Error> {
        drop(self.input);
        self.result
            .await
            .map_err(|_| Error::System { what: "hashing", source: std::io::Error::other("its thread ended") })
    }
}

/// Starts a named, detached thread.
pub(crate) fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|source| Error::System { what: "starting a thread", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn digest_of_pieces_is_that_of_the_whole() {
        let digester = Digester::start(2).unwrap();
        for piece in ["a", "", "bc"] {
            digester.input().send(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digester.finish().await.unwrap(), expected);
    }
}
