//! Every variant as a workflow: each option's value shows in the steps that say it has, or the variant is refused with a reason.
//!
//! Options are read from the strategies themselves, so that a new one is covered as soon as it is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use handoff_model::conditions::GITHUB;
use handoff_model::recipe::{self, StepKind, Values, fill};
use handoff_model::trigger::Start;
use handoff_model::{Builder, Conditions, ImageStore, OptionKind, OptionSpec, StrategySpec};
use handoff_strategies::github::{self, Target};
use handoff_strategies::{ALL, Strategy};
use handoff_workflows::Named;
use handoff_workflows::pins::Pins;
use handoff_workflows::recommended::{Variant, recommended};
use yaml_rust2::{Yaml, YamlLoader};

/// Places that are no option: they differ between a cell and a workflow.
const FIXED: [&str; 5] = ["name", "image", "sources", "dir", "digest"];

/// Every word of an option, both ends of a number, and some text.
fn values(option: &OptionSpec) -> Vec<String> {
    match option.kind {
        OptionKind::Word(words) => words.iter().map(|w| (*w).to_owned()).collect(),
        OptionKind::Number(low, high) => vec![low.to_string(), option.default.to_owned(), high.to_string()],
        OptionKind::Text => vec!["some-text".to_owned()],
    }
}

/// Variants with one option and with two: some options mean something only beside another one.
fn variants(strategy: &dyn Strategy) -> BTreeSet<StrategySpec> {
    let name = strategy.facts().name;
    let all: Vec<(&str, String)> =
        github::options(strategy).flat_map(|o| values(o).into_iter().map(|v| (o.name, v))).collect();
    let spec = |options: &[&(&str, String)]| StrategySpec {
        name: name.to_owned(),
        options: options.iter().map(|(o, v)| ((*o).to_owned(), v.clone())).collect(),
    };
    let pairs = all.iter().flat_map(|a| all.iter().filter(move |b| a.0 < b.0).map(move |b| spec(&[a, b])));
    pairs.chain(all.iter().map(|one| spec(&[one]))).chain([StrategySpec::plain(name)]).collect()
}

fn conditions(image_store: ImageStore, builder: Builder, profile: &str) -> Conditions {
    Conditions { image_store, builder, profile: profile.to_owned(), ..Conditions::default() }
}

/// The engines that anything is measured with, here and at GitHub.
fn everywhere() -> Vec<Conditions> {
    vec![
        conditions(ImageStore::Containerd, Builder::Docker, "loopback"),
        conditions(ImageStore::Overlay2, Builder::Docker, "github-hosted"),
        conditions(ImageStore::Overlay2, Builder::DockerContainer, "github-hosted"),
        conditions(ImageStore::Overlay2, Builder::DockerContainer, GITHUB),
    ]
}

/// The variants of the presets, with the conditions of their blocks.
fn presets() -> Vec<(StrategySpec, Conditions)> {
    let mut all = Vec::new();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/experiment/presets")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let preset: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let blocks: Vec<toml::Table> = match preset.get("block") {
            Some(blocks) => blocks.as_array().unwrap().iter().map(|b| b.as_table().unwrap().clone()).collect(),
            None => vec![toml::Table::new()],
        };
        for block in &blocks {
            let list = |key: &str| -> Vec<String> {
                let found = block.get(key).or_else(|| preset.get(key));
                found.map_or(vec![], |v| v.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect())
            };
            let specs = handoff_strategies::parse_list(&list("strategies").join(",")).unwrap();
            for (store, builder) in
                list("image_stores").iter().flat_map(|s| list("builders").into_iter().map(move |b| (s.clone(), b)))
            {
                let conditions = conditions(store.parse().unwrap(), builder.parse().unwrap(), "github-hosted");
                all.extend(specs.iter().map(|s| (s.clone(), conditions.clone())));
            }
        }
    }
    assert!(all.len() > 50, "the presets were not found");
    all
}

/// A variant's workflow with the values that it was written from, or the reason why there is none.
fn rendered(spec: &StrategySpec, conditions: &Conditions) -> Result<(String, Values), String> {
    let strategy = &*github::named(spec).unwrap();
    let options = github::express(strategy, conditions, Target::Workflow).map_err(|e| {
        assert!(!e.reason.trim().is_empty() && github::options(strategy).any(|o| o.name == e.option), "{spec}: {e}");
        e.to_string()
    })?;
    let variant = Variant {
        strategy: Named { name: strategy.facts().name, recipe: strategy.recipe() },
        spec: &spec.to_string(),
        options: &options,
        defaults: &github::defaults(strategy),
        start: Start::default(),
    };
    let text = recommended(&Pins::built_in().unwrap(), "COMMIT", &variant, 3).unwrap().text;
    Ok((text, options))
}

/// The steps of a job of a workflow.
fn steps(workflow: &str, job: &str) -> Vec<Yaml> {
    let documents = YamlLoader::load_from_str(workflow).unwrap();
    documents[0]["jobs"][job]["steps"].as_vec().cloned().unwrap_or_default()
}

