//! Rules of verdicts: which quantity of which strategy is held against which bounds.

use handoff_model::conditions::GITHUB;
use handoff_model::{Role, SpanKind, Storage, StrategySpec};
use serde::Deserialize;

use crate::words::worded;

/// Rule of a verdict.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// The median of a time lies in a range.
    Time {
        /// Strategy.
        strategy: StrategySpec,
        /// Time.
        quantity: Quantity,
        /// Lower bound in seconds.
        low_s: f64,
        /// Upper bound in seconds.
        high_s: f64,
        /// Strategy that it must take clearly less time than, within rounds: a bound in seconds alone is met by small images.
        against: Option<Against>,
        /// Word in the name of the client that the spike names.
        client: Option<String>,
    },
    /// The median of a rate is at least a bound.
    Rate {
        /// Strategy.
        strategy: StrategySpec,
        /// Direction.
        direction: Direction,
        /// Lower bound in MiB/s of bytes sent or received.
        at_least_mib_s: f64,
        /// Reason why only GitHub's network can confirm it, if there is one. Rows of a shaped link then judge nothing, and rows of
        /// loopback judge only that the strategy is slower even without a link.
        needs_network: Option<String>,
        /// Word in the name of the client that the spike names.
        client: Option<String>,
    },
    /// The ratio of one quantity of two strategies, within rounds, lies in a range.
    Ratio {
        /// Strategy above the line.
        of: StrategySpec,
        /// Strategy below the line.
        to: StrategySpec,
        /// Quantity.
        quantity: Quantity,
        /// Lower bound; none: 0.
        low: Option<f64>,
        /// Upper bound; none: no bound.
        high: Option<f64>,
        /// Whether one set of conditions in which it is so is enough.
        #[serde(default)]
        somewhere: bool,
        /// Reason why only GitHub's network can confirm it, where the rates of a simulated link decide the ratio.
        needs_network: Option<String>,
    },
    /// A strategy takes longer than every other one, within rounds.
    Slowest {
        /// Strategy.
        strategy: StrategySpec,
        /// The others.
        others: Vec<StrategySpec>,
        /// Time.
        quantity: Quantity,
    },
    /// One strategy hands the image over, where another one fails for a reason.
    OnlyOne {
        /// Strategy that completes.
        succeeds: StrategySpec,
        /// Strategy that fails.
        fails: StrategySpec,
        /// Start of the error of the trials that fail.
        error: String,
        /// Start of the error by which the first strategy fails where the statement is wrong, beside `error`.
        refuting_error: Option<String>,
        /// Strategy that must complete too, or else the storage limit must lie between both caches: otherwise the limit leaves
        /// room for nothing, and the experiment tests nothing.
        fits_beside: Option<StrategySpec>,
    },
    /// No trial of a strategy fails for a reason.
    Completes {
        /// Strategy.
        strategy: StrategySpec,
        /// Start of the error that must not occur.
        error: String,
    },
    /// A count of every trial lies in a range.
    Count {
        /// Strategy.
        strategy: StrategySpec,
        /// Count.
        quantity: Quantity,
        /// Lower bound.
        at_least: u64,
        /// Upper bound; none: no bound.
        at_most: Option<u64>,
    },
    /// One strategy gets 429 responses, another one gets none under the same limit.
    Throttling {
        /// Strategy without any.
        spared: StrategySpec,
        /// Strategy with some.
        throttled: StrategySpec,
    },
    /// A level of identity.
    Identity {
        /// Strategy.
        strategy: StrategySpec,
        /// Level.
        level: IdentityLevel,
        /// Whether equal is claimed.
        equal: bool,
    },
    /// Every trial has a span of a kind.
    Step {
        /// Strategy.
        strategy: StrategySpec,
        /// Role of the job that has the span.
        role: Role,
        /// Kind of the span.
        span: SpanKind,
    },
    /// The service whose limit the strategy's bytes count against.
    Limit {
        /// Strategy.
        strategy: StrategySpec,
        /// Service that is claimed.
        store: Storage,
    },
    /// No more than so many images of a size fit into the cache's limit.
    Fits {
        /// Strategy.
        strategy: StrategySpec,
        /// Most images that are called tight.
        at_most: u64,
    },
    /// Effort of the set-up: counted, never judged.
    Complexity {
        /// Strategy.
        strategy: StrategySpec,
    },
    /// The strategy's workflow uses a third-party action that another one's does not.
    ThirdParty {
        /// Strategy.
        strategy: StrategySpec,
        /// The other one.
        beyond: StrategySpec,
    },
    /// A fact with its source.
    Documented {
        /// Source.
        source: String,
        /// The fact in one sentence.
        fact: String,
        /// Whether the fact confirms the statement.
        confirms: bool,
    },
    /// A statement that nothing here can judge.
    OutOfReach {
        /// Reason.
        reason: String,
    },
}

