//! Parts of a blob that are fetched one by one: ranges of its plain bytes, or its frames.

use std::ops::Range;

use crate::encoding::FRAME_BYTES;
use crate::index::BlobLocation;

/// Part of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobPart {
    /// Bytes to fetch from the stored blob.
    pub(crate) stored: Range<u64>,
    /// Frame in these bytes, if the blob is encoded.
    pub(crate) frame: Option<FramePart>,
}

/// Frame of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FramePart {
    /// Plain bytes of the frame.
    pub(crate) plain: usize,
    /// Requested bytes among them.
    pub(crate) keep: Range<usize>,
}

/// Parts that a range of a blob's plain bytes needs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Requested plain bytes.
    range: Range<u64>,
    /// Offset of the stored blob.
    start: u64,
    /// Plain bytes of the whole blob.
    size: u64,
    kind: Split,
}

#[derive(Debug)]
enum Split {
    Plain { part_bytes: u64 },
    Frames { offsets: Vec<u64> },
}

impl Parts {
    /// Splits the plain bytes `range` of a blob. `range` is within the blob.
    pub(crate) fn new(location: &BlobLocation, range: Range<u64>, part_bytes: u64) -> Self {
        let kind = match &location.frames {
            None => Split::Plain { part_bytes },
            Some(frames) => Split::Frames { offsets: frames.offsets() },
        };
        Self { range, start: location.offset, size: location.size, kind }
    }

    /// Number of parts.
    pub(crate) fn count(&self) -> u64 {
        match self.kind {
            _ if self.range.is_empty() => 0,
            Split::Plain { part_bytes } => (self.range.end - self.range.start).div_ceil(part_bytes),
            Split::Frames { .. } => {
                let frame = FRAME_BYTES as u64;
                self.range.end.div_ceil(frame) - self.range.start / frame
            }
        }
    }

    /// Part `number`, from 0. `None` where the list of frames is shorter than the blob.
    pub(crate) fn get(&self, number: u64) -> Option<BlobPart> {
        match &self.kind {
            Split::Plain { part_bytes } => {
                let first = self.range.start + number * part_bytes;
                let end = self.range.end.min(first + part_bytes);
                Some(BlobPart { stored: self.start + first..self.start + end, frame: None })
            }
            Split::Frames { offsets } => {
                let frame = FRAME_BYTES as u64;
                let index = self.range.start / frame + number;
                let first = index * frame;
                let end = self.size.min(first + frame);
                let keep = self.range.start.max(first) - first..self.range.end.min(end) - first;
                let stored = [index, index + 1].map(|i| offsets.get(i as usize).map(|at| self.start + at));
                let frame = FramePart { plain: (end - first) as usize, keep: keep.start as usize..keep.end as usize };
                Some(BlobPart { stored: stored[0]?..stored[1]?, frame: Some(frame) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Frames;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_cover_the_range_once_and_stay_within_the_blob(
            size in 1..5 * FRAME_BYTES as u64,
            offset in 0..1000_u64,
            ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            encoded: bool,
            part_bytes in 1_u64 << 18..8 << 20,
        ) {
            let count = size.div_ceil(FRAME_BYTES as u64) as u32;
            let frames = encoded.then(|| Frames::new((1..=count).collect()));
            let stored = frames.as_ref().map_or(size, Frames::stored);
            let location = BlobLocation { entry: None, offset, size, frames };
            let (a, b) = (ends.0.index(size as usize) as u64, ends.1.index(size as usize) as u64 + 1);
            let range = a.min(b - 1)..b.max(a + 1);
            let parts = Parts::new(&location, range.clone(), part_bytes);
            let all: Vec<BlobPart> = (0..parts.count()).map(|n| parts.get(n).unwrap()).collect();
            let plain = |part: &BlobPart| part.frame.as_ref().map_or(part.stored.end - part.stored.start, |f| f.keep.len() as u64);
            prop_assert_eq!(all.iter().map(plain).sum::<u64>(), range.end - range.start);
            for part in &all {
                prop_assert!(part.stored.start >= offset && part.stored.end <= offset + stored);
                if let Some(frame) = &part.frame {
                    prop_assert!(frame.plain <= FRAME_BYTES && frame.keep.end <= frame.plain && !frame.keep.is_empty());
                }
            }
            prop_assert!(all.windows(2).all(|two| two[0].stored.end == two[1].stored.start));
        }
    }
}
