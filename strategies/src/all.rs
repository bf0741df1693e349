//! List of all strategies, one file each in `all/`, and the look-up of a strategy by its spec.

use handoff_model::{OptionSpec, StrategyError, StrategySpec, VariantFacts};

use crate::Strategy;

mod artifact;
mod cache_tar;
mod gha_cache;
mod local_cache;
mod oci_layout;
mod rebuild;
mod relay;
mod zstd_stream;

/// All strategies with default options, in the order of the comparison table, with the baseline last.
pub const ALL: &[&dyn Strategy] = &[
    &artifact::Artifact::DEFAULT,
    &cache_tar::CacheTar::DEFAULT,
    &gha_cache::GhaCache::DEFAULT,
    &local_cache::LocalCache::DEFAULT,
    &zstd_stream::ZstdStream::DEFAULT,
    &oci_layout::OciLayout::DEFAULT,
    &relay::Relay::DEFAULT,
    &rebuild::Rebuild::DEFAULT,
];

/// Names of all strategies.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|s| s.facts().name).collect()
}

pub(crate) fn by_name(name: &str) -> Result<&'static dyn Strategy, StrategyError> {
    let found = ALL.iter().find(|s| s.facts().name == name).ok_or_else(|| StrategyError::UnknownName {
        given: name.to_owned(),
        hint: handoff_model::nearest::hint(name, &names()),
    })?;
    Ok(*found)
}

/// Strategy of a spec, with its options.
///
/// # Errors
/// Unknown strategy, option or value. Options for GitHub only are unknown here.
pub fn find(spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError> {
    let found = by_name(&spec.name)?;
    found.facts().check(spec)?;
    found.variant(spec)
}

/// Facts of variants for readers of rows, in the order of the comparison table, without unknown strategies.
pub fn variant_facts(specs: &[StrategySpec]) -> Vec<VariantFacts> {
    let of = |known: &'static dyn Strategy| {
        let named = specs.iter().filter(|spec| spec.name == known.facts().name);
        named.filter_map(|spec| Some(known.variant(spec).ok()?.facts_of_variant(spec)))
    };
    ALL.iter().flat_map(|known| of(*known)).collect()
}

/// Variants of a `--strategies` list, where `all` stands for every strategy. Options at their default are dropped, so that
/// each variant has one name.
///
/// # Errors
/// Unknown strategy, option or value, or a variant that appears twice.
pub fn parse_list(text: &str) -> Result<Vec<StrategySpec>, StrategyError> {
    check_list(StrategySpec::parse_list(text)?)
}

/// [`parse_list`] for specs.
///
/// # Errors
/// As for [`parse_list`].
pub fn check_list(specs: Vec<StrategySpec>) -> Result<Vec<StrategySpec>, StrategyError> {
    check_list_with(specs, |spec| find(spec).map(|s| s.facts().options.iter().collect()))
}

/// [`check_list`] with a function that checks a spec and returns the options of its strategy.
pub(crate) fn check_list_with(
    list: Vec<StrategySpec>,
    options: impl Fn(&StrategySpec) -> Result<Vec<&'static OptionSpec>, StrategyError>,
) -> Result<Vec<StrategySpec>, StrategyError> {
    let mut specs: Vec<StrategySpec> = Vec::new();
    for mut spec in list {
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
    use handoff_model::{Conditions, Storage};

    use super::*;
    use crate::source;

    #[test]
    fn all_stands_for_every_strategy_with_the_baseline_last() {
        let all: Vec<String> = parse_list("all").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(all, names());
        let producers: Vec<bool> = ALL.iter().map(|s| s.facts().has_producer).collect();
        assert_eq!(producers.iter().position(|has| !has), Some(ALL.len() - 1));
    }

    #[test]
    fn duplicate_variant_is_rejected() {
        let list = parse_list("all,artifact:level=6").unwrap();
        assert_eq!((list.len(), list[ALL.len()].to_string().as_str()), (ALL.len() + 1, "artifact:level=6"));
        assert_eq!(parse_list("artifact:level=0,rebuild").unwrap()[0].to_string(), "artifact");
        assert_eq!(parse_list("artifact,artifact:level=0"), Err(StrategyError::Twice("artifact".to_owned())));
        assert_eq!(parse_list("all,rebuild"), Err(StrategyError::Twice("rebuild".to_owned())));
    }

    #[test]
    fn names_colours_and_markers_are_unique() {
        for (i, one) in ALL.iter().map(|s| s.facts()).enumerate() {
            for other in ALL[..i].iter().map(|s| s.facts()) {
                let alike = one.name == other.name || one.colour == other.colour || one.marker == other.marker;
                assert!(!alike, "{} and {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn facts_of_a_variant_follow_its_options() {
        let facts = |text: &str| {
            let spec = text.parse().unwrap();
            find(&spec).unwrap().facts_of_variant(&spec)
        };
        assert_eq!(facts("relay").storage, Storage::Artifact);
        assert_eq!(facts("relay:store=cache").storage, Storage::Cache);
        let ours = ["zstd-stream", "zstd-stream:level=1", "zstd-stream:ranges=8", "zstd-stream:blocks=8", "relay"];
        assert_eq!(ours.map(|text| facts(text).ours), [false, false, true, true, true]);
    }

    #[test]
    fn typo_is_reported_with_the_nearest_name() {
        let error = parse_list("artifact,zstd-steam").unwrap_err().to_string();
        assert!(error.contains("did you mean `zstd-stream`"), "{error}");
    }

    #[test]
    fn docker_builder_on_overlay2_cannot_export_and_the_fix_is_named() {
        use handoff_model::{Builder, ImageStore};
        let mut refused = 0;
        for strategy in ALL {
            for builder in [Builder::Docker, Builder::DockerContainer] {
                for image_store in [ImageStore::Containerd, ImageStore::Overlay2] {
                    let conditions = Conditions { builder, image_store, ..Conditions::default() };
                    let Some(reason) = strategy.refuses(&conditions) else { continue };
                    let name = strategy.facts().name;
                    assert!(!source::builder_exports(&conditions), "{name} {builder} {image_store}: {reason}");
                    assert!(reason.contains("--builder docker-container"), "{name}: {reason}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0);
    }

    #[test]
    fn gha_cache_refuses_other_compressions_than_gzip() {
        let error = parse_list("gha-cache:compression=zstd").unwrap_err().to_string();
        assert!(error.contains("gzip") && error.contains("zstd"), "{error}");
        assert_eq!(parse_list("gha-cache:compression=gzip").unwrap()[0].to_string(), "gha-cache");
        assert!(parse_list("local-cache:compression=zstd,mode=min,producer-load=true").is_ok());
    }
}
