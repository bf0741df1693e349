//! What a relayed image consists of and where its bytes are: the table at the end of what is stored.
//!
//! ```text
//! blob ... blob | small blobs, packed | this table as JSON | its length, 8 bytes | MAGIC, 8 bytes
//! ```
//!
//! The table stands at the end, because only then every place is known: blobs are stored while they are pushed. One ranged
//! GET of the last megabyte gives the table, the manifests and the small blobs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::digest::Digest;

const MAGIC: &[u8; 8] = b"handoff1";
/// Bytes behind the table.
pub(crate) const TRAILER: u64 = 16;

/// Everything that was pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The reference under which the image was sent, to give it back on arrival.
    #[serde(default)]
    pub reference: String,
    /// Tags and what they stand for.
    pub tags: BTreeMap<String, Digest>,
    /// Manifests and indexes, whole: they are small, and needed first.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Blobs.
    pub blobs: BTreeMap<Digest, BlobLocation>,
}

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its media type, as it was pushed.
    pub media_type: String,
    /// Its text; a digest depends on every byte of it.
    pub text: String,
}

/// Where a blob's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobLocation {
    /// The cache entry that holds it; none: what holds this table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Its first byte there.
    pub offset: u64,
    /// Its length.
    pub size: u64,
}

impl Index {
    /// Table and trailer.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|e| Error::Table(e.to_string()))?;
        let len = bytes.len() as u64;
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        Ok(bytes)
    }

    /// How many bytes of the end hold table and trailer, by the trailer.
    pub(crate) fn encoded_len(tail: &[u8]) -> Result<u64, Error> {
        let bad = || Error::Table("what is stored is no relayed image".to_owned());
        let trailer = tail.last_chunk::<16>().ok_or_else(bad)?;
        let (len, magic) = trailer.split_at(8);
        if magic != MAGIC {
            return Err(bad());
        }
        let len = u64::from_le_bytes(len.try_into().map_err(|_| bad())?);
        len.checked_add(TRAILER).ok_or_else(bad)
    }

    /// Reads the table out of the last bytes of what is stored.
    pub(crate) fn decode(tail: &[u8]) -> Result<Self, Error> {
        let len = Self::encoded_len(tail)?;
        let short = || Error::Table("it is cut short".to_owned());
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
        fn a_table_is_read_back_whatever_stands_before_it(
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
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..64), magic: bool) {
            if magic {
                bytes.extend_from_slice(MAGIC);
            }
            let _ = Index::decode(&bytes);
        }
    }
}
