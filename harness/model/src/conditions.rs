//! The circumstances of a trial that decide its result: recorded in every row.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::EngineVersion;
use crate::disk_limit::DiskLimit;
use crate::level::levels;
use crate::natural::natural;

levels!(
    /// Image store of an engine.
    ImageStore, "image store", {
        /// containerd's content store and snapshotter (default of Docker 29 on new installs).
        Containerd = "containerd",
        /// The overlay2 graph driver (hosted runners on Docker 28).
        Overlay2 = "overlay2",
    }
);

levels!(
    /// Program that runs BuildKit.
    Builder, "builder", {
        /// The BuildKit inside the engine.
        Docker = "docker",
        /// A BuildKit container in the engine, as `docker/setup-buildx-action` makes it.
        DockerContainer = "docker-container",
    }
);

levels!(
    /// Origin of a job's engine.
    EngineKind, "engine", {
        /// A private containerd and dockerd for each job.
        Private = "private",
        /// A privileged container of the user's daemon for each job.
        Container = "container",
        /// The user's own daemon, shared by all jobs.
        Host = "host",
    }
);

levels!(
    /// Content of the caches at the start of a trial.
    CacheState, "cache state", {
        /// Nothing anywhere.
        Cold = "cold",
        /// A run of the same commit has been before.
        Warm = "warm",
        /// A run has been before whose last layer had other content.
        OneLayer = "one-layer",
        /// A run has been before of which an early layer had other content.
        BaseLayer = "base-layer",
    }
);

/// The name of the link profile that shapes nothing.
pub const LOOPBACK: &str = "loopback";

/// Profile name of rows that were measured on GitHub's own runners and services.
pub const GITHUB: &str = "github";

/// Gives the table of all conditions to the macro `$use`: each is named here and nowhere else.
///
/// An entry has the field, its type, its default, the option that sets it, and whether its levels cross; one that was added to results
/// also has the function in `conditions::older` by which rows and plans from before read. Groups stand together in `measurements.csv`; a new
/// condition goes into `newest`.
#[macro_export]
macro_rules! with_conditions {
    ($use:ident) => {
        $use! {
            machine {
                /// Origin of the engines.
                engine: $crate::EngineKind, ($crate::EngineKind::Private, "--engine", CARTESIAN);
                /// Image store of the engines.
                image_store: $crate::ImageStore, ($crate::ImageStore::Containerd, "--image-store", CARTESIAN);
                /// Program that runs BuildKit.
                builder: $crate::Builder, ($crate::Builder::Docker, "--builder", CARTESIAN);
            }
            link {
                /// Name of the link profile.
                profile: String, ($crate::conditions::LOOPBACK.to_owned(), "--profile", CARTESIAN);
            }
            jobs {
                /// Content of the caches at the start.
                cache_state: $crate::CacheState, ($crate::CacheState::Cold, "--cache-state", CARTESIAN);
                /// Number of consumer jobs.
                consumers: u32, (1, "--consumers", CARTESIAN);
            }
            at_once {
                /// Number of consumers that run at once. A plan does not write the default of 1, so older plans keep their form.
                #[serde(default = "older::consumer_concurrency", skip_serializing_if = "is_one")]
                consumer_concurrency: u32, (1, "--consumer-concurrency", SINGLE), "older::consumer_concurrency";
            }
            newest {
                /// Version of Docker in the engines. A plan does not write the default, so older plans keep their form.
                #[serde(default = "older::engine_version", skip_serializing_if = "EngineVersion::is_installed")]
                engine_version: $crate::EngineVersion, ($crate::EngineVersion::Installed, "--engine-version", CARTESIAN), "older::engine_version";
                /// Simulated pull of the builder's image in each job that boots one, in ms: a figure of the profile, 0 without a
                /// `docker-container` builder. Named here because the profiles of older rows had no such figure.
                #[serde(default = "older::builder_pull_ms", skip_serializing_if = "is_zero")]
                builder_pull_ms: u64, (0, "--profile", DERIVED), "older::builder_pull_ms";
                /// Limit of each job's disk, as the profile had it when the plan was made. A plan does not write `none`, so older plans
                /// keep their form.
                #[serde(default = "older::disk_limit", skip_serializing_if = "DiskLimit::is_none")]
                disk_limit: $crate::DiskLimit, ($crate::DiskLimit::NONE, "--profile", DERIVED), "older::disk_limit";
            }
        }
    };
}