fn scalar(yaml: &Yaml) -> Option<String> {
    match yaml {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether a text of a step is that of the recipe: options have their values, and between them is whatever a workflow has
/// for an image, a name or a folder.
fn says(found: &str, text: &str, options: &Values) -> bool {
    let filled = fill(text, |place| {
        if FIXED.contains(&place) { Some("\0".to_owned()) } else { Some(options.get(place).unwrap().clone()) }
    });
    let mut rest = found;
    for piece in filled.split('\0') {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// Compares a step of a workflow with that of the recipe.
fn compare(spec: &StrategySpec, found: &Yaml, step: &recipe::Step, options: &Values, defaults: &Values) {
    let is_default = |text: &str| {
        let option = text.trim_matches(['{', '}']);
        text == format!("{{{option}}}") && defaults.get(option).is_some_and(|d| *d == options[option])
    };
    let inputs: Vec<(&str, &str, bool)> = match step.kind {
        StepKind::Build { outputs, cache_to, cache_from } => {
            assert_eq!(found["with"]["load"].as_bool().unwrap_or(false), outputs.is_none(), "{spec}: {found:?}");
            let all = [("outputs", outputs), ("cache-to", cache_to), ("cache-from", cache_from)];
            all.into_iter().filter_map(|(name, value)| Some((name, value?, false))).collect()
        }
        StepKind::Uses(_, with) => with.iter().map(|(name, value)| (*name, *value, false)).collect(),
        StepKind::Repository(_, with) => with.iter().map(|(name, value)| (*name, *value, is_default(value))).collect(),
        StepKind::Run(pipe) | StepKind::RunInto(pipe, _) => {
            let run = found["run"].as_str().unwrap_or_else(|| panic!("{spec}: {} does not run", step.what));
            assert_eq!(run.matches(" | ").count() + 1, pipe.len(), "{spec}: {run}");
            for word in pipe.iter().flat_map(|words| words.iter()) {
                assert!(says(run, word, options), "{spec}: `{run}` lacks `{word}`");
            }
            if let StepKind::RunInto(_, file) = step.kind {
                assert!(says(run.rsplit(" > ").next().unwrap(), file, options), "{spec}: `{run}`");
            }
            vec![]
        }
    };
    let variables = step.env.iter().map(|(name, value)| ("env", *name, *value, is_default(value)));
    let inputs = inputs.into_iter().map(|(name, value, left_out)| ("with", name, value, left_out));
    for (part, name, text, left_out) in inputs.chain(variables) {
        match scalar(&found[part][name]) {
            None => assert!(left_out, "{spec}: {} lacks {name}", step.what),
            Some(value) => {
                assert!(!left_out, "{spec}: {}: {name} says what is so anyway", step.what);
                assert!(says(&value, text, options), "{spec}: {}: {name} is `{value}`, not `{text}`", step.what);
            }
        }
    }
}

/// Compares a whole workflow with the recipe's steps.
fn check(spec: &StrategySpec, text: &str, options: &Values) {
    let strategy = &*github::named(spec).unwrap();
    let recipe = strategy.recipe();
    // A job that sends tells the digest, which every receiver requires.
    let sends = recipe.producer.iter().any(|s| matches!(s.kind, StepKind::Repository("send", _)));
    assert_eq!(text.matches("digest: ${{ steps.send.outputs.digest }}").count(), usize::from(sends), "{spec}");
    let receivers = text.matches("/receive@").count();
    assert_eq!(receivers, if sends { 2 } else { 0 }, "{spec}");
    for line in ["digest: ${{ needs.build.outputs.digest }}", "if: steps.receive.outputs.outcome != 'success'"] {
        assert!(text.matches(line).count() >= receivers, "{spec} lacks {line}");
    }
    for (job, recipe_steps) in [("build", recipe.producer), ("lint", recipe.consumer)] {
        let taken: Vec<&recipe::Step> = recipe_steps.iter().filter(|s| s.is_taken(options)).collect();
        let mut found = steps(text, job);
        if job == "lint" {
            assert_eq!(found.pop().unwrap()["name"].as_str(), Some("lint"), "{spec}");
            // Steps for an image that did not arrive come after those of the recipe.
            found.retain(|s| s["if"].as_str().is_none_or(|condition| !condition.contains("outputs.outcome")));
        }
        // What stands in front is what any workflow needs: a checkout, a builder, a folder.
        let own = found.split_off(found.len() - taken.len());
        assert!(
            found
                .iter()
                .all(|s| s["with"]["path"].is_badvalue()
                    || s["name"].as_str() == Some("Cache the program handoff-relay"))
        );
        for (found, step) in own.iter().zip(taken) {
            if !matches!(step.kind, StepKind::Build { .. }) {
                assert_eq!(found["name"].as_str(), Some(step.what), "{spec}");
            }
            compare(spec, found, step, options, &github::defaults(strategy));
        }
    }
}

/// The options that a workflow has to tell apart.
fn distinct(strategy: &dyn Strategy, options: &Values) -> Values {
    let mut shown: Values = options.clone();
    shown.retain(|name, _| {
        github::options(strategy).any(|o| o.name == name)
            && !strategy.recipe().of_the_machine.iter().any(|(o, _)| o == name)
    });
    shown
}

/// Whether another variant of the strategy has the same text.
#[derive(Default)]
struct Texts(BTreeMap<String, (StrategySpec, Values)>);

impl Texts {
    fn add(&mut self, spec: &StrategySpec, text: String, options: &Values) {
        let (first, before) = self.0.entry(text).or_insert_with(|| (spec.clone(), options.clone()));
        assert_eq!(before, options, "{first} and {spec} are one and the same text");
    }
}

#[test]
fn every_variant_has_a_distinct_workflow_or_a_reason() {
    for strategy in ALL {
        let mut texts = Texts::default();
        let mut seen: BTreeMap<String, bool> = BTreeMap::new();
        for spec in variants(*strategy) {
            for conditions in everywhere() {
                let result = rendered(&spec, &conditions);
                for (option, value) in &spec.options {
                    *seen.entry(format!("{option}={value}")).or_default() |= result.is_ok();
                }
                let Ok((text, options)) = result else { continue };
                check(&spec, &text, &options);
                let body: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
                texts.add(&spec, body.join("\n"), &distinct(*strategy, &options));
            }
        }
        let name = strategy.facts().name;
        assert!(!texts.0.is_empty(), "{name} has no workflow at all");
        // A value that no workflow has is one that the recipe says so of; the plain refusal of what no step shows is for values
        // that need another option beside them.
        for (value, _) in seen.iter().filter(|(_, is_shown)| !**is_shown) {
            let (option, value) = value.split_once('=').unwrap();
            let said = strategy.recipe().not_in_a_workflow.iter().filter(|u| u.option == option);
            let said = said.filter(|u| u.values.is_empty() || u.values.contains(&value)).count();
            assert!(said > 0, "{name}: no workflow has {option}={value}, and the recipe gives no reason");
        }
    }
}

#[test]
fn every_variant_of_a_preset_has_a_distinct_workflow_or_a_reason() {
    let mut written = 0;
    for (spec, conditions) in presets() {
        match rendered(&spec, &conditions) {
            Ok((text, options)) => {
                check(&spec, &text, &options);
                for (option, value) in &spec.options {
                    assert_eq!(&options[option], value, "{spec}");
                }
                written += 1;
            }
            // What is moved by a client that no action offers; or an option that is told why.
            Err(reason) => {
                let strategy = &*github::named(&spec).unwrap();
                let told = github::options(strategy).any(|o| reason.contains(&format!("{}=", o.name)));
                assert!(told, "{spec}: {reason}");
            }
        }
    }
    assert!(written > 40, "{written}");
}

#[test]
fn every_variant_is_a_distinct_cell_or_has_a_reason() {
    for strategy in ALL {
        let mut texts = Texts::default();
        let recipe = strategy.recipe();
        for spec in variants(*strategy) {
            let hosted = conditions(ImageStore::Overlay2, Builder::DockerContainer, GITHUB);
            let Ok(options) = github::find(&spec)
                .map_err(|e| e.to_string())
                .and_then(|s| github::express(&*s, &hosted, Target::Cell).map_err(|e| e.to_string()))
            else {
                continue;
            };
            let taken = recipe.producer.iter().chain(recipe.consumer).filter(|s| s.is_taken(&options));
            let lines: Vec<String> = taken
                .map(|s| {
                    let told = s.texts().into_iter().map(|t| fill(t, |place| options.get(place).cloned()));
                    format!("{}: {}", s.what, told.collect::<Vec<_>>().join(" "))
                })
                .collect();
            texts.add(&spec, lines.join("\n"), &distinct(*strategy, &options));
        }
        assert!(!texts.0.is_empty(), "{} has no cell at all", strategy.facts().name);
    }
}

/// Recommended workflows leave out inputs of repository actions at their default, so that both defaults must be equal.
#[test]
fn defaults_of_repository_actions_are_those_of_the_options() {
    let mut compared = 0;
    for strategy in ALL {
        let recipe = strategy.recipe();
        for step in recipe.producer.iter().chain(recipe.consumer) {
            let StepKind::Repository(folder, with) = step.kind else { continue };
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("action.yml");
            let action = YamlLoader::load_from_str(&fs::read_to_string(&file).unwrap()).unwrap().remove(0);
            for (input, text) in with {
                let declared = &action["inputs"][*input];
                assert!(!declared.is_badvalue(), "{} has no input {input}", file.display());
                let option = github::options(*strategy).find(|o| format!("{{{}}}", o.name) == *text);
                if let Some(option) = option {
                    // An empty input leaves the default to the program, and the description names it.
                    let left = scalar(&declared["default"]).filter(|default| !default.is_empty());
                    let description = scalar(&declared["description"]).unwrap_or_default();
                    let named = description.ends_with(&format!("default {}", option.default));
                    let same = left.as_deref().map_or(named, |default| default == option.default);
                    assert!(same, "{}: {input}: {left:?}, {description}", file.display());
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 3, "{compared}");
}
