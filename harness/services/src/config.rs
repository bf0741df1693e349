//! Configuration of a service and of a token.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use handoff_link::Profile;
use serde::{Deserialize, Serialize};

use crate::timeouts::DEFAULT_TTL;

/// Host name in the blob URLs of npm clients. It cannot exist in Azure, whose account names have no hyphens, so that a request
/// never reaches another host.
pub const DEFAULT_BLOB_HOST: &str = "handoff-loopback-only.blob.core.windows.net";

/// Configuration of a service.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Address to listen on; port 0 takes a free one. Default `127.0.0.1:0`.
    pub bind: SocketAddr,
    /// Folder for blobs. The service creates a private folder inside and removes it at the end. A missing `store_dir` is
    /// created, and then removed too.
    pub store_dir: PathBuf,
    /// Host name in the blob URLs for GitHub's npm clients (user agent `@actions/...`), which transfer in parallel only for such
    /// a name. `None` and other clients use the address.
    pub blob_host: Option<String>,
    /// Validity of a signed blob URL, where the profile has no figure for it.
    pub url_ttl: Duration,
    /// Requests kept in each token's log; older ones are dropped and counted.
    pub log_capacity: usize,
    /// Link profile of each token; default bare loopback.
    pub profile: Profile,
}

impl ServiceConfig {
    /// Configuration for a free port on loopback with blobs under `store_dir`.
    pub fn new(store_dir: impl Into<PathBuf>) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            store_dir: store_dir.into(),
            blob_host: Some(DEFAULT_BLOB_HOST.to_owned()),
            url_ttl: DEFAULT_TTL,
            log_capacity: 65_536,
            profile: Profile::default(),
        }
    }
}

impl Default for ServiceConfig {
    /// Configuration with blobs in `handoff-service` below the system's temporary folder.
    fn default() -> Self {
        Self::new(std::env::temp_dir().join("handoff-service"))
    }
}

/// Job and permissions of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSpec {
    /// Workflow run, which owns artifacts. Characters other than letters, digits, `.`, `_` and `-` become `-`.
    pub run: String,
    /// Job of the run; same characters.
    pub job: String,
    /// Git ref whose cache scope the token reads and writes.
    pub ref_scope: String,
    /// Whether the token may not save cache entries, as the read-only tokens of GitHub's low-trust triggers. The profile's
    /// figure `cache.writes` can deny it too.
    pub deny_cache_writes: bool,
    /// Further cache scopes that it only reads, in order (the default branch, a pull request's base).
    pub read_scopes: Vec<String>,
    /// Validity from now, in whole seconds; zero makes an expired token.
    #[serde(with = "seconds")]
    pub ttl: Duration,
    /// Trial of the token's traffic.
    pub trial: String,
    /// Role in the trial, for example `producer`.
    pub role: String,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            run: "run".to_owned(),
            job: "job".to_owned(),
            ref_scope: "refs/heads/main".to_owned(),
            deny_cache_writes: false,
            read_scopes: Vec::new(),
            ttl: DEFAULT_TTL,
            trial: String::new(),
            role: String::new(),
        }
    }
}

/// Stored thing that a test deletes, to play a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stored {
    /// Cache entries of exactly this key, in all scopes and versions.
    CacheEntry {
        /// Key.
        key: String,
    },
    /// Artifact of a run.
    Artifact {
        /// Run, as in [`TokenSpec::run`].
        run: String,
        /// Name.
        name: String,
    },
}

mod seconds {
    //! Durations as whole seconds in the control protocol.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// Replaces every character with a meaning in a token or URL by `-`.
pub(crate) fn plain_id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_of_ids_become_hyphens() {
        assert_eq!(plain_id("run 1:a/b_c.d-é"), "run-1-a-b_c.d--");
    }

    #[test]
    fn spec_round_trips_as_json_with_defaults() {
        let spec: TokenSpec = serde_json::from_str(r#"{"run":"7","ttl":60}"#).unwrap();
        assert_eq!(spec, TokenSpec { run: "7".into(), ttl: Duration::from_mins(1), ..TokenSpec::default() });
        let back: TokenSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
        assert!(serde_json::from_str::<TokenSpec>(r#"{"rum":"7"}"#).is_err());
    }
}
