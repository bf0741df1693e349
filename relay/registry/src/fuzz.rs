//! Entry point of fuzzers: reads arbitrary bytes as a stored transfer, as a receiver does.

use crate::Error;
use crate::encoding::{FRAME_BYTES, decode};
use crate::index::Index;
use crate::parts::Parts;

/// Largest number of parts of a blob that are looked at.
const MAX_PARTS: u64 = 64;

/// Bug that a test plants, to see that a fuzzer finds it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The code as it is.
    Nothing,
    /// The numbers of a table are not checked.
    UncheckedTable,
}

/// Reads bytes as a stored transfer: its table, its images, and the parts and frames of its blobs. Returns the number of blobs.
///
/// # Errors
/// The table's error: most inputs have one.
///
/// # Panics
/// If an accepted table leads to a read beyond the stored bytes, or to more memory than a part may take.
pub fn fuzz_table(stored: &[u8], planted: Planted) -> Result<usize, Error> {
    let index = match planted {
        Planted::Nothing => Index::decode(stored, stored.len() as u64)?,
        Planted::UncheckedTable => Index::decode_unchecked(stored)?.0,
    };
    for image in index.named_images() {
        assert!(index.manifests.contains_key(&image.digest), "an image has no manifest");
    }
    for location in index.blobs.values() {
        let (size, part_bytes) = (location.size, FRAME_BYTES as u64);
        for range in [0..size, size / 3..size - size / 3, size.saturating_sub(1)..size] {
            let parts = Parts::new(location, range.clone(), part_bytes);
            let count = parts.count();
            for number in (0..count.min(MAX_PARTS)).chain(count.saturating_sub(2)..count) {
                let part = parts.get(number).expect("a blob has all its parts");
                assert!(part.stored.start <= part.stored.end, "a part ends before it begins");
                let (start, end) = (part.stored.start as usize, part.stored.end as usize);
                assert!(end - start <= 2 * FRAME_BYTES, "a part is larger than a buffer");
                if location.entry.is_some() {
                    continue;
                }
                assert!(end <= stored.len(), "a part is outside the stored bytes");
                let Some(frame) = part.frame else { continue };
                assert!(frame.plain <= FRAME_BYTES && frame.keep.end <= frame.plain, "a frame is larger than a buffer");
                if let Ok(bytes) = decode(&stored[start..end], frame.plain) {
                    assert_eq!(bytes.len(), frame.plain, "a frame has another size than its place");
                }
            }
        }
    }
    Ok(index.blobs.len())
}
