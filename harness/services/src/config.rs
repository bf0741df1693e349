//! How a service is set up, and what a token is minted for.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use handoff_link::Profile;
use serde::{Deserialize, Serialize};

/// A storage account name with hyphens cannot exist in Azure (names are lower-case letters and digits), so that a
/// request for this host can never reach anyone even where it is not mapped to this machine.
pub const DEFAULT_BLOB_HOST: &str = "handoff-loopback-only.blob.core.windows.net";

/// What a service listens on and where it keeps what it is given.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Address to listen on; port 0 takes a free one. Default `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// Folder for blobs. The service makes a folder of its own inside and removes it at the end; the folder itself is
    /// made when missing, and then removed too.
    pub store_dir: PathBuf,
    /// Host name in the blob URLs that GitHub's npm clients get (user agent `@actions/...`), which take their parallel
    /// path only for such a name; `None` gives them the address, like everyone else.
    pub blob_host: Option<String>,
    /// How long a signed blob URL is valid.
    pub url_ttl: Duration,
    /// Requests kept for each token's log; older ones are dropped and counted.
    pub log_capacity: usize,
    /// How the link of each token is shaped; default bare loopback.
    pub profile: Profile,
}

impl ServiceConfig {
    /// Loopback, a free port, and blobs under `store_dir`.
    pub fn new(store_dir: impl Into<PathBuf>) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            store_dir: store_dir.into(),
            blob_host: Some(DEFAULT_BLOB_HOST.to_owned()),
            url_ttl: Duration::from_hours(6),
            log_capacity: 65_536,
            profile: Profile::default(),
        }
    }
}

impl Default for ServiceConfig {
    /// Blobs go to `handoff-service` in the system's folder for temporary files.
    fn default() -> Self {
        Self::new(std::env::temp_dir().join("handoff-service"))
    }
}

/// Whom a token is for and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSpec {
    /// Workflow run: artifacts belong to it. Characters other than letters, digits, `.`, `_` and `-` become `-`.
    pub run: String,
    /// Job of the run; same characters.
    pub job: String,
    /// Git ref whose cache scope the token reads and writes.
    pub ref_scope: String,
    /// Further cache scopes that it only reads, in order (the default branch, a pull request's base).
    pub read_scopes: Vec<String>,
    /// Life time from now, in whole seconds; zero gives a token that has already expired.
    #[serde(with = "seconds")]
    pub ttl: Duration,
    /// Trial that the token's traffic is counted for.
    pub trial: String,
    /// Side of the trial: `producer`, `consumer`, ...
    pub role: String,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            run: "run".to_owned(),
            job: "job".to_owned(),
            ref_scope: "refs/heads/main".to_owned(),
            read_scopes: Vec::new(),
            ttl: Duration::from_hours(6),
            trial: String::new(),
            role: String::new(),
        }
    }
}

mod seconds {
    //! Durations as whole seconds on the control protocol.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// `text` with every character that could be mistaken in a token or a URL replaced by `-`.
pub(crate) fn plain_id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lose_what_would_break_a_token() {
        assert_eq!(plain_id("run 1:a/b_c.d-é"), "run-1-a-b_c.d--");
    }

    #[test]
    fn a_spec_travels_as_json_with_its_defaults() {
        let spec: TokenSpec = serde_json::from_str(r#"{"run":"7","ttl":60}"#).unwrap();
        assert_eq!(spec, TokenSpec { run: "7".into(), ttl: Duration::from_mins(1), ..TokenSpec::default() });
        let back: TokenSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
        assert!(serde_json::from_str::<TokenSpec>(r#"{"rum":"7"}"#).is_err());
    }
}
