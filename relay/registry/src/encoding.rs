//! Transport encoding: a blob as independent zstd frames, so that both ends use all cores and any range can be read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::Error;

/// Plain bytes of a frame; the last frame of a blob may have fewer.
pub(crate) const FRAME_BYTES: usize = 4 << 20;
/// Largest stored size of a frame: zstd adds less than 1/128 to incompressible bytes.
const MAX_STORED: u64 = FRAME_BYTES as u64 + (FRAME_BYTES as u64 >> 7) + 512;
/// zstd's fastest level: the link, not the size, is what other levels would help, and cores are few.
const LEVEL: i32 = 1;
/// Largest number of frames that are encoded or decoded at once. It bounds the memory on machines with many cores.
const MAX_CODECS: usize = 8;
/// End of a cache entry that has a list of its frames.
const MAGIC: &[u8; 8] = b"handoffz";
/// Bytes after the list of frames in a cache entry: plain size, number of frames, [`MAGIC`].
const TRAILER: usize = 8 + 4 + 8;

/// Encoding of stored blobs. The digest of a blob is always that of its plain bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Blobs are stored as they are pushed.
    #[default]
    None,
    /// Blobs that are not compressed yet are stored as zstd frames.
    Zstd,
}

impl std::str::FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "zstd" => Ok(Self::Zstd),
            other => Err(format!("unknown encoding `{other}`: use none or zstd")),
        }
    }
}

/// Whether a blob that begins with these bytes is compressed: gzip, zstd, xz, bzip2, lz4 or zip.
pub(crate) fn is_compressed(start: &[u8]) -> bool {
    let magics: [&[u8]; 6] =
        [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18", b"PK\x03\x04"];
    magics.iter().any(|magic| start.starts_with(magic))
}

/// Stored sizes of a blob's frames, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frames(Vec<u32>);

impl Frames {
    pub(crate) fn new(stored: Vec<u32>) -> Self {
        Self(stored)
    }

    /// Checks that these frames may be those of a blob of `size` plain bytes.
    pub(crate) fn check(&self, size: u64) -> Result<(), String> {
        let count = self.0.len() as u64;
        if count != size.div_ceil(FRAME_BYTES as u64) {
            return Err(format!("{count} frames cannot hold {size} bytes"));
        }
        match self.0.iter().find(|stored| u64::from(**stored) > MAX_STORED || **stored == 0) {
            Some(stored) => Err(format!("a frame cannot have {stored} bytes")),
            None => Ok(()),
        }
    }

    /// Offset of each frame, and the end of the last.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        let sizes = self.0.iter().map(|stored| u64::from(*stored));
        std::iter::once(0)
            .chain(sizes.scan(0, |at, stored| {
                *at += stored;
                Some(*at)
            }))
            .collect()
    }

    /// Stored size of all frames in bytes.
    pub(crate) fn stored(&self) -> u64 {
        self.0.iter().map(|stored| u64::from(*stored)).sum()
    }

    /// Size in bytes of the list that follows the frames in a cache entry.
    pub(crate) fn list_len(&self) -> u64 {
        (self.0.len() * 4 + TRAILER) as u64
    }

    /// List that follows the frames in a cache entry, so that later runs can read an entry of which they have no table.
    pub(crate) fn encode_list(&self, size: u64) -> Vec<u8> {
        let mut list: Vec<u8> = self.0.iter().flat_map(|stored| stored.to_le_bytes()).collect();
        list.extend(size.to_le_bytes());
        list.extend((self.0.len() as u32).to_le_bytes());
        list.extend(MAGIC);
        list
    }

    /// Length of the list, read from the last bytes of a cache entry.
    pub(crate) fn encoded_list_len(tail: &[u8]) -> Option<u64> {
        let (_, trailer) = tail.split_at_checked(tail.len().checked_sub(TRAILER)?)?;
        let count = trailer.get(8..12)?.try_into().ok().map(u32::from_le_bytes)?;
        trailer.ends_with(MAGIC).then_some(u64::from(count) * 4 + TRAILER as u64)
    }

    /// Decodes the list at the end of a cache entry of `stored` bytes: the frames and the plain size.
    pub(crate) fn decode_list(list: &[u8], stored: u64) -> Option<(Self, u64)> {
        if Self::encoded_list_len(list)? != list.len() as u64 {
            return None;
        }
        let (sizes, trailer) = list.split_at(list.len() - TRAILER);
        let size = trailer.get(..8)?.try_into().ok().map(u64::from_le_bytes)?;
        let frames = Self(sizes.chunks_exact(4).filter_map(|s| s.try_into().ok()).map(u32::from_le_bytes).collect());
        let fits = frames.check(size).is_ok() && frames.stored() + frames.list_len() == stored;
        fits.then_some((frames, size))
    }
}

