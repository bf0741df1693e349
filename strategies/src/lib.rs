//! The ways to hand an image over: one file a strategy, behind one trait.
//!
//! A strategy sees a [`Job`]: an engine, the sources, an empty folder, and the address and token of a service. It never
//! sees the service itself, nor the other side: what the sides tell each other goes through the [`Ticket`].
//!
//! To add one: write its file, add it to [`ALL`]. `CONTRIBUTING.md` walks through it.

use std::path::PathBuf;

use handoff_model::{
    Conditions, Failure, ImageIdentity, OptionSpec, Recipe, Side, StrategyError, StrategyFacts, StrategySpec, Ticket,
};

pub mod buildx;
pub mod clients;
pub mod github;
pub mod job;
pub mod pipe;
pub mod recorder;
pub mod trace;

mod artifact;
mod cache;
mod cache_tar;
mod gha_cache;
mod local_cache;
mod rebuild;
mod relay;
mod stream_client;
mod tar;
mod zstd_stream;

pub use job::{Job, ServiceAccess, Tools};
pub use recorder::Recorder;

/// What one side of a strategy returns: the failure names the span in which it broke.
pub type StepResult<T> = Result<T, Failure>;

/// What a producer leaves when its clock stops.
#[derive(Debug)]
pub struct Handed {
    /// What consumers are told.
    pub ticket: Ticket,
    /// Where the image that was built can be looked at, off the clock.
    pub built: Built,
}

/// Where the image that was built can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// In this docker tar.
    Tar(PathBuf),
    /// In the job's engine, as `job.image`.
    Engine,
    /// Nowhere that is left: what is known of it was told when it was pushed.
    Known(ImageIdentity),
    /// Only in the builder's cache: the harness loads it from there, off the clock.
    BuilderCache,
    /// In a docker tar that is gone; its layers are in the builder's cache, so the harness has it written again from
    /// there, off the clock.
    CachedTar(buildx::Layers),
    /// Nothing was built, because an earlier run of this very commit had been: the image is that run's.
    Earlier,
}

/// Images that a trial builds beside its own, where options ask for some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MoreBuilds {
    /// Images with other content in every generated layer, which the producer builds too: [`Job::others`].
    pub other_images: u32,
    /// Pushes before the trial's own, each with other content in the last layer: a producer's job of its own, off every
    /// clock, with a commit of its own.
    pub earlier_pushes: u32,
}

/// One way to hand an image over.
pub trait Strategy: Sync {
    /// What is true of it whatever it measures.
    fn facts(&self) -> &'static StrategyFacts;

    /// Why it cannot run with these options under these conditions, if so: found out when planning, not when running.
    fn refuses(&self, spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        let _ = (spec, conditions);
        None
    }

    /// The images that a trial builds beside its own.
    fn more_builds(&self, spec: &StrategySpec) -> MoreBuilds {
        let _ = spec;
        MoreBuilds::default()
    }

    /// Whether a side of it runs a build, and so may need a builder's image in its engine.
    fn builds(&self, side: Side) -> bool {
        side == Side::Producer || !self.facts().moves_image
    }

    /// The producer: from "engine ready, sources there, nothing built" to "a consumer could start".
    fn produce(&self, job: &Job) -> StepResult<Handed>;

    /// A consumer: until the engine has the image `job.image`. The first container is started by the harness.
    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()>;

    /// Its steps as GitHub jobs; none for a strategy that has no recipe there.
    fn recipe(&self) -> Option<&'static Recipe> {
        None
    }
}

/// Every strategy, in the order of the comparison table; the baseline last.
pub const ALL: &[&dyn Strategy] = &[
    &artifact::Artifact,
    &cache_tar::CacheTar,
    &gha_cache::GhaCache,
    &local_cache::LocalCache,
    &zstd_stream::ZstdStream,
    &relay::Relay,
    &rebuild::Rebuild,
];

/// The names of all strategies.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|s| s.facts().name).collect()
}

fn by_name(name: &str) -> Result<&'static dyn Strategy, StrategyError> {
    let found = ALL.iter().find(|s| s.facts().name == name).ok_or_else(|| StrategyError::UnknownName {
        given: name.to_owned(),
        hint: handoff_model::nearest::hint(name, &names()),
    })?;
    Ok(*found)
}

/// The strategy of a spec, with its options checked.
pub fn find(spec: &StrategySpec) -> Result<&'static dyn Strategy, StrategyError> {
    let found = by_name(&spec.name)?;
    found.facts().check(spec)?;
    Ok(found)
}

