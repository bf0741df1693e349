//! What measurements say of the spike's claims.

use handoff_model::{ByteSize, Conditions};
use serde::Serialize;

use crate::identity::Finding;

/// What may be said of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// What was measured lies within what is claimed.
    Holds,
    /// The claim is too slow: what was measured is surely below it.
    TooSlow,
    /// The claim is too fast: what was measured is surely above it.
    TooFast,
    /// The claim is a fact and the fact is another one.
    Wrong,
    /// No completed trial under conditions that fit, too few to tell, or nothing is claimed.
    NotTested,
    /// There are rows, but not under the conditions of the spike's recipe.
    NotTheRecipe,
}

impl Judgement {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::TooSlow => "too slow",
            Self::TooFast => "too fast",
            Self::Wrong => "wrong",
            Self::NotTested => "not tested",
            Self::NotTheRecipe => "not the recipe",
        }
    }
}

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Transfer time for 1 to 3 GB.
    Transfer,
    /// Byte-identical.
    Identity,
    /// The limit that what it stores counts against.
    CacheLimit,
    /// How hard it is to set up.
    Complexity,
    /// Rate of the upload.
    UploadRate,
    /// Rate of the download.
    DownloadRate,
}

impl Subject {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Identity => "byte-identical",
            Self::CacheLimit => "cache limit",
            Self::Complexity => "complexity",
            Self::UploadRate => "upload rate",
            Self::DownloadRate => "download rate",
        }
    }
}

/// One claim with its judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedClaim {
    /// The strategy that follows the claim's approach.
    pub strategy: String,
    /// What is claimed of.
    pub subject: Subject,
    /// The claim in words, for example `120-480 s`; empty where nothing is claimed.
    pub claimed: String,
    /// What may be said.
    pub judgement: Judgement,
    /// The conditions and sizes that it was judged (or refused) under: one a size, or one for all.
    pub under: Vec<Under>,
    /// Why, in one sentence.
    pub reason: String,
}

/// Conditions, and what was measured under them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Under {
    /// The workload.
    pub workload: String,
    /// The size.
    pub size: ByteSize,
    /// The conditions.
    pub conditions: Conditions,
    /// Completed trials.
    pub n: usize,
    /// Median, in seconds or MiB/s, where the claim is a number.
    pub median: Option<f64>,
    /// Interval of the median, lower end.
    pub low: Option<f64>,
    /// Interval of the median, upper end.
    pub high: Option<f64>,
    /// Real coverage of the interval.
    pub coverage: Option<f64>,
    /// Levels of identity, where the claim is about it.
    pub levels: Vec<(&'static str, Finding)>,
    /// Judgement under these alone.
    pub judgement: Judgement,
}

/// What a workflow of a strategy takes to set up: counted, not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowSize {
    /// The strategy.
    pub strategy: String,
    /// Steps of both jobs.
    pub steps: u32,
    /// Lines of the two jobs' steps.
    pub lines: u32,
    /// Actions that are not GitHub's own.
    pub third_party_actions: Vec<String>,
}
