//! The runtime token: a JWT (HS256) with the claims that clients and the service read.
//!
//! Clients never check the signature, but they do parse: artifact clients take the run and job out of `scp`, BuildKit
//! needs `ac` as a *string* of JSON and numeric `nbf` and `exp`. The service checks everything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::crypto::{self, Key};

/// May read a cache scope.
pub(crate) const READ: u32 = 1;
/// May write a cache scope.
pub(crate) const WRITE: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
}

/// A cache scope of the `ac` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    /// Git ref.
    #[serde(rename = "Scope")]
    pub(crate) name: String,
    /// Sum of [`READ`] and [`WRITE`].
    #[serde(rename = "Permission")]
    pub(crate) permission: u32,
}

/// The payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// `Actions.Results:RUN:JOB`, among other words in real tokens.
    pub(crate) scp: String,
    /// JSON text of the scopes.
    pub(crate) ac: String,
    /// Not valid before, seconds since 1970.
    pub(crate) nbf: i64,
    /// Expired from then on, seconds since 1970.
    pub(crate) exp: i64,
    /// Whom the traffic is counted for.
    pub(crate) jti: String,
    /// The trial, for people who look into a token.
    pub(crate) trial: String,
    /// The side of the trial.
    pub(crate) role: String,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// Not three parts of base64url with JSON inside.
    #[error("the token is not a JWT of this service")]
    Malformed,
    /// Signed by someone else, or altered.
    #[error("the token's signature is not valid")]
    Signature,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    Early,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// It was valid once.
    #[error("the token has been revoked")]
    Revoked,
    /// No `Authorization: Bearer` header.
    #[error("no bearer token was sent")]
    Missing,
}

impl Claims {
    /// Run and job of the first `Actions.Results` word.
    pub(crate) fn run_and_job(&self) -> Option<(&str, &str)> {
        let word = self.scp.split(' ').find(|word| word.split(':').next() == Some("Actions.Results"))?;
        match word.split(':').collect::<Vec<_>>()[..] {
            [_, run, job] => Some((run, job)),
            _ => None,
        }
    }

    /// The scopes, in the order in which they are searched.
    pub(crate) fn scopes(&self) -> Option<Vec<Scope>> {
        serde_json::from_str(&self.ac).ok()
    }
}

/// Signs `claims`.
pub(crate) fn encode(key: &Key, claims: &Claims) -> String {
    let header = r#"{"typ":"JWT","alg":"HS256"}"#;
    // Texts and numbers always have JSON; a token without claims would be refused everywhere.
    let payload = serde_json::to_string(claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Checks signature and times of `token` at `now` (seconds since 1970) and gives its claims.
pub(crate) fn decode(key: &Key, token: &str, now: i64) -> Result<Claims, TokenError> {
    let claims = decode_signed(key, token)?;
    if now < claims.nbf {
        return Err(TokenError::Early);
    }
    if now >= claims.exp {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

/// The claims of a token that this service signed, expired or not.
pub(crate) fn decode_signed(key: &Key, token: &str) -> Result<Claims, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
    let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
    if !crypto::same(&key.sign(signed.as_bytes()), &signature) {
        return Err(TokenError::Signature);
    }
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.alg != "HS256" {
        return Err(TokenError::Malformed);
    }
    serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(jti: &str) -> Claims {
        Claims {
            scp: "Actions.Example Actions.Results:r-1:j-2".into(),
            ac: r#"[{"Scope":"refs/heads/main","Permission":3}]"#.into(),
            nbf: 100,
            exp: 200,
            jti: jti.into(),
            trial: "t".into(),
            role: "producer".into(),
        }
    }

    #[test]
    fn a_signed_token_gives_its_claims_back() {
        let key = Key::fixed(1);
        let token = encode(&key, &claims("x"));
        let read = decode(&key, &token, 150).unwrap();
        assert_eq!(read, claims("x"));
        assert_eq!(read.run_and_job(), Some(("r-1", "j-2")));
        assert_eq!(read.scopes().unwrap(), [Scope { name: "refs/heads/main".into(), permission: 3 }]);
    }

    #[test]
    fn times_are_kept_to_the_second() {
        let key = Key::fixed(1);
        let token = encode(&key, &claims("x"));
        assert_eq!(decode(&key, &token, 99), Err(TokenError::Early));
        assert!(decode(&key, &token, 100).is_ok());
        assert!(decode(&key, &token, 199).is_ok());
        assert_eq!(decode(&key, &token, 200), Err(TokenError::Expired));
        assert_eq!(decode_signed(&key, &token), Ok(claims("x")));
    }

    #[test]
    fn another_process_key_is_refused() {
        let token = encode(&Key::fixed(1), &claims("x"));
        assert_eq!(decode(&Key::fixed(2), &token, 150), Err(TokenError::Signature));
    }

    #[test]
    fn an_unsigned_algorithm_is_refused_even_when_signed() {
        let key = Key::fixed(1);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#),
            URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims("x")).unwrap())
        );
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())));
        assert_eq!(decode(&key, &token, 150), Err(TokenError::Malformed));
    }

    #[test]
    fn a_scope_word_needs_exactly_three_parts() {
        for scp in ["", "Actions.Results", "Actions.Results:a", "Actions.Results:a:b:c", "Other:a:b"] {
            assert_eq!(Claims { scp: scp.into(), ..claims("x") }.run_and_job(), None, "{scp}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_character_is_refused(jti in "[a-z]{1,8}", at: prop::sample::Index, with in "[A-Za-z0-9_.-]") {
            let key = Key::fixed(3);
            let token = encode(&key, &claims(&jti));
            let at = at.index(token.len());
            let altered = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            prop_assume!(altered != token);
            prop_assert!(decode(&key, &altered, 150).is_err());
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            prop_assert!(decode(&Key::fixed(1), &text, 0).is_err());
        }
    }
}
