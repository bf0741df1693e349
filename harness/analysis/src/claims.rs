//! The spike's claims, as data. They are shown beside what is measured; judging them is not done yet.

use serde::Deserialize;

const TEXT: &str = include_str!("../claims.toml");

/// The claims and where they come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Where they were published.
    pub source: Source,
    /// One an approach, in the spike's order.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its title.
    pub title: String,
    /// Its address.
    pub url: String,
    /// When it was published (ISO 8601).
    pub date: String,
}

/// What is claimed of one approach. A field that is none is not known to us.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Our strategy that follows the approach.
    pub strategy: String,
    /// The number that the spike gives it.
    pub option: u32,
    /// The approach in a few words.
    pub approach: String,
    /// Shortest transfer of an image of 1 to 3 GB, in seconds.
    pub transfer_low_s: u32,
    /// Longest transfer of an image of 1 to 3 GB, in seconds.
    pub transfer_high_s: u32,
    /// Upload rate in MiB/s.
    pub upload_mib_per_s: Option<u32>,
    /// Download rate in MiB/s.
    pub download_mib_per_s: Option<u32>,
    /// How hard it is to set up.
    pub complexity: Option<String>,
    /// The limit that what it stores counts against.
    pub cache_limit: Option<String>,
    /// Whether what arrives is byte for byte what was built.
    pub byte_identical: Option<bool>,
    /// What the entry was taken from.
    pub basis: String,
}

/// `claims.toml` does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claims.toml: {0}: mend the file in harness/analysis")]
pub struct ClaimsError(String);

impl Claims {
    /// The spike's claims, as this version ships them.
    ///
    /// # Errors
    /// The shipped file does not read; a test sees to it that it does.
    pub fn spike() -> Result<Self, ClaimsError> {
        Self::parse(TEXT)
    }

    /// Reads claims.
    ///
    /// # Errors
    /// Text that is not TOML, a field that is missing or unknown, a range that is upside down, or a strategy twice.
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        let claims: Self = toml::from_str(text)
            .map_err(|e| ClaimsError(e.to_string().split_whitespace().collect::<Vec<_>>().join(" ")))?;
        for (i, claim) in claims.claims.iter().enumerate() {
            if claim.transfer_low_s > claim.transfer_high_s {
                return Err(ClaimsError(format!("{}: transfer_low_s is above transfer_high_s", claim.strategy)));
            }
            if claims.claims[..i].iter().any(|c| c.strategy == claim.strategy) {
                return Err(ClaimsError(format!("{} has two claims", claim.strategy)));
            }
        }
        Ok(claims)
    }

    /// The claim on a strategy; variants of it share the claim.
    pub fn on(&self, strategy: &str) -> Option<&Claim> {
        self.claims.iter().find(|c| c.strategy == strategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_claims_read_and_cover_the_five() {
        let claims = Claims::spike().unwrap();
        let names: Vec<&str> = claims.claims.iter().map(|c| c.strategy.as_str()).collect();
        assert_eq!(names, ["artifact", "cache-tar", "gha-cache", "local-cache", "zstd-stream"]);
        assert_eq!(claims.on("artifact").unwrap().transfer_high_s, 480);
        assert_eq!(claims.on("rebuild"), None);
        assert!(claims.source.url.ends_with("/2347"));
    }

    #[test]
    fn slips_in_the_file_are_named() {
        let error = |from: &str, to: &str| Claims::parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error("complexity", "complexty").contains("complexty"));
        assert!(error("transfer_high_s = 480", "transfer_high_s = 4").contains("artifact: transfer_low_s"));
        assert!(error("\"cache-tar\"", "\"artifact\"").contains("two claims"));
        assert!(!error("[source]", "[source").contains('\n'));
    }
}
