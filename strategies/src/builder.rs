//! Builder of a variant: the option `builder` of strategies that build with buildx.

use handoff_model::recipe::Unsupported;
use handoff_model::{Builder, Conditions, EngineKind, conditions::GITHUB};

use crate::options::{options, words};

words! {
    /// Program that runs BuildKit.
    pub enum BuilderChoice {
        /// That of the conditions.
        Auto = "auto",
        /// The BuildKit inside the engine.
        Docker = "docker",
        /// A BuildKit container in the engine.
        DockerContainer = "docker-container",
    }
}

options! {
    /// Option of every strategy that builds.
    pub(crate) struct BuilderOption {
        /// program that runs BuildKit in the jobs of this variant that build: that of the conditions (auto), or this one
        builder: BuilderChoice,
    }
}

impl BuilderOption {
    /// The builder in place of that of the conditions; none for `auto`.
    pub fn named(&self) -> Option<Builder> {
        match self.builder {
            BuilderChoice::Auto => None,
            BuilderChoice::Docker => Some(Builder::Docker),
            BuilderChoice::DockerContainer => Some(Builder::DockerContainer),
        }
    }
}

/// Reason why a variant cannot have its builder under these conditions, if any.
pub(crate) fn refuses(named: Option<Builder>, conditions: &Conditions) -> Option<String> {
    // GitHub's runner is thrown away after the job.
    let of_the_user = conditions.engine == EngineKind::Host && conditions.profile != GITHUB;
    (of_the_user && named == Some(Builder::Docker)).then(|| {
        "builder=docker with --engine host would fill the build cache of the daemon itself, which is yours: leave builder out"
            .to_owned()
    })
}

/// A cell of the benchmark's workflows has the builder of its conditions.
pub(crate) const NOT_IN_A_CELL: Unsupported =
    Unsupported::option("builder", "a cell has the builder of its conditions: use --builder");

/// A workflow has the builder of docker/setup-buildx-action.
pub(crate) const OF_THE_MACHINE: (&str, &str) =
    ("builder", "the workflow builds in the container of docker/setup-buildx-action");

#[cfg(test)]
mod tests {
    use handoff_model::{Builder, Conditions, EngineKind, ImageStore};

    fn strategy(text: &str) -> Box<dyn crate::Strategy> {
        crate::find(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn every_strategy_builds_with_the_builder_that_its_variant_names() {
        let docker = Conditions::default();
        let container = Conditions { builder: Builder::DockerContainer, builder_pull_ms: 900, ..Conditions::default() };
        for name in crate::names() {
            assert_eq!(strategy(name).conditions(&container), container, "{name}");
            let other = strategy(&format!("{name}:builder=docker-container"));
            assert_eq!(other.conditions(&docker).builder, Builder::DockerContainer, "{name}");
            let other = strategy(&format!("{name}:builder=docker")).conditions(&container);
            assert_eq!((other.builder, other.builder_pull_ms), (Builder::Docker, 0), "{name}");
        }
    }

    #[test]
    fn builder_that_exports_lifts_the_refusal_of_the_condition_s_builder() {
        let overlay2 = Conditions { image_store: ImageStore::Overlay2, ..Conditions::default() };
        assert!(strategy("local-cache").refused(&overlay2).is_some());
        assert_eq!(strategy("local-cache:builder=docker-container").refused(&overlay2), None);
        assert_eq!(strategy("artifact:source=output,builder=docker-container").refused(&overlay2), None);
        let container = Conditions { builder: Builder::DockerContainer, ..overlay2 };
        assert!(strategy("local-cache:builder=docker").refused(&container).is_some());
    }

    #[test]
    fn build_cache_of_the_user_s_daemon_is_not_filled() {
        let host = Conditions { engine: EngineKind::Host, builder: Builder::DockerContainer, ..Conditions::default() };
        assert!(strategy("artifact:builder=docker").refused(&host).unwrap().contains("which is yours"));
        let github = Conditions { profile: handoff_model::conditions::GITHUB.to_owned(), ..host };
        assert_eq!(strategy("artifact:builder=docker").refused(&github), None);
    }
}
