//! Table of a transfer: its images, their manifests, and the location of every blob.
//!
//! ```text
//! blob ... blob | small blobs, packed | this table as JSON | its length, 8 bytes | MAGIC, 8 bytes
//! ```
//!
//! The table is at the end, because blobs are stored while they are pushed and only the end knows every location. One ranged
//! GET of the last megabyte returns the table, the manifests and the small blobs.
//!
//! Any job of a run can write artifacts, so a receiver trusts no number of a table before [`Index::decode`] has checked it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::digest::Digest;
use crate::encoding::Frames;

const MAGIC: &[u8; 8] = b"handoff1";
/// Bytes after the table.
pub(crate) const TRAILER: u64 = 16;
/// Largest table in bytes. A receiver holds it in memory.
const MAX_TABLE_BYTES: u64 = 32 << 20;
/// Largest number of blobs. An image has at most 127 layers, so this is room for hundreds of images.
const MAX_BLOBS: usize = 65_536;
/// Largest number of manifests, and of images and tags.
const MAX_MANIFESTS: usize = 4096;
/// Largest blob: 4 TiB, so that no sum of its offsets overflows.
const MAX_BLOB_BYTES: u64 = 4 << 40;
/// Largest key of a cache entry, by the service.
const MAX_KEY_BYTES: usize = 512;

/// Table of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Reference of the first image; the receiver tags the image with it.
    #[serde(default)]
    pub reference: String,
    /// Images in the order of the sender. Tables of older senders have none: [`Index::named_images`] covers both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<NamedImage>,
    /// Digests of manifests by tag.
    pub tags: BTreeMap<String, Digest>,
    /// Complete manifests and indexes, which are small and needed first.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Locations of blobs.
    pub blobs: BTreeMap<Digest, BlobLocation>,
}

/// Image of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedImage {
    /// Reference under which the image was sent.
    pub reference: String,
    /// Digest of its manifest or index.
    pub digest: Digest,
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
    /// Length of the blob in bytes, before the transport encoding.
    pub size: u64,
    /// Frames of an encoded blob; `None` means its plain bytes are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
}

impl BlobLocation {
    /// Location of plain bytes.
    pub(crate) fn plain(entry: Option<String>, offset: u64, size: u64) -> Self {
        Self { entry, offset, size, frames: None }
    }

    /// Stored bytes of the blob.
    pub(crate) fn stored(&self) -> u64 {
        self.frames.as_ref().map_or(self.size, Frames::stored)
    }

    /// Size in bytes of the blob's cache entry.
    pub(crate) fn entry_size(&self) -> u64 {
        self.frames.as_ref().map_or(self.size, |frames| frames.stored() + frames.list_len())
    }

