//! What an experiment varies and what holds for all of it: filled by flags and by the keys of a matrix file alike.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use handoff_model::{
    Builder, ByteSize, CacheState, Compare, EngineKind, EngineVersion, ImageStore, Purpose, StrategySpec, shell,
};
use serde::Deserialize;

use crate::levels::{Consumers, List, ProfileName, one_or_many};
use crate::rounds::Rounds;

/// A field that is given, in the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The key of a matrix file.
    pub key: &'static str,
    /// The flag.
    pub option: &'static str,
    /// The flag's values, one for each time that it is typed; none for a flag without a value.
    pub values: Vec<String>,
}

impl fmt::Display for Given {
    /// As it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.option)?;
        for (at, value) in self.values.iter().enumerate() {
            let again = if at == 0 { String::new() } else { format!(" {}", self.option) };
            write!(f, "{again} {}", shell::quote(value))?;
        }
        Ok(())
    }
}

/// The values of a flag, one for each time that it is typed.
trait Values {
    fn values(&self) -> Vec<String>;
}

impl Values for bool {
    fn values(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Values for Vec<String> {
    fn values(&self) -> Vec<String> {
        self.clone()
    }
}

impl<T: fmt::Display> Values for List<T> {
    fn values(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

/// Implements [`Values`] for kinds of which a flag holds one.
macro_rules! one_value {
    ($($kind:ty),+) => { $(
        impl Values for $kind {
            fn values(&self) -> Vec<String> {
                vec![self.to_string()]
            }
        }
    )+ };
}

one_value!(Compare, NonZeroU32, NonZeroU64, Purpose, Rounds, String, u64);

/// Declares a struct of optional fields, each by its flag and by its key in a matrix file, which is the field's name.
macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $option:literal $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$attribute])* #[arg(long = $option)] pub $field: Option<$kind>,)+
        }

        impl $name {
            /// The keys in a matrix file.
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];

            /// These fields, and those of `below` where one is not given here.
            pub(crate) fn with_defaults(&self, below: &Self) -> Self {
                Self { $($field: self.$field.clone().or_else(|| below.$field.clone())),+ }
            }

            /// The fields that are given.
            pub(crate) fn given(&self) -> Vec<Given> {
                let mut all = Vec::new();
                $(if let Some(value) = &self.$field {
                    let option = concat!("--", $option);
                    all.push(Given { key: stringify!($field), option, values: value.values() });
                })+
                all
            }
        }
    };
}

fields!(
    /// Factors: a block of a matrix may have its own.
    Factors {
        /// Sizes of the image, separated by commas [default: 1GiB]
        #[arg(value_name = "SIZE,...")]
        "sizes" sizes: List<ByteSize>,
        /// Strategies with their options, or `all`; `handoff strategies` lists them [default: all]
        #[arg(value_name = "NAME[:OPTION=VALUE,...],...")]
        "strategies" strategies: List<StrategySpec>,
        /// Rounds, each with every strategy once in random order; auto is the fewest that can decide every declared comparison
        /// [default: 3]
        #[arg(value_name = "N|auto")]
        "rounds" rounds: Rounds,
        /// Workloads, separated by commas: typical, one-fat-layer, many-layers, many-small-files, multi-stage, incompressible, or a TOML file [default: typical]
        #[arg(alias = "workloads", value_name = "NAME,...")]
        "workload" workloads: List<String>,
        /// Link profiles, separated by commas: loopback (no shaping), github-hosted, github-far, or a TOML file. To change a
        /// figure, write it behind the name: github-hosted:request_ms=25ms [default: loopback]
        #[arg(value_name = "NAME|FILE[:FIGURE=VALUE,...],...")]
        "profile" profiles: List<ProfileName>,
        /// Bandwidth of all connections of a job in each direction, in every named profile: 60MiB/s
        #[arg(value_name = "RATE")]
        "link-rate" link_rate: String,
        /// Latency of a blob request, in every named profile: 25ms
        #[arg(value_name = "TIME")]
        "request-time" request_time: String,
        /// Fault with its share of the requests, in every named profile: `stall=1%`, `stall_s=30`, `slow=2%`, `reset=1%`, `503=1%`
        #[arg(value_name = "FAULT=SHARE")]
        #[serde(deserialize_with = "texts")]
        "fault" faults: Vec<String>,
        /// Engines of the jobs, separated by commas: private (a new containerd and dockerd), container (in a privileged
        /// container of the daemon at `DOCKER_HOST`), host (that daemon) [default: private]
        #[arg(value_name = "ENGINE,...")]
        "engine" engines: List<EngineKind>,
        /// Versions of Docker in private engines, separated by commas: installed (of set-up or this machine), or a major version
        /// such as 28 or 29; `handoff doctor` lists those that are here [default: installed]
        #[arg(value_name = "VERSION,...")]
        "engine-version" engine_versions: List<EngineVersion>,
        /// Image stores of the engines, separated by commas: containerd, overlay2 [default: containerd]
        #[arg(value_name = "STORE,...")]
        "image-store" image_stores: List<ImageStore>,
        /// Builders, separated by commas: docker (the engine's BuildKit), docker-container (BuildKit in a container) [default: docker]
        #[arg(value_name = "BUILDER,...")]
        "builder" builders: List<Builder>,
        /// Consumer jobs of each trial, separated by commas [default: 1]
        #[arg(value_name = "N,...")]
        "consumers" consumers: List<Consumers>,
        /// Consumers of a trial that run at once; above half the cores, rows are marked `contended` [default: 1]
        #[arg(value_name = "N")]
        "consumer-concurrency" consumer_concurrency: NonZeroU32,
        /// Content of the caches before a trial, separated by commas: cold, warm, one-layer, base-layer [default: cold]
        #[arg(value_name = "STATE,...")]
        "cache-state" cache_states: List<CacheState>,
    }
);

fields!(
    /// Settings of the whole run: a matrix has them at the top only.
    Whole {
        /// Comparisons that the rounds must be able to decide: reference (each strategy with the group's reference) or pairs
        /// (every two strategies) [default: reference]
        #[arg(value_name = "COMPARISONS")]
        #[serde(deserialize_with = "word")]
        "compare" compare: Compare,
        /// Purpose of the run: decision, or screening or trend, which declare no comparison [default: decision]
        #[arg(value_name = "PURPOSE")]
        #[serde(deserialize_with = "word")]
        "purpose" purpose: Purpose,
        /// Run the first strategy twice a round to measure the noise
        #[arg(num_args = 0, default_missing_value = "true")]
        "control" control: bool,
        /// Seed of the random order and of the image's content [default: 1]
        #[arg(value_name = "N")]
        "seed" seed: u64,
        /// Time limit of one job, in seconds [default: 1800]
        #[arg(value_name = "SECONDS")]
        "timeout" timeout: NonZeroU64,
    }
);

/// Reads a text, or a list of texts.
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

/// Reads a word by its `FromStr`, whose error names the nearest word.
fn word<'de, D: serde::Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Factors {
    /// Whether no field names a condition.
    pub(crate) fn names_no_condition(&self) -> bool {
        Self { sizes: None, strategies: None, workloads: None, rounds: None, ..self.clone() } == Self::default()
    }
}
