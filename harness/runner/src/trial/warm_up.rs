//! Warm-up builds, which fill the cache for cache states other than cold.

use handoff_fixtures::{ImageSource, ImageSpec};
use handoff_model::CacheState;
use handoff_strategies::Strategy;

use crate::RunError;

/// Commit that a trial builds.
pub(super) const THIS_COMMIT: &str = "this";
/// Commit of a warm-up with other content. Neither name is a prefix of the other, because caches match keys by prefix.
const WARM_UP_COMMIT: &str = "before";

/// Image and commit of a warm-up.
pub(super) struct WarmUpBuild {
    pub(super) image: ImageSource,
    pub(super) commit: String,
}

impl WarmUpBuild {
    /// Warm-ups before a trial of `image`; none for a cold state, or for a strategy whose storage ends with the run.
    pub(super) fn of(
        image: &ImageSource,
        state: CacheState,
        strategy: &dyn Strategy,
        nonce: &str,
    ) -> Result<Vec<Self>, RunError> {
        if !strategy.outlives_a_run() {
            return Ok(Vec::new());
        }
        match state {
            CacheState::Cold => return Ok(Vec::new()),
            CacheState::Warm => return Ok(vec![Self { image: image.clone(), commit: THIS_COMMIT.to_owned() }]),
            CacheState::OneLayer | CacheState::BaseLayer => {}
        }
        let spec = synthetic(image)?;
        // Layer 0 holds the probe and belongs to no workload.
        let changed = if state == CacheState::OneLayer { spec.layer_count() - 1 } else { 1 };
        let spec = spec.clone().with_layer_nonce(changed, &format!("{nonce}-{WARM_UP_COMMIT}"))?;
        Ok(vec![Self { image: ImageSource::Synthetic(spec), commit: WARM_UP_COMMIT.to_owned() }])
    }

    /// Pushes before the trial's push, oldest first, each with another last layer and another commit.
    pub(super) fn pushes(image: &ImageSource, count: u32, nonce: &str) -> Result<Vec<Self>, RunError> {
        let push = |number| {
            let spec = synthetic(image)?;
            let last = spec.layer_count() - 1;
            let commit = format!("{WARM_UP_COMMIT}-{number}");
            let image = ImageSource::Synthetic(spec.clone().with_layer_nonce(last, &format!("{nonce}-{commit}"))?);
            Ok(Self { image, commit })
        };
        (1..=count).map(push).collect()
    }
}

/// Further images for a trial's producer, with other content in every generated layer.
pub(super) fn others(image: &ImageSource, count: u32, nonce: &str) -> Result<Vec<ImageSource>, RunError> {
    let other = |number| {
        let other = synthetic(image)?.clone().with_other_layers(&format!("{nonce}-image-{number}"))?;
        Ok(ImageSource::Synthetic(other))
    };
    (2..=count + 1).map(other).collect()
}

/// Specification of a synthetic image. The user's image has no variants.
fn synthetic(image: &ImageSource) -> Result<&ImageSpec, RunError> {
    match image {
        ImageSource::Synthetic(spec) => Ok(spec),
        ImageSource::User(user_image) => {
            Err(RunError::Job(format!("{user_image} has no variant for a warm-up: use a workload")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn warm_up(state: CacheState, strategy: &str) -> Option<WarmUpBuild> {
        let strategy = handoff_strategies::find(&strategy.parse().unwrap()).unwrap();
        WarmUpBuild::of(&image(), state, &*strategy, "n0nce").unwrap().pop()
    }

    /// Numbers of the lines in which the Dockerfiles differ, from the end.
    fn changed(state: CacheState) -> Vec<usize> {
        let (now, before) = (dockerfile(&image()), dockerfile(&warm_up(state, "gha-cache").unwrap().image));
        let lines = now.lines().rev().zip(before.lines().rev()).enumerate();
        lines.filter(|(_, (a, b))| a != b).map(|(i, _)| i).collect()
    }

    #[test]
    fn cache_state_changes_the_layer_of_its_name() {
        assert_eq!(changed(CacheState::Warm), Vec::<usize>::new());
        assert_eq!(changed(CacheState::OneLayer), [1], "the last step before CMD");
        assert_eq!(changed(CacheState::BaseLayer), [spec().layer_count() - 1], "the first step after COPY");
    }

    #[test]
    fn warm_up_of_another_commit_has_other_content() {
        let same = warm_up(CacheState::Warm, "cache-tar").unwrap();
        let other = warm_up(CacheState::OneLayer, "cache-tar").unwrap();
        assert_eq!(same.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_ne!(other.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_eq!((same.commit == THIS_COMMIT, other.commit == THIS_COMMIT), (true, false));
        assert_eq!(other.image.answer(), image().answer(), "the same trial's");
    }

    #[test]
    fn strategy_without_lasting_storage_has_no_warm_up() {
        assert!(warm_up(CacheState::Cold, "gha-cache").is_none());
        for strategy in handoff_strategies::ALL {
            let warm = WarmUpBuild::of(&image(), CacheState::Warm, *strategy, "n0nce").unwrap();
            assert_eq!(warm.is_empty(), !strategy.outlives_a_run(), "{}", strategy.facts().name);
        }
        assert!(warm_up(CacheState::Warm, "artifact").is_none() && warm_up(CacheState::Warm, "relay").is_none());
        assert!(warm_up(CacheState::Warm, "relay:store=cache").is_some());
    }

    #[test]
    fn pushes_differ_in_the_last_layer_and_in_their_commit() {
        let pushes = WarmUpBuild::pushes(&image(), 3, "n0nce").unwrap();
        let commits: Vec<&str> = pushes.iter().map(|p| p.commit.as_str()).collect();
        assert_eq!(commits, ["before-1", "before-2", "before-3"]);
        let files: Vec<String> = pushes.iter().map(|p| dockerfile(&p.image)).chain([dockerfile(&image())]).collect();
        for (i, one) in files.iter().enumerate() {
            for other in &files[..i] {
                let lines = one.lines().rev().zip(other.lines().rev()).enumerate();
                let changed: Vec<usize> = lines.filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
                assert_eq!(changed, [1], "the last step before CMD");
            }
        }
        assert!(WarmUpBuild::pushes(&image(), 0, "n0nce").unwrap().is_empty());
    }

    #[test]
    fn other_images_share_no_generated_layer() {
        let others = others(&image(), 1, "n0nce").unwrap();
        let (first, other) = (dockerfile(&image()), dockerfile(&others[0]));
        let alike = first.lines().zip(other.lines()).filter(|(a, b)| a == b).count();
        assert_eq!((others.len(), alike), (1, 3), "FROM, COPY of the probe, CMD");
    }
}