    /// Checks the numbers against the bytes before the table.
    fn check(&self, before_table: u64) -> Result<(), String> {
        if self.size > MAX_BLOB_BYTES {
            return Err(format!("it has {} bytes, {MAX_BLOB_BYTES} are allowed", self.size));
        }
        if let Some(frames) = &self.frames {
            frames.check(self.size)?;
        }
        let end = self.offset.checked_add(self.stored()).ok_or("its end overflows")?;
        match &self.entry {
            None if end > before_table => Err(format!("it ends at byte {end} of {before_table}")),
            Some(key) if key.is_empty() || key.len() > MAX_KEY_BYTES || self.offset != 0 => {
                Err("its cache entry is not one of a sender".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Index {
    /// Images of the transfer. A table of an older sender has one: its reference, with the last tag.
    pub(crate) fn named_images(&self) -> Vec<NamedImage> {
        let last = || self.tags.values().next_back().cloned();
        match last() {
            Some(digest) if self.images.is_empty() => vec![NamedImage { reference: self.reference.clone(), digest }],
            _ => self.images.clone(),
        }
    }

    /// Encodes table and trailer.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = serde_json::to_vec(self).map_err(|e| Error::Table(e.to_string()))?;
        let len = bytes.len() as u64;
        if len > MAX_TABLE_BYTES {
            return Err(Error::Table(format!("it has {len} bytes, {MAX_TABLE_BYTES} are allowed")));
        }
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
        if len > MAX_TABLE_BYTES {
            return Err(Error::Table(format!("it has {len} bytes, {MAX_TABLE_BYTES} are allowed")));
        }
        Ok(len + TRAILER)
    }

    /// Decodes and checks the table from the last bytes of a stored transfer of `size` bytes.
    pub(crate) fn decode(tail: &[u8], size: u64) -> Result<Self, Error> {
        let (index, len) = Self::decode_unchecked(tail)?;
        let before_table = size.checked_sub(len).ok_or_else(|| Error::Table("it is truncated".to_owned()))?;
        index.check(before_table).map_err(Error::Table)?;
        Ok(index)
    }

    /// Decodes the table without a look at its content; returns also the length of table and trailer.
    pub(crate) fn decode_unchecked(tail: &[u8]) -> Result<(Self, u64), Error> {
        let len = Self::encoded_len(tail)?;
        let short = || Error::Table("it is truncated".to_owned());
        let from = (tail.len() as u64).checked_sub(len).ok_or_else(short)? as usize;
        let table = &tail[from..tail.len() - TRAILER as usize];
        Ok((serde_json::from_slice(table).map_err(|e| Error::Table(e.to_string()))?, len))
    }

    fn check(&self, before_table: u64) -> Result<(), String> {
        let counts = [
            ("blobs", self.blobs.len(), MAX_BLOBS),
            ("manifests", self.manifests.len(), MAX_MANIFESTS),
            ("tags", self.tags.len(), MAX_MANIFESTS),
            ("images", self.images.len(), MAX_MANIFESTS),
        ];
        if let Some((what, count, most)) = counts.into_iter().find(|(_, count, most)| count > most) {
            return Err(format!("it has {count} {what}, {most} are allowed"));
        }
        for (digest, manifest) in &self.manifests {
            if Digest::of(manifest.text.as_bytes()) != *digest {
                return Err(format!("the manifest {digest} has another digest"));
            }
        }
        let named = self.tags.values().chain(self.images.iter().map(|image| &image.digest));
        if let Some(digest) = named.into_iter().find(|digest| !self.manifests.contains_key(digest)) {
            return Err(format!("the manifest {digest} is not in it"));
        }
        for (digest, location) in &self.blobs {
            location.check(before_table).map_err(|why| format!("blob {digest}: {why}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Table of one image whose blobs fill the bytes before it.
    fn table(sizes: &[(u64, Option<String>)], tag: &str) -> (Index, u64) {
        let mut index = Index { reference: tag.to_owned(), ..Index::default() };
        let mut at = 0;
        for (number, (size, entry)) in sizes.iter().enumerate() {
            let offset = if entry.is_some() { 0 } else { at };
            let location = BlobLocation::plain(entry.clone(), offset, *size);
            at += if entry.is_some() { 0 } else { *size };
            index.blobs.insert(Digest::of(&number.to_le_bytes()), location);
        }
        let text = "{\"a\": \"é\"}\n".to_owned();
        let digest = Digest::of(text.as_bytes());
        index.tags.insert(tag.to_owned(), digest.clone());
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        index.manifests.insert(digest, Manifest { media_type, text });
        (index, at)
    }

    proptest! {
        #[test]
        fn table_is_decoded_after_any_bytes(
            before in prop::collection::vec(any::<u8>(), 0..100),
            blobs in prop::collection::vec((0..1_u64 << 40, prop::option::of("[a-z]{1,9}")), 0..9),
            tag in "[a-z]{1,9}",
        ) {
            let (index, at) = table(&blobs, &tag);
            let table = index.encode().unwrap();
            let size = at + table.len() as u64;
            let stored = [before, table].concat();
            prop_assert_eq!(Index::decode(&stored, size).unwrap(), index);
            prop_assert!(at == 0 || Index::decode(&stored, size - 1).is_err(), "a blob ends within the table");
        }

        #[test]
        fn decoding_any_bytes_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..64), magic: bool, size: u64) {
            if magic {
                bytes.extend_from_slice(MAGIC);
            }
            let _ = Index::decode(&bytes, size);
        }
    }

    #[test]
    fn table_with_impossible_numbers_is_refused() {
        let key = || Some("key".to_owned());
        let decode = |change: &dyn Fn(&mut Index)| {
            let (mut index, at) = table(&[(100, None), (9, key())], "1");
            change(&mut index);
            let bytes = index.encode().unwrap();
            Index::decode(&bytes, at + bytes.len() as u64)
        };
        decode(&|_| {}).unwrap();
        let blob = |location: BlobLocation| {
            decode(&move |index: &mut Index| drop(index.blobs.insert(Digest::of(b"x"), location.clone())))
        };
        blob(BlobLocation::plain(None, 40, 60)).unwrap();
        let frames = |sizes: &[u32]| Some(Frames::new(sizes.to_vec()));
        blob(BlobLocation { frames: frames(&[60]), ..BlobLocation::plain(None, 40, 4 << 20) }).unwrap();
        for bad in [
            BlobLocation::plain(None, 41, 60),
            BlobLocation::plain(None, u64::MAX, 1),
            BlobLocation::plain(key(), 0, u64::MAX),
            BlobLocation::plain(key(), 1, 1),
            BlobLocation::plain(Some(String::new()), 0, 1),
            BlobLocation::plain(Some("k".repeat(513)), 0, 1),
            BlobLocation { frames: frames(&[61]), ..BlobLocation::plain(None, 40, 4 << 20) },
            BlobLocation { frames: frames(&[60]), ..BlobLocation::plain(None, 0, (4 << 20) + 1) },
            BlobLocation { frames: frames(&[]), ..BlobLocation::plain(None, 0, 1 << 60) },
        ] {
            assert!(blob(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(decode(&|index| drop(index.tags.insert("2".to_owned(), Digest::of(b"none")))).is_err());
        let image = || NamedImage { reference: "app".to_owned(), digest: Digest::of(b"none") };
        assert!(decode(&|index| index.images.push(image())).is_err());
        assert!(decode(&|index| index.manifests.values_mut().for_each(|m| m.text.push(' '))).is_err());
        let huge = [&(MAX_TABLE_BYTES + 1).to_le_bytes()[..], MAGIC].concat();
        assert!(Index::encoded_len(&huge).is_err(), "nobody fetches that much");
    }

    #[test]
    fn table_of_an_older_sender_has_its_last_tag_as_image() {
        let (mut index, _) = table(&[], "app");
        let digest = index.tags["app"].clone();
        let named = |reference: &str| vec![NamedImage { reference: reference.to_owned(), digest: digest.clone() }];
        assert_eq!(index.named_images(), named("app"));
        index.images = named("other:2");
        assert_eq!(index.named_images(), named("other:2"));
        assert!(Index::default().named_images().is_empty());
        let older = r#"{"tags":{},"manifests":{},"blobs":{}}"#;
        assert!(serde_json::from_str::<Index>(older).unwrap().images.is_empty());
    }
}