impl Rule {
    /// Whether one set of conditions in which the statement is so is enough.
    pub(crate) fn is_enough_somewhere(&self) -> bool {
        matches!(self, Self::Ratio { somewhere: true, .. } | Self::Fits { .. })
    }

    /// Reason why rows of a profile cannot confirm it, where only GitHub's network can.
    pub(crate) fn needs_network(&self, profile: &str) -> Option<&str> {
        match self {
            Self::Rate { needs_network, .. } | Self::Ratio { needs_network, .. } if profile != GITHUB => {
                needs_network.as_deref()
            }
            _ => None,
        }
    }

    /// Whether lower bounds are below upper ones.
    pub(crate) fn is_in_order(&self) -> bool {
        match self {
            Self::Time { low_s, high_s, .. } => low_s <= high_s,
            Self::Ratio { low, high, .. } => low.unwrap_or(0.0) <= high.unwrap_or(f64::INFINITY),
            Self::Count { at_least, at_most, .. } => *at_least <= at_most.unwrap_or(u64::MAX),
            _ => true,
        }
    }

    /// The experiment in a few words.
    pub fn experiment(&self) -> String {
        match self {
            Self::Time { strategy, quantity, against: Some(against), .. } => {
                let quantity = quantity.words();
                format!("{quantity} of `{strategy}`, and its ratio to that of `{}`", against.strategy)
            }
            Self::Time { strategy, quantity, .. } | Self::Count { strategy, quantity, .. } => {
                format!("{} of `{strategy}`", quantity.words())
            }
            Self::Rate { strategy, direction, .. } => {
                format!("{} of `{strategy}` ({})", direction.words(), direction.counted())
            }
            Self::Ratio { of, to, quantity, .. } => format!("{} of `{of}` over that of `{to}`", quantity.words()),
            Self::Slowest { strategy, quantity, .. } => {
                format!("{} of `{strategy}` over that of each other option", quantity.words())
            }
            Self::OnlyOne { succeeds, fails, .. } => format!("`{succeeds}` completes, `{fails}` fails"),
            Self::Completes { strategy, error } => format!("no trial of `{strategy}` fails with `{error}`"),
            Self::Throttling { spared, throttled } => {
                format!("429 responses to `{spared}` and to `{throttled}`")
            }
            Self::Identity { strategy, level, .. } => format!("{} of `{strategy}`", level.words()),
            Self::Step { strategy, role, span } => format!("span `{span}` in the {role} of `{strategy}`"),
            Self::Limit { strategy, .. } => format!("service that holds the bytes of `{strategy}`"),
            Self::Fits { strategy, .. } => format!("images of `{strategy}` that fit into the cache"),
            Self::Complexity { strategy } | Self::ThirdParty { strategy, .. } => format!("workflow of `{strategy}`"),
            Self::Documented { .. } => "documentation".to_owned(),
            Self::OutOfReach { .. } => "none".to_owned(),
        }
    }
}

/// Strategy that another one must take clearly less time than.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// Strategy.
    pub strategy: StrategySpec,
    /// Largest ratio that counts as clearly less.
    pub at_most: f64,
}

worded!(
    /// Quantity of a trial.
    #[derive(Deserialize)]
    Quantity {
        /// Critical path without the build.
        Transfer = "transfer",
        /// Clock of the slowest consumer.
        Consume = "consumer's time",
        /// Time with an upload under way in the producer.
        Upload = "upload time",
        /// Time with a download under way in the slowest consumer.
        Download = "download time",
        /// Bytes that the service holds after the producer.
        BytesStored = "bytes stored",
        /// Entries that the service holds after the producer.
        EntriesStored = "entries stored",
        /// Cache entries of an earlier run that the producer found.
        EntriesReused = "entries reused",
        /// Bytes that reached the producer's disk.
        ProducerWrittenBytes = "bytes written to the producer's disk",
    }
);

impl Quantity {
    /// Whether it is a time: it then varies from trial to trial, and is called fast or slow.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Transfer | Self::Consume | Self::Upload | Self::Download)
    }
}

worded!(
    /// Direction of a transfer.
    #[derive(Deserialize)]
    Direction {
        /// Producer to service.
        Upload = "upload rate",
        /// Service to consumer.
        Download = "download rate",
    }
);

impl Direction {
    /// Bytes that a rate counts.
    pub fn counted(self) -> &'static str {
        match self {
            Self::Upload => "compressed bytes sent",
            Self::Download => "compressed bytes received",
        }
    }
}

worded!(
    /// Level of identity that a statement is about.
    #[derive(Deserialize)]
    IdentityLevel {
        /// Content, layers and config: the image itself.
        Image = "content, layers and config",
        /// Content alone: every file.
        Content = "content",
    }
);
