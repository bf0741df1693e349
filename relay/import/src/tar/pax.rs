//! Extended headers of pax: records that replace fields of the next header.

use super::entry::Time;
use crate::error::Refusal;

/// Prefix of the records that hold extended attributes.
const ATTRIBUTE_PREFIX: &[u8] = b"SCHILY.xattr.";

/// Records that a layer's entry uses. Others have no effect in containerd, and none here.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) modified: Option<Time>,
    pub(crate) accessed: Option<Time>,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    /// Reads the bytes of an extended header.
    pub(crate) fn parse(mut data: &[u8]) -> Result<Self, Refusal> {
        let mut records = Self::default();
        while !data.is_empty() {
            let record = Record::split(data).ok_or(Refusal::Extended("record"))?;
            records.set(record.key, record.value)?;
            data = record.rest;
        }
        Ok(records)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if let Some(name) = key.strip_prefix(ATTRIBUTE_PREFIX) {
            // The last record of a name counts.
            self.attributes.retain(|(other, _)| other != name);
            self.attributes.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        if key.starts_with(b"GNU.sparse.") {
            return Err(Refusal::Sparse);
        }
        match key {
            // An empty value gives the field of the header back (Go, `mergePAX`).
            b"path" => self.path = non_empty(value),
            b"linkpath" => self.link = non_empty(value),
            b"size" => self.size = optional(value, digits, "size")?.map(i64::cast_unsigned),
            b"uid" => self.uid = optional(value, digits, "owner")?,
            b"gid" => self.gid = optional(value, digits, "group")?,
            b"mtime" => self.modified = optional(value, time, "time")?,
            b"atime" => self.accessed = optional(value, time, "time")?,
            _ => {}
        }
        Ok(())
    }
}

fn non_empty(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// First record of some bytes.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// Bytes behind the record.
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// Splits the first record off: `LENGTH KEY=VALUE` and a line break, where the length counts all of it.
    fn split(data: &'a [u8]) -> Option<Self> {
        let space = data.iter().take(20).position(|&b| b == b' ')?;
        let length = usize::try_from(digits(&data[..space])?).ok()?;
        let body = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = body.iter().position(|&b| b == b'=')?;
        let (key, value) = (&body[..equals], &body[equals + 1..]);
        let is_name = matches!(key, b"path" | b"linkpath");
        let is_invalid = key.is_empty() || key.contains(&0) || is_name && value.contains(&0);
        (!is_invalid).then(|| Self { key, value, rest: &data[length..] })
    }
}

/// Decimal digits. Signs and spaces are invalid.
fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_i64, |value, &digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Value of a record, `None` if it is empty.
fn optional<T>(value: &[u8], read: fn(&[u8]) -> Option<T>, name: &'static str) -> Result<Option<T>, Refusal> {
    if value.is_empty() { Ok(None) } else { read(value).map(Some).ok_or(Refusal::Extended(name)) }
}

/// Time of a record, as seconds with a fraction. Digits after the ninth are dropped.
fn time(value: &[u8]) -> Option<Time> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |&b| b == b'.');
    let seconds = digits(parts.next()?)?;
    let mut nanos = 0;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        for at in 0..9 {
            nanos = nanos * 10 + u32::from(fraction.get(at).unwrap_or(&b'0') - b'0');
        }
    }
    Some(match (negative, nanos) {
        (false, _) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos },
        (true, _) => Time { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pairs: &[(&str, &str)]) -> Result<Records, Refusal> {
        let mut data = String::new();
        for (key, value) in pairs {
            let rest = format!(" {key}={value}\n");
            let length = (1..99).find(|n: &usize| n.to_string().len() + rest.len() == *n).unwrap();
            data.push_str(&length.to_string());
            data.push_str(&rest);
        }
        Records::parse(data.as_bytes())
    }

    #[test]
    fn fractions_and_signs_of_times_are_kept() {
        for (text, seconds, nanos) in [
            ("12", 12, 0),
            ("1.5", 1, 500_000_000),
            ("-1.25", -2, 750_000_000),
            ("3.1234567899", 3, 123_456_789),
            ("0.", 0, 0),
        ] {
            assert_eq!(records(&[("mtime", text)]).unwrap().modified, Some(Time { seconds, nanos }), "{text}");
        }
        for text in ["1.x", "x", "--1", "1e3", ".5"] {
            assert_eq!(records(&[("mtime", text)]).unwrap_err(), Refusal::Extended("time"), "{text}");
        }
    }

    #[test]
    fn last_record_of_a_key_counts_and_sparse_ones_are_refused() {
        let read =
            records(&[("SCHILY.xattr.user.a", "1"), ("SCHILY.xattr.user.a", "2=3"), ("path", "x"), ("path", "")]);
        let read = read.unwrap();
        assert_eq!(read.attributes, [(b"user.a".to_vec(), b"2=3".to_vec())]);
        assert_eq!(read.path, None);
        assert_eq!(records(&[("GNU.sparse.major", "1")]).unwrap_err(), Refusal::Sparse);
    }

    #[test]
    fn malformed_records_are_refused() {
        let cases: [&[u8]; 8] = [
            b"6 a=b",
            b"0 a=b\n",
            b"99 a=b\n",
            b"6 =bb\n",
            b"6 abc\n",
            b" 6 a=b\n",
            b"+6 a=b\n",
            b"99999999999999999999 a=b\n",
        ];
        for data in cases {
            assert!(Records::parse(data).is_err(), "{data:?}");
        }
        assert!(Records::parse(b"6 a=b\n").is_ok());
    }
}
