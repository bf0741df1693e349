//! Positions of a committed blob's bytes in its file.
//!
//! Blocks stay where they were written: a commit makes a table and copies nothing.

/// Region of a blob's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Regions of a blob in order, with adjacent ones joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    extents: Vec<Extent>,
    // Where each extent ends in the blob.
    ends: Vec<u64>,
}

impl Layout {
    /// Layout of the blob that consists of `blocks` in this order.
    pub(crate) fn new(blocks: impl IntoIterator<Item = Extent>) -> Self {
        let mut layout = Self::default();
        for block in blocks.into_iter().filter(|block| block.length > 0) {
            let end = layout.size() + block.length;
            match layout.extents.last_mut() {
                Some(last) if last.offset + last.length == block.offset => {
                    last.length += block.length;
                    layout.ends.pop();
                }
                _ => layout.extents.push(block),
            }
            layout.ends.push(end);
        }
        layout
    }

    /// Size of the blob in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Pieces of the file with `length` bytes of the blob from `start`: offset and length of each.
    pub(crate) fn pieces(&self, start: u64, length: u64) -> Vec<(u64, u64)> {
        let end = start.saturating_add(length).min(self.size());
        let first = self.ends.partition_point(|&end| end <= start);
        let mut pieces = Vec::new();
        for (extent, &extent_end) in self.extents.iter().zip(&self.ends).skip(first) {
            let extent_start = extent_end - extent.length;
            if extent_start.max(start) >= end {
                break;
            }
            let from = start.max(extent_start);
            pieces.push((extent.offset + (from - extent_start), extent_end.min(end) - from));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adjacent_extents_are_joined() {
        let at = |offset, length| Extent { offset, length };
        let layout = Layout::new([at(0, 5), at(5, 5), at(20, 1), at(10, 3), at(0, 0), at(13, 2)]);
        assert_eq!(layout.extents, [at(0, 10), at(20, 1), at(10, 5)]);
        assert_eq!(layout.size(), 16);
        assert_eq!(layout.pieces(9, 3), [(9, 1), (20, 1), (10, 1)]);
        assert_eq!((layout.pieces(16, 3), layout.pieces(3, 0)), (Vec::new(), Vec::new()));
    }

    proptest! {
        // Against the plain meaning: blocks of a file put after each other, then sliced.
        #[test]
        fn pieces_are_the_slice_of_the_joined_blocks(
            blocks in prop::collection::vec((0u64..40, 0u64..12), 0..12),
            start in 0u64..160,
            length in 0u64..160,
        ) {
            let layout = Layout::new(blocks.iter().map(|&(offset, length)| Extent { offset, length }));
            let whole: Vec<u64> = blocks.iter().flat_map(|&(offset, length)| offset..offset + length).collect();
            prop_assert_eq!(layout.size(), whole.len() as u64);
            let expected: Vec<u64> = whole.into_iter().skip(start as usize).take(length as usize).collect();
            let pieces = layout.pieces(start, length);
            prop_assert!(pieces.iter().all(|&(_, length)| length > 0));
            let got: Vec<u64> = pieces.into_iter().flat_map(|(offset, length)| offset..offset + length).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
