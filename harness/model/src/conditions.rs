//! The circumstances of a trial that decide its result: recorded in every row.

use serde::{Deserialize, Serialize};

use crate::level::levels;

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

/// The conditions that all trials of a cell share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_slips_get_a_hint() {
        for name in ImageStore::NAMES {
            assert_eq!(name.parse::<ImageStore>().unwrap().as_str(), *name);
        }
        let error = "overlayfs".parse::<ImageStore>().unwrap_err().to_string();
        assert_eq!(error, "unknown image store `overlayfs`: did you mean `overlay2`? known: containerd, overlay2");
    }
}