/// Encoder and decoder of frames, on threads outside the runtime's own, few at once.
#[derive(Debug, Clone)]
pub(crate) struct Codec(Arc<Semaphore>);

impl Codec {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(cores.min(MAX_CODECS))))
    }

    /// Encodes a frame.
    pub(crate) async fn encode(&self, plain: bytes::Bytes) -> Result<bytes::Bytes, Error> {
        self.run(move || {
            let mut stored = zstd::bulk::compress(&plain, LEVEL)?;
            // The buffer was made for the worst case, and many frames wait for the link.
            stored.shrink_to_fit();
            Ok(stored.into())
        })
        .await
        .map_err(|why| Error::Broken(format!("compressing a frame: {why}")))
    }

    /// Decodes a frame of `plain` bytes. A frame with more or fewer is refused; no memory beyond `plain` bytes is taken.
    pub(crate) async fn decode(&self, stored: bytes::Bytes, plain: usize) -> Result<bytes::Bytes, Error> {
        self.run(move || decode(&stored, plain)).await.map_err(|why| Error::Table(format!("a frame is damaged: {why}")))
    }

    async fn run(
        &self,
        work: impl FnOnce() -> std::io::Result<bytes::Bytes> + Send + 'static,
    ) -> Result<bytes::Bytes, String> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(|e| e.to_string())?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}

/// Decodes a frame of `plain` bytes.
pub(crate) fn decode(stored: &[u8], plain: usize) -> std::io::Result<bytes::Bytes> {
    let bytes = zstd::bulk::decompress(stored, plain)?;
    if bytes.len() == plain {
        return Ok(bytes.into());
    }
    Err(std::io::Error::other(format!("it has {} bytes instead of {plain}", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_that_cannot_hold_the_blob_are_refused() {
        let size = FRAME_BYTES as u64 + 1;
        Frames(vec![9, 9]).check(size).unwrap();
        for bad in [vec![], vec![9], vec![9; 3], vec![0, 9], vec![u32::MAX, 9]] {
            assert!(Frames(bad.clone()).check(size).is_err(), "{bad:?}");
        }
        Frames(vec![]).check(0).unwrap();
    }

    #[test]
    fn incompressible_frame_stays_within_the_limit() {
        let noise: Vec<u8> =
            (0..FRAME_BYTES as u32 / 4).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        let stored = zstd::bulk::compress(&noise, LEVEL).unwrap();
        assert!(stored.len() as u64 <= MAX_STORED && zstd::zstd_safe::compress_bound(FRAME_BYTES) as u64 <= MAX_STORED);
        assert!(decode(&stored, FRAME_BYTES).unwrap() == noise);
    }

    #[test]
    fn frame_of_another_size_is_refused() {
        let stored = zstd::bulk::compress(&[7; 1000], LEVEL).unwrap();
        assert_eq!(decode(&stored, 1000).unwrap().len(), 1000);
        for wrong in [0, 999, 1001, 1 << 20] {
            assert!(decode(&stored, wrong).is_err(), "{wrong}");
        }
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], LEVEL).unwrap();
        assert!(bomb.len() < 64 << 10 && decode(&bomb, FRAME_BYTES).is_err());
    }

    proptest! {
        #[test]
        fn list_of_frames_is_read_back_and_any_bytes_never_panic(
            sizes in prop::collection::vec(1..FRAME_BYTES as u32, 0..9),
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let (frames, size) = (Frames(sizes.clone()), (sizes.len() * FRAME_BYTES) as u64);
            let list = frames.encode_list(size);
            prop_assert_eq!(Frames::encoded_list_len(&list), Some(frames.list_len()));
            let stored = frames.stored() + frames.list_len();
            prop_assert_eq!(Frames::decode_list(&list, stored), Some((frames, size)));
            prop_assert_eq!(Frames::decode_list(&list, stored + 1), None);
            let _ = Frames::decode_list(&noise, 64);
        }
    }
}
