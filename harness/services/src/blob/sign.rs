//! Signed blob URLs, after Azure's user delegation SAS: what the URL allows stands in its query, signed.
//!
//! The signature covers decoded values and is hexadecimal: clients sort the query, re-encode it, add parameters of
//! their own and may drop a trailing `=`.

use std::fmt::Write as _;

use crate::clock;
use crate::crypto::{self, Key};
use crate::http::{Query, percent};

/// The version of Azure's service that is stated; no client depends on it.
const VERSION: &str = "2024-11-04";
/// Every parameter that the signature covers.
const SIGNED: [&str; 7] = ["rscd", "rsct", "se", "skoid", "sp", "sr", "sv"];

/// What a URL allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// GET and HEAD.
    Read,
    /// Putting blocks, lists and whole blobs.
    Write,
}

impl Access {
    fn letters(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "cw",
        }
    }
}

/// The meaning of a signed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlGrant {
    pub(crate) path: String,
    pub(crate) access: Access,
    /// Seconds since 1970 from which on it is void.
    pub(crate) expires: i64,
    /// The account that asked for it.
    pub(crate) account: String,
    /// `Content-Disposition` of the answer.
    pub(crate) disposition: Option<String>,
    /// `Content-Type` of the answer, instead of the blob's own.
    pub(crate) content_type: Option<String>,
}

/// Why a URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadUrlGrant {
    /// A signed parameter is missing, given twice or not what it should be.
    Malformed,
    /// The signature is not this service's for these values.
    Signature,
}

impl UrlGrant {
    /// Of nobody yet, and void.
    pub(crate) fn new(path: String, access: Access) -> Self {
        Self { path, access, expires: 0, account: String::new(), disposition: None, content_type: None }
    }

    /// Path and query, signed.
    pub(crate) fn sign(&self, key: &Key) -> String {
        let expires = clock::rfc3339(self.expires);
        let values: [Option<&str>; SIGNED.len()] = [
            self.disposition.as_deref(),
            self.content_type.as_deref(),
            Some(&expires),
            Some(&self.account),
            Some(self.access.letters()),
            Some("b"),
            Some(VERSION),
        ];
        let mut url = format!("{}?", self.path);
        for (name, value) in SIGNED.iter().zip(values) {
            if let Some(value) = value {
                let _ = write!(url, "{name}={}&", percent::encode(value));
            }
        }
        let _ = write!(url, "sig={}", crypto::hex(key.sign(&message(&self.path, &values))));
        url
    }

    /// Checks the signature of a request; whether it has expired is for the caller to see.
    pub(crate) fn verify(key: &Key, path: &str, query: &Query) -> Result<Self, BadUrlGrant> {
        let values = SIGNED.map(|name| query.only(name));
        // Given twice: which of the two would count?
        if SIGNED.iter().zip(values).any(|(name, value)| value.is_none() && query.has(name)) {
            return Err(BadUrlGrant::Malformed);
        }
        let signature = query.only("sig").and_then(crypto::unhex).ok_or(BadUrlGrant::Malformed)?;
        if !crypto::same(&key.sign(&message(path, &values)), &signature) {
            return Err(BadUrlGrant::Signature);
        }
        let [disposition, content_type, expires, account, letters, ..] = values;
        let access = [Access::Read, Access::Write].into_iter().find(|access| Some(access.letters()) == letters);
        Ok(Self {
            path: path.to_owned(),
            access: access.ok_or(BadUrlGrant::Malformed)?,
            expires: expires.and_then(clock::parse_rfc3339).ok_or(BadUrlGrant::Malformed)?,
            account: account.ok_or(BadUrlGrant::Malformed)?.to_owned(),
            disposition: disposition.map(str::to_owned),
            content_type: content_type.map(str::to_owned),
        })
    }
}

// Lengths stand before values, so that no two different sets of values read the same.
fn message(path: &str, values: &[Option<&str>]) -> Vec<u8> {
    let mut text = format!("{}:{path}", path.len());
    for value in values {
        match value {
            Some(value) => {
                let _ = write!(text, "\n{}:{value}", value.len());
            }
            None => text.push_str("\n-"),
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant() -> UrlGrant {
        UrlGrant {
            path: "/c/r/b.zip".into(),
            access: Access::Read,
            expires: 1_769_860_800,
            account: "abc".into(),
            disposition: Some("attachment; filename=\"a b.zip\"".into()),
            content_type: None,
        }
    }

    fn verify(key: &Key, url: &str) -> Result<UrlGrant, BadUrlGrant> {
        let (path, query) = url.split_once('?').unwrap();
        UrlGrant::verify(key, path, &Query::parse(query).unwrap())
    }

    #[test]
    fn a_url_survives_sorting_other_encodings_and_additions() {
        let key = Key::fixed(1);
        let url = grant().sign(&key);
        assert!(!url.split_once("sig=").unwrap().1.contains('='), "{url}");
        let (path, query) = url.split_once('?').unwrap();
        let mut parts: Vec<String> =
            query.split('&').map(|part| part.replace("%20", "+").replace("%3A", ":")).collect();
        parts.extend(["comp=block".to_owned(), "blockid=YQ%3D%3D".to_owned(), "timeout=30".to_owned()]);
        parts.sort();
        parts.reverse();
        assert_eq!(verify(&key, &format!("{path}?{}", parts.join("&"))), Ok(grant()));
    }

    #[test]
    fn a_parameter_that_is_doubled_removed_or_added_voids_it() {
        let key = Key::fixed(1);
        let url = grant().sign(&key);
        assert_eq!(verify(&key, &format!("{url}&sp=cw")), Err(BadUrlGrant::Malformed));
        assert_eq!(verify(&key, &format!("{url}&rsct=text/html")), Err(BadUrlGrant::Signature));
        assert_eq!(verify(&key, url.split_once("&sig").unwrap().0), Err(BadUrlGrant::Malformed));
        assert_eq!(verify(&key, &url.replace("sr=b&", "")), Err(BadUrlGrant::Signature));
        assert_eq!(verify(&Key::fixed(2), &url), Err(BadUrlGrant::Signature));
    }

    proptest! {
        #[test]
        fn any_grant_reads_back(
            path in "/[a-z0-9/._-]{1,30}", read: bool, expires in 0i64..253_000_000_000, account in "[0-9a-f]{1,32}",
            disposition: Option<String>, content_type: Option<String>,
        ) {
            let access = if read { Access::Read } else { Access::Write };
            let grant = UrlGrant { path, access, expires, account, disposition, content_type };
            let key = Key::fixed(9);
            prop_assert_eq!(verify(&key, &grant.sign(&key)), Ok(grant));
        }

        #[test]
        fn any_changed_character_is_refused(at: prop::sample::Index, with in "[a-z0-9]") {
            let key = Key::fixed(1);
            let url = grant().sign(&key);
            let at = at.index(url.len());
            let altered = format!("{}{with}{}", &url[..at], &url[at + 1..]);
            // Upper and lower case of an escape or of the signature mean the same.
            prop_assume!(!altered.eq_ignore_ascii_case(&url) && altered.contains('?'));
            let (path, query) = altered.split_once('?').unwrap();
            let read = Query::parse(query).map(|query| UrlGrant::verify(&key, path, &query));
            prop_assert!(!matches!(read, Some(Ok(_))), "{}", altered);
        }
    }
}
