//! The circumstances of a trial that decide its result: recorded in every row.

use serde::{Deserialize, Serialize};

use crate::level::levels;
use crate::natural::natural;

levels!(
    /// Where the engine keeps images.
    ImageStore, "image store", {
        /// containerd's content store and snapshotter (default of Docker 29 on new installs).
        Containerd = "containerd",
        /// The overlay2 graph driver (hosted runners on Docker 28).
        Overlay2 = "overlay2",
    }
);

levels!(
    /// What runs BuildKit.
    Builder, "builder", {
        /// The BuildKit inside the engine.
        Docker = "docker",
        /// A BuildKit container in the engine, as `docker/setup-buildx-action` makes it.
        DockerContainer = "docker-container",
    }
);

levels!(
    /// Where a job's engine comes from.
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
    /// What the caches that outlive a run hold when a trial starts.
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

/// What stands in a profile's place in rows that were measured on GitHub's own runners and services.
pub const GITHUB: &str = "github";

/// The conditions that all trials of a cell share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conditions {
    /// Where engines come from.
    pub engine: EngineKind,
    /// Where engines keep images.
    pub image_store: ImageStore,
    /// What runs BuildKit.
    pub builder: Builder,
    /// Name of the link profile.
    pub profile: String,
    /// What caches hold at the start.
    pub cache_state: CacheState,
    /// Number of consumer jobs.
    pub consumers: u32,
    /// How many of them run at once. Left out of the plan where it is 1, as plans from before it was there have it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub consumer_concurrency: u32,
}

/// One after the other: the default, and what rows from before there was a choice were measured with.
pub fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl Conditions {
    /// What to sort conditions by for a reader: as declared, but links by the numbers in their names.
    pub fn order(&self) -> impl Ord + use<> {
        let link = natural(&self.profile);
        let engine = (self.engine, self.image_store, self.builder);
        (engine, link, self.cache_state, self.consumers, self.consumer_concurrency)
    }

    /// Whether consumers that run at once get in each other's way on a machine of so many cores: more of them than half the
    /// cores measure the machine. One at a time is what everything is measured with, however small the machine.
    pub fn is_contended(&self, cores: u32) -> bool {
        let at_once = self.consumer_concurrency.min(self.consumers);
        at_once > 1 && at_once * 2 > cores
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            engine: EngineKind::Private,
            image_store: ImageStore::Containerd,
            builder: Builder::Docker,
            profile: LOOPBACK.to_owned(),
            cache_state: CacheState::Cold,
            consumers: 1,
            consumer_concurrency: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_at_once_than_half_the_cores_is_contended_and_one_never_is() {
        let at = |consumers, consumer_concurrency| Conditions { consumers, consumer_concurrency, ..Default::default() };
        assert!(!at(11, 1).is_contended(1));
        assert!(at(11, 2).is_contended(2) && at(11, 2).is_contended(3));
        assert!(!at(11, 2).is_contended(4) && at(11, 3).is_contended(5));
        assert!(!at(1, 8).is_contended(2), "there is only one");
    }

    #[test]
    fn a_plan_from_before_there_was_a_choice_reads_and_is_written_as_it_was() {
        let before = serde_json::to_string(&Conditions::default()).unwrap();
        assert!(!before.contains("concurrency"), "{before}");
        assert_eq!(serde_json::from_str::<Conditions>(&before).unwrap(), Conditions::default());
    }

    #[test]
    fn names_are_read_back_and_slips_get_a_hint() {
        for name in ImageStore::NAMES {
            assert_eq!(name.parse::<ImageStore>().unwrap().as_str(), *name);
        }
        let error = "overlayfs".parse::<ImageStore>().unwrap_err().to_string();
        assert_eq!(error, "unknown image store `overlayfs`: did you mean `overlay2`? known: containerd, overlay2");
    }
}
