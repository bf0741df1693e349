//! Limits and prices of the services: inputs with a date and a source, never constants of the code.

use serde::{Deserialize, Serialize};

const TEXT: &str = include_str!("../prices.toml");

/// Content of `prices.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Date on which the figures were looked up (ISO 8601).
    pub date: String,
    /// Runners.
    pub runner: RunnerPrice,
    /// The cache.
    pub cache: CachePrice,
    /// Artifacts.
    pub artifact: ArtifactPrice,
    /// Quotas of the plans.
    #[serde(rename = "plan", default)]
    pub plans: Vec<PlanQuota>,
}

/// A runner's price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunnerPrice {
    /// Dollars a minute; none: unknown.
    pub usd_per_minute: Option<f64>,
    /// Address of the publication.
    pub source: String,
}

/// The cache's limit and price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachePrice {
    /// Bytes that a repository has without paying.
    pub included_bytes: u64,
    /// Dollars for a GB and month above it; none: unknown.
    pub usd_per_gb_month: Option<f64>,
    /// Address of the publication.
    pub source: String,
}

/// Artifacts' price and retention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactPrice {
    /// Dollars for a GB and month above the plan's quota; none: unknown.
    pub usd_per_gb_month: Option<f64>,
    /// Days for which a handed-over image is kept.
    pub retention_days: u32,
    /// Address of the publication.
    pub source: String,
}

/// Quota of a plan for private repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanQuota {
    /// Name.
    pub name: String,
    /// Storage of artifacts.
    pub artifact_bytes: u64,
    /// Minutes a month.
    pub minutes: u64,
}

/// Invalid file of prices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("prices: {0}: take harness/analysis/prices.toml as the pattern")]
pub struct PricesError(String);

impl Prices {
    /// The prices that this version ships.
    ///
    /// # Errors
    /// The shipped file cannot be read; a test checks that it can.
    pub fn shipped() -> Result<Self, PricesError> {
        Self::parse(TEXT)
    }

    /// Reads prices.
    ///
    /// # Errors
    /// Text that is not TOML, a field that is missing or unknown, or a figure that cannot be.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        let prices: Self = toml::from_str(text)
            .map_err(|e| PricesError(e.to_string().split_whitespace().collect::<Vec<_>>().join(" ")))?;
        let figures = [prices.runner.usd_per_minute, prices.cache.usd_per_gb_month, prices.artifact.usd_per_gb_month];
        if figures.into_iter().flatten().any(|usd| !(0.0..1e6).contains(&usd)) {
            return Err(PricesError("a price is not between 0 and 1000000 dollars".to_owned()));
        }
        if prices.plans.iter().any(|p| p.artifact_bytes == 0) || prices.cache.included_bytes == 0 {
            return Err(PricesError("a limit is 0 bytes".to_owned()));
        }
        Ok(prices)
    }

    /// A plan by name.
    pub fn plan(&self, name: &str) -> Option<&PlanQuota> {
        self.plans.iter().find(|p| p.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_prices_match_the_published_examples() {
        let prices = Prices::shipped().unwrap();
        let month = |gb: f64| (gb - prices.cache.included_bytes as f64 / 1e9) * prices.cache.usd_per_gb_month.unwrap();
        for (gb, usd) in [(50.0, 2.80), (200.0, 13.30), (1_000.0, 69.30)] {
            assert!((month(gb) - usd).abs() < 1e-9, "{gb}");
        }
        assert_eq!(prices.plan("team").unwrap().artifact_bytes, 2_000_000_000);
    }

    #[test]
    fn invalid_prices_are_refused_with_the_key() {
        let error = |from: &str, to: &str| Prices::parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error("usd_per_minute", "usd_per_hour").contains("usd_per_hour"));
        assert!(error("0.006", "-1.0").contains("a price"));
        assert!(error("10_000_000_000", "0").contains("0 bytes"));
    }
}
