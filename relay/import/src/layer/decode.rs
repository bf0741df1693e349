//! Decoders of a blob: zstd with a bounded window, gzip with several members, or none.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use crate::budget::{MemoryBudget, Reservation};
use crate::error::Error;

/// Window that every zstd layer may use: RFC 8878 asks decoders for 8 MiB. No level below 20 without `--long` needs more.
const USUAL_WINDOW_LOG: u32 = 23;
/// Largest window: 128 MiB, the limit of libzstd and of `zstd` itself. A layer that needs it leaves room for a usual one.
const MAX_WINDOW_LOG: u32 = 27;
/// Buffers of the decoder beside its window.
const DECODER_BYTES: usize = 1 << 20;

/// Encoding of a layer's blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Plain tar.
    Plain,
    /// gzip, with one or more members.
    Gzip,
    /// zstd, with one or more frames.
    Zstd,
}

impl Encoding {
    /// Encoding of a media type.
    ///
    /// # Errors
    ///
    /// [`Error::MediaType`] for any other than the six of OCI and Docker. Foreign and encrypted layers are left to the engine.
    pub fn of_media_type(media_type: &str) -> Result<Self, Error> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Ok(Self::Plain)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
                Ok(Self::Gzip)
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Ok(Self::Zstd)
            }
            other => Err(Error::MediaType(crate::error::printable(other.as_bytes()))),
        }
    }

    pub(super) fn error(self, error: &io::Error) -> Error {
        let encoding = match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        };
        Error::Decode { encoding, reason: error.to_string() }
    }
}

/// Decoder over the pieces of a blob, with the memory that it may use.
pub(super) struct Decoder<R: BufRead> {
    stream: Stream<R>,
    _memory: Option<Reservation>,
}

enum Stream<R: BufRead> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(zstd::stream::read::Decoder<'static, R>),
}

impl<R: BufRead> Decoder<R> {
    /// Makes a decoder. The first frame's header tells how much memory zstd needs; no later frame may need more.
    pub(super) fn new(encoding: Encoding, mut blob: R, memory: &MemoryBudget) -> Result<Self, Error> {
        let broken = |e: &io::Error| encoding.error(e);
        let (stream, memory) = match encoding {
            Encoding::Plain => (Stream::Plain(blob), None),
            Encoding::Gzip => (Stream::Gzip(Box::new(MultiGzDecoder::new(blob))), None),
            Encoding::Zstd => {
                let window = window_bytes(blob.fill_buf().map_err(|e| broken(&e))?);
                let log = window.next_power_of_two().ilog2().max(USUAL_WINDOW_LOG);
                if log > MAX_WINDOW_LOG {
                    let needed = usize::try_from(window).unwrap_or(usize::MAX);
                    return Err(Error::Memory { needed, free: 1 << MAX_WINDOW_LOG });
                }
                let memory = memory.reserve((1 << log) + DECODER_BYTES)?;
                let mut decoder = zstd::stream::read::Decoder::with_buffer(blob).map_err(|e| broken(&e))?;
                decoder.window_log_max(log).map_err(|e| broken(&e))?;
                (Stream::Zstd(decoder), Some(memory))
            }
        };
        Ok(Self { stream, _memory: memory })
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(target),
            Stream::Gzip(stream) => stream.read(target),
            Stream::Zstd(stream) => stream.read(target),
        }
    }
}

/// Window of a zstd frame from its header (RFC 8878, 3.1.1.1), 0 if this is no such header: the decoder reports that.
fn window_bytes(start: &[u8]) -> u64 {
    let read = || {
        let (&descriptor, rest) = start.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
        if descriptor & 0x20 == 0 {
            let window = *rest.first()?;
            let base = 1_u64 << (10 + (window >> 3));
            return Some(base + base / 8 * u64::from(window & 7));
        }
        // A frame of a single segment needs its whole content as window.
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let field = rest.get(dictionary..)?;
        let little_endian = |bytes: usize| -> Option<u64> {
            Some(field.get(..bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
        };
        match descriptor >> 6 {
            0 => little_endian(1),
            1 => little_endian(2).map(|size| size + 256),
            2 => little_endian(4),
            _ => little_endian(8),
        }
    };
    // Sizes beyond the limit are equally refused, and must not overflow when they are rounded up.
    read().unwrap_or(0).clamp(1, 1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_read_from_the_frame_header() {
        let header = |rest: &[u8]| window_bytes(&[&[0x28, 0xb5, 0x2f, 0xfd], rest].concat());
        assert_eq!(header(&[0x00, 13 << 3]), 8 << 20);
        assert_eq!(header(&[0x04, 13 << 3 | 2]), 10 << 20);
        assert_eq!(header(&[0x20, 7]), 7);
        assert_eq!(header(&[0x61, 9, 1, 1]), 256 + 257);
        assert_eq!(header(&[0xe0, 0, 0, 0, 0, 1, 0, 0, 0]), 1 << 32);
        assert_eq!(header(&[0xe0, 255, 255, 255, 255, 255, 255, 255, 255]), 1 << 62);
        assert_eq!(window_bytes(b"\x1f\x8b"), 1);
    }

    #[test]
    fn other_media_types_are_refused() {
        for media_type in [
            "",
            "application/vnd.oci.image.layer.v1.tar+encrypted",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            assert!(matches!(Encoding::of_media_type(media_type), Err(Error::MediaType(_))), "{media_type}");
        }
    }
}
