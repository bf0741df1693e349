//! What an earlier run built, for the cache states other than cold.

use handoff_fixtures::ImageSource;
use handoff_model::{CacheState, StrategyFacts, StrategySpec};

use crate::DriverError;

/// The commit that a trial builds.
pub(super) const THIS_COMMIT: &str = "this";
/// Another commit, of an earlier run. Neither name begins with the other: keys are also found by their beginnings.
const EARLIER_COMMIT: &str = "before";

/// The image of an earlier run, and its commit.
pub(super) struct Earlier {
    pub(super) image: ImageSource,
    pub(super) commit: &'static str,
}

impl Earlier {
    /// What has to be run before a trial of `image`; nothing for a cold state, and nothing for a strategy that stores nothing
    /// that outlives a run.
    pub(super) fn of(
        image: &ImageSource,
        state: CacheState,
        facts: &StrategyFacts,
        spec: &StrategySpec,
        nonce: &str,
    ) -> Result<Option<Self>, DriverError> {
        if !facts.outlives_a_run(spec) {
            return Ok(None);
        }
        match state {
            CacheState::Cold => return Ok(None),
            CacheState::Warm => return Ok(Some(Self { image: image.clone(), commit: THIS_COMMIT })),
            CacheState::OneLayer | CacheState::BaseLayer => {}
        }
        let ImageSource::Synthetic(spec) = image else {
            return Err(DriverError::Job(format!("what an earlier commit of an own image was is not known: {state}")));
        };
        // Layer 0 is the probe's own, which no workload is about.
        let changed = if state == CacheState::OneLayer { spec.layer_count() - 1 } else { 1 };
        let spec = spec.clone().with_layer_nonce(changed, &format!("{nonce}-{EARLIER_COMMIT}"))?;
        Ok(Some(Self { image: ImageSource::Synthetic(spec), commit: EARLIER_COMMIT }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_fixtures::ImageSpec;

    fn spec() -> ImageSpec {
        let workload = handoff_fixtures::load_workload("typical").unwrap();
        ImageSpec::new(&workload, 64 << 20, Some(1), "n0nce").unwrap()
    }

    fn image() -> ImageSource {
        ImageSource::Synthetic(spec())
    }

    fn dockerfile(image: &ImageSource) -> String {
        let ImageSource::Synthetic(spec) = image else { return String::new() };
        spec.dockerfile()
    }

    fn earlier(state: CacheState, strategy: &str) -> Option<Earlier> {
        let spec = strategy.parse().unwrap();
        let facts = handoff_strategies::find(&spec).unwrap().facts();
        Earlier::of(&image(), state, facts, &spec, "n0nce").unwrap()
    }

    /// Numbers of the lines in which the Dockerfiles differ, from the end.
    fn changed(state: CacheState) -> Vec<usize> {
        let (now, before) = (dockerfile(&image()), dockerfile(&earlier(state, "gha-cache").unwrap().image));
        let lines = now.lines().rev().zip(before.lines().rev()).enumerate();
        lines.filter(|(_, (a, b))| a != b).map(|(i, _)| i).collect()
    }

    #[test]
    fn a_state_changes_the_layer_that_it_says() {
        assert_eq!(changed(CacheState::Warm), Vec::<usize>::new());
        assert_eq!(changed(CacheState::OneLayer), [1], "the last step before CMD");
        assert_eq!(changed(CacheState::BaseLayer), [spec().layer_count() - 1], "the first step after COPY");
    }

    #[test]
    fn another_commit_is_another_content_and_another_key() {
        let same = earlier(CacheState::Warm, "cache-tar").unwrap();
        let other = earlier(CacheState::OneLayer, "cache-tar").unwrap();
        assert_eq!(same.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_ne!(other.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_eq!((same.commit == THIS_COMMIT, other.commit == THIS_COMMIT), (true, false));
        assert_eq!(other.image.answer(), image().answer(), "the same trial's");
    }

    #[test]
    fn nothing_is_run_before_where_nothing_outlives_a_run() {
        assert!(earlier(CacheState::Cold, "gha-cache").is_none());
        for strategy in ["artifact", "zstd-stream", "relay", "rebuild"] {
            assert!(earlier(CacheState::Warm, strategy).is_none(), "{strategy}");
        }
        assert!(earlier(CacheState::Warm, "relay:store=cache").is_some());
    }
}
