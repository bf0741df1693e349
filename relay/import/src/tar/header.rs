//! Header block of a tar entry: fixed fields, octal and base-256 numbers, checksum.

use super::entry::Time;
use crate::error::Refusal;

/// Size of a block in bytes.
pub(crate) const BLOCK_BYTES: usize = 512;

/// Block of the archive.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// Fields of one header block.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) size: u64,
    pub(crate) modified: Time,
    pub(crate) accessed: Option<Time>,
    pub(crate) major: i64,
    pub(crate) minor: i64,
}

impl Header {
    /// Reads a block that is not all zero.
    pub(crate) fn parse(block: &Block) -> Result<Self, Refusal> {
        check_sum(block)?;
        let number = |from: usize, to: usize, name| numeric(&block[from..to]).ok_or(Refusal::Header(name));
        let magic = &block[257..263];
        let gnu = &block[257..265] == b"ustar  \0";
        let ustar = magic == b"ustar\0";
        // Schily's star splits the prefix field: Go reads that format, hardly anything writes it.
        if ustar && &block[508..512] == b"tar\0" {
            return Err(Refusal::Header("format"));
        }
        let mut name = text(&block[..100]).to_vec();
        if ustar {
            let prefix = text(&block[345..500]);
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        // GNU's format has the time of access where ustar has the prefix.
        let accessed = if gnu && block[345] != 0 { Some(seconds(number(345, 357, "time of access")?)) } else { None };
        // V7 has no device numbers.
        let (major, minor) = if gnu || ustar {
            (number(329, 337, "device number")?, number(337, 345, "device number")?)
        } else {
            (0, 0)
        };
        Ok(Self {
            kind: block[156],
            name,
            link: text(&block[157..257]).to_vec(),
            mode: number(100, 108, "mode")?,
            uid: number(108, 116, "owner")?,
            gid: number(116, 124, "group")?,
            size: u64::try_from(number(124, 136, "size")?).map_err(|_| Refusal::Header("size"))?,
            modified: seconds(number(136, 148, "time")?),
            accessed,
            major,
            minor,
        })
    }
}

fn seconds(seconds: i64) -> Time {
    Time { seconds, nanos: 0 }
}

/// Bytes up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// Number of a field: base 256 with the highest bit set, octal otherwise, nothing is 0.
fn numeric(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    // Two's complement without the marking bit.
    let negative = first & 0x40 != 0;
    let invert = if negative { 0xff } else { 0 };
    let mut value: u64 = u64::from((first ^ invert) & 0x7f);
    for &byte in rest {
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte ^ invert);
    }
    let value = i64::try_from(value).ok()?;
    Some(if negative { !value } else { value })
}

fn octal(field: &[u8]) -> Option<i64> {
    let padding = |b: &u8| matches!(b, b' ' | 0);
    let Some(from) = field.iter().position(|b| !padding(b)) else { return Some(0) };
    let to = field.iter().rposition(|b| !padding(b))?;
    text(&field[from..=to]).iter().try_fold(0_i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Compares the stated sum with that of the bytes, unsigned or, as old programs did, signed.
fn check_sum(block: &Block) -> Result<(), Refusal> {
    let stated = octal(&block[148..156]).ok_or(Refusal::Header("checksum"))?;
    let bytes = || block.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { b' ' } else { b });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|b| i64::from(b.cast_signed())).sum();
    if stated == unsigned || stated == signed { Ok(()) } else { Err(Refusal::Header("checksum")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let cases: [(&[u8], Option<i64>); 10] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"12\x0034", Some(0o12)),
            (b"0000648\0", None),
            (b"-644", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
        ];
        for (field, value) in cases {
            assert_eq!(numeric(field), value, "{field:?}");
        }
    }
}