/// Reads `--strategies`: names with options; `all` stands for every strategy. An option that says what is the default
/// anyway is left out, so that one thing is never measured under two names.
pub fn parse_list(text: &str) -> Result<Vec<StrategySpec>, StrategyError> {
    check_list(StrategySpec::parse_list(text)?)
}

/// [`parse_list`] of a list that is read already.
pub fn check_list(specs: Vec<StrategySpec>) -> Result<Vec<StrategySpec>, StrategyError> {
    check_list_with(specs, |spec| find(spec).map(|s| s.facts().options.iter().collect()))
}

/// The same with another notion of which strategies and options there are: `options` checks a spec and gives its options.
fn check_list_with(
    given: Vec<StrategySpec>,
    options: impl Fn(&StrategySpec) -> Result<Vec<&'static OptionSpec>, StrategyError>,
) -> Result<Vec<StrategySpec>, StrategyError> {
    let mut specs: Vec<StrategySpec> = Vec::new();
    for mut spec in given {
        let new = if spec == StrategySpec::plain("all") {
            names().into_iter().map(StrategySpec::plain).collect()
        } else {
            let known = options(&spec)?;
            spec.options.retain(|name, value| known.iter().all(|o| o.name != name || o.default != value));
            vec![spec]
        };
        for spec in new {
            if specs.contains(&spec) {
                return Err(StrategyError::Twice(spec.to_string()));
            }
            specs.push(spec);
        }
    }
    Ok(specs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_the_five_relay_and_the_baseline() {
        let all: Vec<String> = parse_list("all").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["artifact", "cache-tar", "gha-cache", "local-cache", "zstd-stream", "relay", "rebuild"]);
    }

    #[test]
    fn all_can_have_company_and_nothing_is_measured_twice() {
        let list = parse_list("all,artifact:level=6").unwrap();
        assert_eq!((list.len(), list[7].to_string().as_str()), (8, "artifact:level=6"));
        assert_eq!(parse_list("artifact:level=0,rebuild").unwrap()[0].to_string(), "artifact");
        assert_eq!(parse_list("artifact,artifact:level=0"), Err(StrategyError::Twice("artifact".to_owned())));
        assert_eq!(parse_list("all,rebuild"), Err(StrategyError::Twice("rebuild".to_owned())));
    }

    #[test]
    fn a_slip_names_the_nearest() {
        let error = parse_list("artifact,zstd-steam").unwrap_err().to_string();
        assert!(error.contains("did you mean `zstd-stream`"), "{error}");
    }

    #[test]
    fn only_the_engines_own_builder_on_overlay2_cannot_export_a_cache_and_the_mend_is_named() {
        use handoff_model::{Builder, ImageStore};
        for strategy in ALL {
            for builder in [Builder::Docker, Builder::DockerContainer] {
                for image_store in [ImageStore::Containerd, ImageStore::Overlay2] {
                    let conditions = Conditions { builder, image_store, ..Conditions::default() };
                    let name = strategy.facts().name;
                    let cannot =
                        name.ends_with("-cache") && (builder, image_store) == (Builder::Docker, ImageStore::Overlay2);
                    let refused = strategy.refuses(&StrategySpec::plain(name), &conditions);
                    assert_eq!(refused.is_some(), cannot, "{name} {builder} {image_store}: {refused:?}");
                    assert!(refused.is_none_or(|r| r.contains("--builder docker-container")));
                }
            }
        }
    }

    #[test]
    fn buildkit_compresses_a_gha_cache_in_one_way_only() {
        let error = parse_list("gha-cache:compression=zstd").unwrap_err().to_string();
        assert!(error.contains("gzip") && error.contains("zstd"), "{error}");
        assert_eq!(parse_list("gha-cache:compression=gzip").unwrap()[0].to_string(), "gha-cache");
        assert!(parse_list("local-cache:compression=zstd,mode=min,producer-load=true").is_ok());
    }

    #[test]
    fn defaults_are_values_that_their_options_take() {
        for strategy in ALL {
            let facts = strategy.facts();
            // An option without a default has to be given.
            for option in facts.options.iter().filter(|o| !o.default.is_empty()) {
                let spec = format!("{}:{}={}", facts.name, option.name, option.default).parse().unwrap();
                facts.check(&spec).unwrap();
            }
        }
    }
}
