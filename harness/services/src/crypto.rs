//! Keys that sign tokens and URLs, and random bytes.

use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signing key of one service, drawn at start: a signature of another process is never valid.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// Draws a key from the system's generator.
    pub(crate) fn random() -> io::Result<Self> {
        random_bytes().map(Self::from_bytes)
    }

    #[cfg(test)]
    pub(crate) fn fixed(byte: u8) -> Self {
        Self::from_bytes([byte; 64])
    }

    fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(Hmac::new(&bytes.into()))
    }

    /// HMAC-SHA256 (RFC 2104) of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether `signature` is the HMAC of `message`. The comparison takes constant time.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.clone().chain_update(message).verify_slice(signature).is_ok()
    }
}

/// `N` bytes of the system's generator.
pub(crate) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signature_is_the_hmac_of_rfc_4231() {
        let mut key = [0; 64];
        key[..4].copy_from_slice(b"Jefe");
        let signature = Key::from_bytes(key).sign(b"what do ya want for nothing?");
        assert_eq!(hex::encode(signature), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    proptest! {
        #[test]
        fn only_the_signature_of_the_message_is_valid(message: Vec<u8>, other: Vec<u8>) {
            let key = Key::fixed(1);
            let signature = key.sign(&message);
            prop_assert!(key.verify(&message, &signature) && !key.verify(&message, &signature[..31]));
            prop_assert_eq!(key.verify(&other, &signature), message == other);
            prop_assert!(!key.verify(&message, &other) && !Key::fixed(2).verify(&message, &signature));
        }
    }
}
