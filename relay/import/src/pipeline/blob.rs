//! Blobs on their way to the content store.

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use handoff_containerd::{Blob, BlobWriter, Digest, Lease, Store, labels};
use tokio::sync::mpsc;

use crate::failure::ImportError;
use crate::layer::BlobSink;
use crate::spec::Layer;

/// Bytes of a piece. containerd answers each, so small ones cost round trips.
const PIECE: usize = 512 << 10;
/// Pieces that wait for the writer, which holds more itself.
const QUEUED: usize = 2;

/// Blob of a layer with its labels.
pub(super) fn of_layer(layer: &Layer) -> Blob {
    Blob { digest: layer.digest.clone(), size: layer.size, labels: labels::of_layer(&layer.diff_id) }
}

/// Sink on the thread that reads a layer. It waits while the writer is busy, so that memory stays bounded.
pub(super) struct Bridge {
    pieces: mpsc::Sender<Bytes>,
    piece: BytesMut,
    /// Bytes that will still come.
    left: u64,
}

impl Bridge {
    /// Bridge for a blob of `size` bytes, and the receiver of its pieces.
    pub(super) fn new(size: u64) -> (Self, mpsc::Receiver<Bytes>) {
        let (pieces, receiver) = mpsc::channel(QUEUED);
        (Self { pieces, piece: BytesMut::new(), left: size }, receiver)
    }
}

impl BlobSink for Bridge {
    /// [`BlobWriter::commit`] refuses other bytes, and the image is recorded after all commits.
    fn is_verified_at_commit(&self) -> bool {
        true
    }

    fn accept(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        while !bytes.is_empty() {
            if self.piece.capacity() == 0 {
                self.piece.reserve(PIECE.min(bytes.len() + self.left as usize));
            }
            let room = self.piece.capacity() - self.piece.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            let is_last = bytes.is_empty() && self.left == 0;
            if self.piece.len() == self.piece.capacity() || is_last {
                let piece = std::mem::take(&mut self.piece).freeze();
                self.pieces.blocking_send(piece).map_err(|_| io::Error::other("the writer of the blob ended"))?;
            }
        }
        Ok(())
    }
}

/// Writes the pieces. The writer comes back, to be committed when the layer is verified.
pub(super) async fn write<W: BlobWriter>(
    mut writer: W,
    mut pieces: mpsc::Receiver<Bytes>,
) -> Result<W, handoff_containerd::Error> {
    while let Some(piece) = pieces.recv().await {
        if let Err(error) = writer.write(piece).await {
            // Ends the layer, before the writer is removed.
            drop(pieces);
            let _ = writer.abort().await;
            return Err(error);
        }
    }
    Ok(writer)
}

pub(super) async fn commit<W: BlobWriter>(writer: W) -> Result<(), ImportError> {
    Ok(writer.commit().await?)
}

/// Writes a small blob, unless the store has it.
pub(super) async fn put<S: Store>(
    store: &S,
    lease: &Lease,
    bytes: &Bytes,
    labels: HashMap<String, String>,
) -> Result<(), ImportError> {
    let blob = Blob { digest: Digest::of(bytes), size: bytes.len() as u64, labels };
    if let Some(mut writer) = store.content(lease, blob).await? {
        writer.write(bytes.clone()).await?;
        writer.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_bytes_in_order() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 77).map(|i| (i / 3) as u8).collect();
        let (mut bridge, mut pieces) = Bridge::new(bytes.len() as u64);
        let reader = std::thread::spawn(move || {
            let mut all: Vec<u8> = Vec::new();
            while let Some(piece) = pieces.blocking_recv() {
                assert!(piece.len() <= PIECE);
                all.extend_from_slice(&piece);
            }
            all
        });
        bytes.chunks(100_001).for_each(|chunk| bridge.accept(chunk).unwrap());
        drop(bridge);
        assert!(reader.join().unwrap() == bytes);
    }

    #[test]
    fn bridge_without_a_writer_fails() {
        let (mut bridge, pieces) = Bridge::new(2 * PIECE as u64);
        drop(pieces);
        assert!(bridge.accept(&vec![0; PIECE]).is_err());
    }
}
