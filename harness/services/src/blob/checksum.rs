//! Checksums of request bodies: `Content-MD5` and `x-ms-content-crc64`, which Azure compares with the bytes received.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::failure::Failure;
use crate::http::Exchange;

/// Reflected polynomial of Azure's CRC-64, which `NVMe` uses too.
const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;
const TABLE: [u64; 256] = table();

/// Checksum that a request announces, computed while its body arrives.
pub(super) enum Checksum {
    /// No header, nothing to compute.
    None,
    Md5 {
        expected: [u8; 16],
        state: Md5,
    },
    Crc64 {
        expected: [u8; 8],
        state: u64,
    },
}

impl Checksum {
    /// Checksum of the headers.
    ///
    /// # Errors
    /// A header that is no checksum, and both headers at once.
    pub(super) fn of(exchange: &Exchange<'_>) -> Result<Self, Failure> {
        Self::read(exchange.head.header("content-md5"), exchange.head.header("x-ms-content-crc64"))
    }

    fn read(md5: Option<&str>, crc64: Option<&str>) -> Result<Self, Failure> {
        match (md5, crc64) {
            (None, None) => Ok(Self::None),
            (Some(text), None) => Ok(Self::Md5 { expected: decode("Content-MD5", text)?, state: Md5::new() }),
            (None, Some(text)) => Ok(Self::Crc64 { expected: decode("x-ms-content-crc64", text)?, state: !0 }),
            (Some(_), Some(_)) => {
                let message = "Content-MD5 and x-ms-content-crc64 are both present: send one of them";
                Err(Failure::new(400, "InvalidHeaderValue", message))
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Md5 { state, .. } => state.update(bytes),
            Self::Crc64 { state, .. } => {
                for byte in bytes {
                    *state = TABLE[usize::from(*state as u8 ^ byte)] ^ (*state >> 8);
                }
            }
        }
    }

    /// Compares the bytes received with the header.
    ///
    /// # Errors
    /// Azure's mismatch, with both values.
    pub(super) fn verify(self) -> Result<(), Failure> {
        match self {
            Self::None => Ok(()),
            Self::Md5 { expected, state } => compare("Md5Mismatch", "Content-MD5", &expected, &state.finalize()),
            Self::Crc64 { expected, state } => {
                compare("Crc64Mismatch", "x-ms-content-crc64", &expected, &(!state).to_le_bytes())
            }
        }
    }
}

fn decode<const N: usize>(header: &str, text: &str) -> Result<[u8; N], Failure> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Failure::new(400, "InvalidHeaderValue", format!("{header}: {text} is not base64 of {N} bytes")))
}

fn compare(code: &'static str, header: &str, expected: &[u8], computed: &[u8]) -> Result<(), Failure> {
    if expected == computed {
        return Ok(());
    }
    let [expected, computed] = [expected, computed].map(|bytes| STANDARD.encode(bytes));
    let message = format!("{header} is {expected}, and the bytes received have {computed}.");
    Err(Failure::new(400, code, message))
}

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(md5: Option<&str>, crc64: Option<&str>, pieces: &[&str]) -> Result<(), String> {
        let mut checksum = Checksum::read(md5, crc64).map_err(|failure| format!("{failure:?}"))?;
        for piece in pieces {
            checksum.update(piece.as_bytes());
        }
        checksum.verify().map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn checksums_of_the_standards_check_value_are_accepted() {
        // MD5 of RFC 1321's test, and the CRC-64/`NVME` of the digits 1 to 9: AE8B14860A799888.
        let crc = STANDARD.encode(0xAE8B_1486_0A79_9888_u64.to_le_bytes());
        assert_eq!(verify(None, Some(&crc), &["1234", "56789"]), Ok(()));
        assert_eq!(verify(Some("kAFQmDzST7DWlj99KOF/cg=="), None, &["a", "bc"]), Ok(()));
        assert_eq!(verify(None, None, &["anything"]), Ok(()));
    }

    #[test]
    fn wrong_malformed_or_double_checksum_is_refused() {
        let md5 = "kAFQmDzST7DWlj99KOF/cg==";
        for (md5, crc64, expected) in [
            (Some(md5), None, "Md5Mismatch"),
            (None, Some("AAAAAAAAAAA="), "Crc64Mismatch"),
            (Some("abc"), None, "not base64 of 16 bytes"),
            (None, Some(md5), "not base64 of 8 bytes"),
            (Some(md5), Some("AAAAAAAAAAA="), "both present"),
        ] {
            let error = verify(md5, crc64, &["abd"]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
