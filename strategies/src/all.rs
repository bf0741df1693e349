//! Every strategy: one file each in `all/`, and its two lines here. Specs of the command line find theirs here.

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

pub use relay::PUSH_LEVEL;

/// Every strategy with its options at their defaults, in the order of the comparison table; the baseline last.
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

/// The names of all strategies.
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

/// The strategy of a spec, with its options.
///
/// # Errors
/// No such strategy, no such option here (GitHub may have one), or a value that it does not take.
pub fn find(spec: &StrategySpec) -> Result<Box<dyn Strategy>, StrategyError> {
    let found = by_name(&spec.name)?;
    found.facts().check(spec)?;
    found.variant(spec)
}

/// What readers of rows have to know of these variants, in the order of the comparison table. One whose strategy is not known here
/// is left out.
pub fn variant_facts(specs: &[StrategySpec]) -> Vec<VariantFacts> {
    let of = |known: &'static dyn Strategy| {
        let named = specs.iter().filter(|spec| spec.name == known.facts().name);
        named.filter_map(|spec| Some(known.variant(spec).ok()?.facts_of_variant(spec)))
    };
    ALL.iter().flat_map(|known| of(*known)).collect()
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
pub(crate) fn check_list_with(
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
    use handoff_model::{Conditions, Storage};

    use super::*;
    use crate::source;

    #[test]
    fn all_means_every_strategy_with_the_baseline_last() {
        let all: Vec<String> = parse_list("all").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(all, names());
        let producers: Vec<bool> = ALL.iter().map(|s| s.facts().has_producer).collect();
        assert_eq!(producers.iter().position(|has| !has), Some(ALL.len() - 1));
    }

    #[test]
    fn all_can_have_company_and_nothing_is_measured_twice() {
        let list = parse_list("all,artifact:level=6").unwrap();
        assert_eq!((list.len(), list[ALL.len()].to_string().as_str()), (ALL.len() + 1, "artifact:level=6"));
        assert_eq!(parse_list("artifact:level=0,rebuild").unwrap()[0].to_string(), "artifact");
        assert_eq!(parse_list("artifact,artifact:level=0"), Err(StrategyError::Twice("artifact".to_owned())));
        assert_eq!(parse_list("all,rebuild"), Err(StrategyError::Twice("rebuild".to_owned())));
    }

    #[test]
    fn names_colours_and_markers_are_told_apart() {
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
    fn a_slip_names_the_nearest() {
        let error = parse_list("artifact,zstd-steam").unwrap_err().to_string();
        assert!(error.contains("did you mean `zstd-stream`"), "{error}");
    }

    #[test]
    fn only_the_engines_own_builder_on_overlay2_cannot_export_and_the_fix_is_named() {
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
    fn buildkit_compresses_a_gha_cache_in_one_way_only() {
        let error = parse_list("gha-cache:compression=zstd").unwrap_err().to_string();
        assert!(error.contains("gzip") && error.contains("zstd"), "{error}");
        assert_eq!(parse_list("gha-cache:compression=gzip").unwrap()[0].to_string(), "gha-cache");
        assert!(parse_list("local-cache:compression=zstd,mode=min,producer-load=true").is_ok());
    }

    #[test]
    fn no_two_strategies_look_alike_without_colour() {
        for (i, strategy) in ALL.iter().enumerate() {
            let marker = |other: &&&dyn Strategy| other.facts().marker == strategy.facts().marker;
            assert!(!ALL[..i].iter().any(|other| marker(&other)), "{}", strategy.facts().name);
        }
    }
}
