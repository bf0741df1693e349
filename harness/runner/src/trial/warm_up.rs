//! What an earlier run built, for the cache states other than cold.

use handoff_fixtures::{ImageSource, ImageSpec};
use handoff_model::CacheState;
use handoff_strategies::Strategy;

use crate::RunError;

/// The commit that a trial builds.
pub(super) const THIS_COMMIT: &str = "this";
/// Another commit, of an earlier run. Neither name begins with the other: keys are also found by their beginnings.
const WARM_UP_COMMIT: &str = "before";

/// The image of an earlier run, and its commit.
pub(super) struct WarmUpBuild {
    pub(super) image: ImageSource,
    pub(super) commit: String,
}

impl WarmUpBuild {
    /// What has to be run before a trial of `image`; nothing for a cold state, and nothing for a strategy that stores nothing
    /// that outlives a run.
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
        // Layer 0 is the probe's own, which no workload is about.
        let changed = if state == CacheState::OneLayer { spec.layer_count() - 1 } else { 1 };
        let spec = spec.clone().with_layer_nonce(changed, &format!("{nonce}-{WARM_UP_COMMIT}"))?;
        Ok(vec![Self { image: ImageSource::Synthetic(spec), commit: WARM_UP_COMMIT.to_owned() }])
    }

    /// The pushes before a trial's own, oldest first: each with a last layer and a commit of its own.
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

/// Images that a trial's producer builds beside its own: other content in every layer.
pub(super) fn others(image: &ImageSource, count: u32, nonce: &str) -> Result<Vec<ImageSource>, RunError> {
    let other = |number| {
        let other = synthetic(image)?.clone().with_other_layers(&format!("{nonce}-image-{number}"))?;
        Ok(ImageSource::Synthetic(other))
    };
    (2..=count + 1).map(other).collect()
}

/// Only of a synthetic image it is known what another one is like.
fn synthetic(image: &ImageSource) -> Result<&ImageSpec, RunError> {
    match image {
        ImageSource::Synthetic(spec) => Ok(spec),
        ImageSource::User(user_image) => {
            Err(RunError::Job(format!("{user_image} is only read: no other image is made of it")))
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
    fn a_state_changes_the_layer_that_it_says() {
        assert_eq!(changed(CacheState::Warm), Vec::<usize>::new());
        assert_eq!(changed(CacheState::OneLayer), [1], "the last step before CMD");
        assert_eq!(changed(CacheState::BaseLayer), [spec().layer_count() - 1], "the first step after COPY");
    }

    #[test]
    fn another_commit_is_another_content_and_another_key() {
        let same = warm_up(CacheState::Warm, "cache-tar").unwrap();
        let other = warm_up(CacheState::OneLayer, "cache-tar").unwrap();
        assert_eq!(same.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_ne!(other.image.content_digest().unwrap(), image().content_digest().unwrap());
        assert_eq!((same.commit == THIS_COMMIT, other.commit == THIS_COMMIT), (true, false));
        assert_eq!(other.image.answer(), image().answer(), "the same trial's");
    }

    #[test]
    fn nothing_is_run_before_where_nothing_outlives_a_run() {
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
        let (user_image, other) = (dockerfile(&image()), dockerfile(&others[0]));
        let alike = user_image.lines().zip(other.lines()).filter(|(a, b)| a == b).count();
        assert_eq!((others.len(), alike), (1, 3), "FROM, COPY of the probe, CMD");
    }
}