/// Whether every level of a condition crosses with every level of the others, so that rules can name it.
const CARTESIAN: bool = true;
/// The opposite of [`CARTESIAN`]: a plan has one level of it.
const SINGLE: bool = false;
/// The opposite of [`CARTESIAN`]: it follows from another condition.
const DERIVED: bool = false;

macro_rules! conditions {
    ($($group:ident { $(
        $(#[$attribute:meta])* $field:ident: $type:ty, ($default:expr, $option:literal, $cartesian:ident) $(, $older:literal)?;
    )* })*) => {
        /// The conditions that all trials of a cell share.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct Conditions {
            $($($(#[$attribute])* pub $field: $type,)*)*
        }

        impl Default for Conditions {
            fn default() -> Self {
                Self { $($($field: $default,)*)* }
            }
        }

        /// All conditions, in the order of their fields.
        pub const FACTORS: &[Factor] = &[$($(Factor {
            name: stringify!($field),
            option: $option,
            cartesian: $cartesian,
            level: |c| c.$field.to_string(),
        },)*)*];

        /// The conditions that rows and plans from before they were recorded were measured with.
        pub mod older {
            $($($(
                #[doc = concat!("`", $older, "`: the level of rows and plans that do not have it.")]
                pub fn $field() -> $type {
                    $default
                }
            )?)*)*
        }
    };
}
with_conditions!(conditions);

/// Condition with its names and the text of its level.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    /// Name of its column and its factor in a matrix file.
    pub name: &'static str,
    /// The option that sets it.
    pub option: &'static str,
    cartesian: bool,
    /// Level as text.
    pub level: fn(&Conditions) -> String,
}

/// The names of the conditions whose levels cross: rules can name them.
pub static CONDITION_FACTORS: LazyLock<Vec<&str>> =
    LazyLock::new(|| FACTORS.iter().filter(|factor| factor.cartesian).map(|factor| factor.name).collect());

/// A condition's level as text; `factor` is one of [`CONDITION_FACTORS`].
pub fn level_of(conditions: &Conditions, factor: &str) -> Option<String> {
    let known = FACTORS.iter().find(|known| known.name == factor && known.cartesian)?;
    Some((known.level)(conditions))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Conditions {
    /// Sort key for a reader: as declared, but links by the numbers in their names.
    pub fn order(&self) -> impl Ord + use<> {
        let link = natural(&self.profile);
        let engine = (self.engine, self.engine_version, self.image_store, self.builder);
        (
            engine,
            link,
            self.builder_pull_ms,
            self.disk_limit,
            self.cache_state,
            self.consumers,
            self.consumer_concurrency,
        )
    }

    /// Profile with the limit of the disk, where there is one: rows of one profile may have been measured with another limit.
    pub fn profile_and_disk(&self) -> String {
        if self.disk_limit.is_none() {
            return self.profile.clone();
        }
        format!("{} (disk {})", self.profile, self.disk_limit)
    }

    /// Whether consumers that run at once get in each other's way on a machine of so many cores: more of them than half the
    /// cores measure the machine. One at a time is what everything is measured with, however small the machine.
    pub fn is_contended(&self, cores: u32) -> bool {
        let at_once = self.consumer_concurrency.min(self.consumers);
        at_once > 1 && at_once * 2 > cores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_on_more_than_half_the_cores_are_contended() {
        let at = |consumers, consumer_concurrency| Conditions { consumers, consumer_concurrency, ..Default::default() };
        assert!(!at(11, 1).is_contended(1));
        assert!(at(11, 2).is_contended(2) && at(11, 2).is_contended(3));
        assert!(!at(11, 2).is_contended(4) && at(11, 3).is_contended(5));
        assert!(!at(1, 8).is_contended(2), "there is only one");
    }

    #[test]
    fn default_conditions_keep_the_form_of_older_plans() {
        let before = serde_json::to_string(&Conditions::default()).unwrap();
        assert!(!["concurrency", "engine_version", "pull", "disk"].iter().any(|new| before.contains(new)), "{before}");
        assert_eq!(serde_json::from_str::<Conditions>(&before).unwrap(), Conditions::default());
    }

    #[test]
    fn level_names_round_trip_and_typos_get_a_hint() {
        for name in ImageStore::NAMES {
            assert_eq!(name.parse::<ImageStore>().unwrap().as_str(), *name);
        }
        let error = "overlayfs".parse::<ImageStore>().unwrap_err().to_string();
        assert_eq!(error, "unknown image store `overlayfs`: did you mean `overlay2`? Use one of containerd, overlay2");
    }
}
