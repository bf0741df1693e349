//! Messages between the helper and its parent.
//!
//! To the helper go frames: a kind (1 byte), a layer (4 bytes), a length (4 bytes, all little-endian), and as many bytes.
//! A frame of the kind 0 has JSON of a [`Request`], one of the kind 1 has bytes of a layer. The end of the stream ends the
//! helper: an import in progress is undone.
//!
//! From the helper come lines, each the JSON of an [`Event`].

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::failure::ImportError;
use crate::span::ImportSpan;
use crate::spec::ImageSpec;

/// Largest bytes of a layer in one frame.
pub(super) const MAX_PIECE: usize = 1 << 20;
/// Largest request. containerd takes manifests and configs of 8 MiB at most.
pub(super) const MAX_REQUEST: usize = 32 << 20;
/// Largest line from the helper.
pub(super) const MAX_LINE: usize = 1 << 20;
const HEADER: usize = 9;

/// Request to the helper.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Passes the gate of the engine behind a socket. It comes first, once.
    Open {
        /// Socket of the engine.
        docker_socket: PathBuf,
    },
    /// Begins the import of an image. None may be in progress.
    Import(ImageSpec),
}

/// Answer of the helper.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The gate is passed.
    Ready(HelperFacts),
    /// Layers to send, in this order.
    Needed(Vec<usize>),
    /// Bytes of a layer for which there is room again.
    Taken {
        /// Layer.
        layer: usize,
        /// Bytes.
        bytes: u64,
    },
    /// Layer that needs no more bytes.
    Done(usize),
    /// The image is in the store.
    Imported {
        /// Layers that were fetched.
        fetched: usize,
        /// Spans of the import.
        spans: Vec<ImportSpan>,
    },
    /// The import, or the gate, failed. The store is as before.
    Failed(ImportError),
}

/// Facts of the engine's store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperFacts {
    /// Version of containerd.
    pub containerd: String,
    /// Leases of killed imports that were removed.
    pub cleaned: usize,
}

/// Frame to the helper.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Request(Request),
    Piece(usize, Bytes),
}

/// Header of a frame with bytes of a layer.
pub(super) fn piece_header(layer: usize, bytes: usize) -> [u8; HEADER] {
    header(1, layer as u32, bytes as u32)
}

/// Frame of a request.
pub(super) fn request_frame(request: &Request) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(request)?;
    if json.len() > MAX_REQUEST {
        return Err(io::Error::other("the image's manifests are too large"));
    }
    Ok([&header(0, 0, json.len() as u32)[..], &json].concat())
}

fn header(kind: u8, layer: u32, bytes: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = kind;
    header[1..5].copy_from_slice(&layer.to_le_bytes());
    header[5..].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// Reads a frame; none at the end of the stream between two frames.
pub(super) fn read_frame(input: &mut impl Read) -> io::Result<Option<Frame>> {
    let Some([kind, rest @ ..]) = read_header(input)? else { return Ok(None) };
    let number = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]) as usize;
    let (layer, length) = (number(0), number(4));
    match kind {
        0 if (1..=MAX_REQUEST).contains(&length) => {
            let request = serde_json::from_slice(&read_bytes(input, length)?)?;
            Ok(Some(Frame::Request(request)))
        }
        1 if (1..=MAX_PIECE).contains(&length) => Ok(Some(Frame::Piece(layer, read_bytes(input, length)?.into()))),
        _ => Err(invalid(format!("a frame of kind {kind} with {length} bytes"))),
    }
}

fn read_header(input: &mut impl Read) -> io::Result<Option<[u8; HEADER]>> {
    let mut header = [0; HEADER];
    let mut read = 0;
    while read < HEADER {
        match input.read(&mut header[read..]) {
            Ok(0) if read == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(header))
}

/// Reads so many bytes. Memory grows with what arrives, not with what is announced, but for one piece.
fn read_bytes(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(MAX_PIECE));
    if input.take(length as u64).read_to_end(&mut bytes)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(path: &str) -> Request {
        Request::Open { docker_socket: PathBuf::from(path) }
    }

    fn piece(layer: usize, bytes: &[u8]) -> Vec<u8> {
        [&piece_header(layer, bytes.len())[..], bytes].concat()
    }

    fn frames(mut input: &[u8]) -> io::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = read_frame(&mut input)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn events_are_single_lines() {
        let reason = ImportError::store("two\nlines");
        for event in [Event::Failed(reason), Event::Needed(vec![1, 2]), Event::Ready(HelperFacts::default())] {
            let line = serde_json::to_string(&event).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        }
    }

    #[test]
    fn long_empty_and_unknown_frames_are_refused() {
        for bad in [
            header(0, 0, 0),
            header(0, 0, MAX_REQUEST as u32 + 1),
            header(1, 0, 0),
            header(1, 0, MAX_PIECE as u32 + 1),
            header(2, 0, 1),
            header(255, u32::MAX, u32::MAX),
        ] {
            let error = frames(&bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bad:?}");
        }
        let unknown = br#"{"open":{"docker_socket":"/s","more":1}}"#;
        assert!(frames(&[&header(0, 0, unknown.len() as u32)[..], unknown].concat()).is_err());
    }

    proptest! {
        #[test]
        fn frames_are_read_as_they_were_written(
            pieces in prop::collection::vec((0_usize..9, prop::collection::vec(any::<u8>(), 1..300)), 0..20),
            path in "[a-z/]{1,20}",
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = request_frame(&open(&path)).unwrap();
            let mut ends = vec![0, bytes.len()];
            let mut expected = vec![Frame::Request(open(&path))];
            for (layer, data) in &pieces {
                bytes.extend(piece(*layer, data));
                ends.push(bytes.len());
                expected.push(Frame::Piece(*layer, Bytes::copy_from_slice(data)));
            }
            prop_assert_eq!(frames(&bytes).unwrap(), expected);
            let cut = cut.index(bytes.len());
            prop_assert_eq!(frames(&bytes[..cut]).is_ok(), ends.contains(&cut));
        }

        #[test]
        fn garbage_is_refused_or_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = frames(&bytes);
        }
    }
}
