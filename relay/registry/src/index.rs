//! Table of a relayed image: its manifests, and the location of every blob.
//!
//! ```text
//! blob ... blob | small blobs, packed | this table as JSON | its length, 8 bytes | MAGIC, 8 bytes
//! ```
//!
//! The table is at the end, because blobs are stored while they are pushed and only the end knows every location. One ranged
//! GET of the last megabyte returns the table, the manifests and the small blobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::digest::Digest;

const MAGIC: &[u8; 8] = b"handoff1";
/// Bytes after the table.
pub(crate) const TRAILER: u64 = 16;

/// Table of a relayed image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Reference under which the image was sent; the receiver tags the image with it.
    #[serde(default)]
    pub reference: String,
    /// Digests of manifests by tag.
    pub tags: BTreeMap<String, Digest>,
    /// Complete manifests and indexes, which are small and needed first.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Locations of blobs.
    pub blobs: BTreeMap<Digest, BlobLocation>,
}

/// Manifest or index as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Media type.
    pub media_type: String,
    /// Text, byte for byte: the digest depends on it.
    pub text: String,
}

/// Location of a blob's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobLocation {
    /// Cache entry of the blob; `None` means the blob is stored with the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Offset of the first byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Index {
    /// Encodes table and trailer.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|e| Error::Table(e.to_string()))?;
        let len = bytes.len() as u64;
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        Ok(bytes)
    }

    /// Length of table and trailer in bytes, read from the trailer.
    pub(crate) fn encoded_len(tail: &[u8]) -> Result<u64, Error> {
        let bad = || Error::Table("the stored bytes are no relayed image".to_owned());
        let trailer = tail.last_chunk::<16>().ok_or_else(bad)?;
        let (len, magic) = trailer.split_at(8);
        if magic != MAGIC {
            return Err(bad());
        }
        let len = u64::from_le_bytes(len.try_into().map_err(|_| bad())?);
        len.checked_add(TRAILER).ok_or_else(bad)
    }

    /// Decodes the table from the last bytes of the stored image.
    pub(crate) fn decode(tail: &[u8]) -> Result<Self, Error> {
        let len = Self::encoded_len(tail)?;
        let short = || Error::Table("it is truncated".to_owned());
        let from = (tail.len() as u64).checked_sub(len).ok_or_else(short)? as usize;
        let table = &tail[from..tail.len() - TRAILER as usize];
        serde_json::from_slice(table).map_err(|e| Error::Table(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn table_is_decoded_after_any_bytes(
            before in prop::collection::vec(any::<u8>(), 0..100),
            blobs in prop::collection::vec((any::<u64>(), any::<u64>(), prop::option::of("[a-z]{1,9}")), 0..9),
            tag in "[a-z]{1,9}",
        ) {
            let mut index = Index { reference: tag.clone(), ..Index::default() };
            for (offset, size, entry) in blobs {
                index.blobs.insert(Digest::of(&offset.to_le_bytes()), BlobLocation { entry, offset, size });
            }
            index.tags.insert(tag.clone(), Digest::of(tag.as_bytes()));
            index.manifests.insert(
                Digest::of(b"m"),
                Manifest { media_type: "application/vnd.oci.image.manifest.v1+json".into(), text: "{\"a\": \"é\"}\n".into() },
            );
            let mut stored = before;
            stored.extend(index.encode().unwrap());
            prop_assert_eq!(Index::decode(&stored).unwrap(), index);
        }

        #[test]
        fn decoding_any_bytes_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..64), magic: bool) {
            if magic {
                bytes.extend_from_slice(MAGIC);
            }
            let _ = Index::decode(&bytes);
        }
    }
}
