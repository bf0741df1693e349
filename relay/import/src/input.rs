//! Bytes of a layer on their way to the importer, with a bounded window.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes of a layer that may wait for the importer.
pub(crate) const WINDOW: u64 = 4 << 20;
/// Taken bytes after which the feeder hears of them.
const REPORTED: u64 = 512 << 10;

/// Receiver of reports: the layer, and the bytes that were taken since the last report.
pub(crate) type OnTaken = Box<dyn Fn(usize, u64) + Send>;

/// Feeding end of a layer.
#[derive(Debug)]
pub(crate) struct Inlet {
    sender: Option<UnboundedSender<Bytes>>,
    /// Bytes that may still come.
    left: u64,
    /// Bytes that wait for the importer.
    waiting: Arc<AtomicU64>,
}

/// Importer's end of a layer. The bytes end early when the feeder gives up.
pub(crate) struct LayerInput {
    layer: usize,
    pieces: UnboundedReceiver<Bytes>,
    current: Bytes,
    left: u64,
    unreported: u64,
    waiting: Arc<AtomicU64>,
    on_taken: OnTaken,
}

/// Makes both ends of a layer.
pub(crate) fn layer_input(layer: usize, size: u64, on_taken: OnTaken) -> (Inlet, LayerInput) {
    let (sender, pieces) = unbounded_channel();
    let waiting = Arc::new(AtomicU64::new(0));
    let inlet = Inlet { sender: (size > 0).then_some(sender), left: size, waiting: Arc::clone(&waiting) };
    (inlet, LayerInput { layer, pieces, current: Bytes::new(), left: size, unreported: 0, waiting, on_taken })
}

impl Inlet {
    /// Passes bytes on.
    ///
    /// # Errors
    /// More bytes come than the layer has, or than the window holds. The text says which.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), &'static str> {
        let bytes = piece.len() as u64;
        self.left = self.left.checked_sub(bytes).ok_or("a layer has more bytes than its manifest states")?;
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) + bytes > WINDOW {
            return Err("a layer's bytes come before there is room for them");
        }
        // An importer that has failed takes no bytes, and says so itself.
        let _ = self.sender.as_ref().map(|sender| sender.send(piece));
        if self.left == 0 {
            self.sender = None;
        }
        Ok(())
    }
}

impl LayerInput {
    /// Next piece; none at the end.
    ///
    /// # Errors
    /// The feeder gave up.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.pieces.recv().await;
        self.take(piece)
    }

    fn take(&mut self, piece: Option<Bytes>) -> io::Result<Option<Bytes>> {
        match piece {
            Some(piece) => {
                let bytes = piece.len() as u64;
                self.left = self.left.saturating_sub(bytes);
                self.waiting.fetch_sub(bytes, Ordering::AcqRel);
                self.unreported += bytes;
                if self.unreported >= REPORTED || self.left == 0 {
                    (self.on_taken)(self.layer, std::mem::take(&mut self.unreported));
                }
                Ok(Some(piece))
            }
            None if self.left == 0 => Ok(None),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the sender of the layer gave up")),
        }
    }
}

impl Read for LayerInput {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            let piece = self.pieces.blocking_recv();
            match self.take(piece)? {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let bytes = self.current.len().min(target.len());
        self.current.copy_to_slice(&mut target[..bytes]);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn bytes_pass_in_order_and_are_reported() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&reports);
        let (mut inlet, mut input) = layer_input(3, 5, Box::new(move |layer, n| seen.lock().unwrap().push((layer, n))));
        inlet.push(Bytes::from_static(b"ab")).unwrap();
        inlet.push(Bytes::from_static(b"cde")).unwrap();
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), reports.lock().unwrap().as_slice()), ("abcde", &[(3, 5)][..]));
    }

    #[test]
    fn too_many_bytes_are_refused_and_too_few_are_an_error() {
        let quiet = || -> OnTaken { Box::new(|_, _| ()) };
        let (mut inlet, _input) = layer_input(0, 2, quiet());
        assert!(inlet.push(Bytes::from_static(b"abc")).is_err());
        let (mut inlet, mut input) = layer_input(0, 2 * WINDOW, quiet());
        inlet.push(Bytes::from(vec![0; WINDOW as usize])).unwrap();
        assert!(inlet.push(Bytes::from_static(b"a")).is_err());
        drop(inlet);
        assert_eq!(input.read_to_end(&mut Vec::new()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
