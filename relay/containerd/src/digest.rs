//! Digests of blobs, and chain IDs: the names of snapshots.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// SHA-256 digest: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// Computes the digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// Text with the prefix `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let good = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if good { Ok(Self(text.to_owned())) } else { Err(Error::Digest(text.to_owned())) }
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a committed snapshot: the digest of a stack of layers.
///
/// Equal layers at several heights have several chain IDs, because a snapshot holds its layer on top of those below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(Digest);

impl ChainId {
    /// Chain IDs of all heights of a stack, from its diff IDs (digests of the plain layers), lowest first.
    ///
    /// The rule is that of the OCI image specification: the lowest one is the diff ID, and each other one is the digest of
    /// the chain ID below, a space and the diff ID.
    ///
    /// ```
    /// use handoff_containerd::{ChainId, Digest};
    ///
    /// let layer = Digest::of(b"layer");
    /// let chain = ChainId::stack(&[layer.clone(), layer.clone()]);
    /// assert_eq!(chain[0].as_str(), layer.as_str());
    /// assert_ne!(chain[1], chain[0]);
    /// ```
    pub fn stack(diff_ids: &[Digest]) -> Vec<Self> {
        let mut stack: Vec<Self> = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let chain = match stack.last() {
                Some(below) => Digest::of(format!("{} {diff_id}", below.0).as_bytes()),
                None => diff_id.clone(),
            };
            stack.push(Self(chain));
        }
        stack
    }

    /// Text with the prefix `sha256:`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(texts: &[&str]) -> Vec<Digest> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn only_sha256_in_lower_case_is_parsed() {
        let empty = Digest::of(b"");
        assert_eq!(empty.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for bad in ["", "sha256:", "sha512:00", &empty.as_str().to_uppercase(), &empty.as_str()[..70]] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    /// Names of snapshots that containerd 2.1.9 made of an image's two diff IDs.
    #[test]
    fn chain_ids_are_those_of_containerd() {
        let chain = ChainId::stack(&digests(&[
            "sha256:4d6074c8a93a19731c2c0b85e8b7b8b4b479538fce80484b4df7bccf08164aa2",
            "sha256:810837a3b9639f7f7d17165e541760d1b5d8cd1595e84d65ec388868a600dd85",
        ]));
        let names: Vec<&str> = chain.iter().map(ChainId::as_str).collect();
        assert_eq!(
            names,
            [
                "sha256:4d6074c8a93a19731c2c0b85e8b7b8b4b479538fce80484b4df7bccf08164aa2",
                "sha256:a5c3f1c11a994eae9e16659309ddb2b498dd5a2de01949d3818ddd280f3641bc",
            ]
        );
        assert_eq!(ChainId::stack(&[]), []);
    }

    /// Each chain ID is the digest of a text that can be checked with `printf '%s %s' A B | sha256sum`.
    #[test]
    fn chain_of_three_is_folded_from_below() {
        let [a, b, c] = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
        let ab = Digest::of(format!("{a} {b}").as_bytes());
        let abc = Digest::of(format!("{ab} {c}").as_bytes());
        assert_eq!(ChainId::stack(&[a.clone(), b, c]), [ChainId(a), ChainId(ab), ChainId(abc)]);
    }
}
