//! A workflow to paste: build once, then lint and test from that image, by one strategy.
//!
//! The steps are those of the strategy's recipe, as the measured workflows have them, without marks and cells: options have
//! their values, and names are those of the run.

use std::collections::BTreeMap;

use handoff_model::Recipe;
use handoff_model::recipe::{self, Does, fill};

use crate::model::{Job, Step};
use crate::pins::Pins;
use crate::steps::{HOST_NETWORK, quoted};
use crate::yaml::{Node, map};
use crate::{Named, WorkflowError};

/// The image's reference in the workflow.
const IMAGE: &str = "app:ci";

/// What a workflow with this repository's own actions says of them.
const OWN_ACTIONS: &str = "\
# Put the owner of your copy of Handoff in place of OWNER. The first run builds its program, which takes minutes and needs
# Rust; later runs find it in the cache.
";

/// A workflow, and what it takes to set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recommended {
    /// The file's text.
    pub text: String,
    /// Steps that hand the image over: of the job that builds and of one that needs the image.
    pub steps: u32,
    /// Lines of these steps.
    pub lines: u32,
    /// Actions in them that are not GitHub's own.
    pub third_party_actions: Vec<String>,
}

/// The workflow of a strategy for a number of jobs that need the image: one lints, the others share the tests.
///
/// Actions of this repository are used at `commit`.
///
/// # Errors
/// An action without a pin.
pub fn recommended(
    pins: &Pins,
    commit: &str,
    strategy: &Named,
    options: &BTreeMap<String, String>,
    consumers: u32,
) -> Result<Recommended, WorkflowError> {
    let producer = side(pins, commit, strategy.recipe.producer, options, "Build")?;
    let consumer = side(pins, commit, strategy.recipe.consumer, options, "Get the image")?;
    let shares = !producer.is_empty();
    let mut jobs: Vec<(String, Job)> = Vec::new();
    if shares {
        let mut build = job();
        producer.iter().cloned().for_each(|s| build.push(s));
        jobs.push(("build".to_owned(), build));
    }
    let tests = consumers.saturating_sub(1).max(1);
    for name in ["lint", "test"] {
        let mut job = if shares { job().set("needs", "build") } else { job() };
        consumer.iter().cloned().for_each(|s| job.push(s));
        let mut run = Step::run(name, &format!("docker run --rm {IMAGE} make {name}"));
        if name == "test" && tests > 1 {
            let shards = Node::List((1..=tests).map(Node::from).collect());
            job = job.set("strategy", map([("fail-fast", Node::from(false)), ("matrix", map([("shard", shards)]))]));
            run = Step::run(name, &format!("docker run --rm -e SHARD -e SHARDS {IMAGE} make test"))
                .env("SHARD", "${{ matrix.shard }}")
                .env("SHARDS", tests);
        }
        job.push(run);
        jobs.push((name.to_owned(), job));
    }
    let steps: Vec<Node> = producer.iter().chain(&consumer).cloned().map(Node::from).collect();
    let body = Node::List(steps.clone()).document();
    let mut third_party_actions: Vec<String> = body
        .lines()
        .filter_map(|l| l.trim().trim_start_matches("- ").strip_prefix("uses: "))
        .filter_map(|uses| uses.split_once('@').map(|(action, _)| action.to_owned()))
        .filter(|action| !action.starts_with("actions/"))
        .collect();
    third_party_actions.sort();
    third_party_actions.dedup();
    Ok(Recommended {
        text: file(strategy, jobs),
        steps: steps.len() as u32,
        lines: body.lines().filter(|l| !l.trim().is_empty()).count() as u32,
        third_party_actions,
    })
}

fn file(strategy: &Named, jobs: Vec<(String, Job)>) -> String {
    let text = map([
        ("name", Node::from("ci")),
        ("on", map([("push", Node::Map(vec![])), ("pull_request", Node::Map(vec![]))])),
        ("permissions", map([("contents", "read")])),
        (
            "env",
            map([
                // Either would upload an artifact of its own beside the image.
                ("DOCKER_BUILD_SUMMARY", Node::from("false")),
                ("DOCKER_BUILD_RECORD_UPLOAD", Node::from("false")),
            ]),
        ),
        ("jobs", map(jobs)),
    ])
    .document();
    let head = format!(
        "# Build once, then lint and test from that image; handed over by `{}` (handoff recommend).\n\
         # Put your own commands in place of `make lint` and `make test`.\n",
        strategy.name
    );
    let own = if Recipe::own_actions(strategy.recipe.producer).is_empty() { "" } else { OWN_ACTIONS };
    format!("{head}{own}{}\n", text.trim_end())
}

fn job() -> Job {
    Job::default().set("runs-on", "ubuntu-latest").set("timeout-minutes", 30)
}

/// The places of a text of an input.
fn input(text: &str, options: &BTreeMap<String, String>) -> String {
    fill(text, |place| match place {
        "name" => Some("image-${{ github.run_id }}".to_owned()),
        "image" => Some(IMAGE.to_owned()),
        "sources" => Some(".".to_owned()),
        // Outside of the checkout: what lies in it would be part of the build context.
        "dir" => Some("${{ runner.temp }}/handoff".to_owned()),
        option => options.get(option).cloned(),
    })
}

/// A word of a command line.
fn word(text: &str, options: &BTreeMap<String, String>) -> String {
    quoted(&fill(text, |place| match place {
        "name" => Some("image-$GITHUB_RUN_ID".to_owned()),
        "image" => Some(IMAGE.to_owned()),
        "sources" => Some(".".to_owned()),
        "dir" => Some("$RUNNER_TEMP/handoff".to_owned()),
        option => options.get(option).cloned(),
    }))
}

/// The steps of one side; none where the recipe has none.
fn side(
    pins: &Pins,
    commit: &str,
    steps: &[recipe::Step],
    options: &BTreeMap<String, String>,
    build: &str,
) -> Result<Vec<Step>, WorkflowError> {
    let taken: Vec<&recipe::Step> = steps.iter().filter(|s| s.is_taken(options)).collect();
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    if Recipe::builds(steps) {
        all.push(Step::uses("Check out", pins.uses("actions/checkout")?).with("persist-credentials", false));
        let make = Step::uses("Make a builder", pins.uses("docker/setup-buildx-action")?);
        let own = !Recipe::own_actions(steps).is_empty();
        let make = if own { make.with("driver-opts", HOST_NETWORK) } else { make };
        all.push(make.with("cache-binary", false));
    }
    if !Recipe::own_actions(steps).is_empty() {
        let keep = Step::uses("Keep the program of Handoff", pins.uses("actions/cache")?);
        all.push(keep.with("path", "~/.cache/handoff-action").with("key", format!("handoff-{commit}")));
    }
    if taken.iter().any(|s| s.texts().iter().any(|t| t.contains("{dir}"))) {
        all.push(Step::run("Make a folder outside of the sources", "mkdir -p \"$RUNNER_TEMP/handoff\""));
    }
    for step in taken {
        all.push(match step.does {
            Does::Build { outputs, cache_to, cache_from } => {
                let mut one =
                    Step::uses(build, pins.uses("docker/build-push-action")?).with("context", ".").with("tags", IMAGE);
                let inputs = [("outputs", outputs), ("cache-to", cache_to), ("cache-from", cache_from)];
                for (name, value) in inputs.iter().filter_map(|(n, v)| Some((n, (*v)?))) {
                    one = one.with(name, input(value, options));
                }
                if outputs.is_none() { one.with("load", true) } else { one }
            }
            Does::Uses(action, with) => {
                with.iter().fold(Step::uses(step.what, pins.uses(action)?), |s, (name, value)| {
                    s.with(name, input(value, options))
                })
            }
            Does::Own(folder, with) => {
                let action = Node::from(format!("OWNER/handoff/{folder}@{commit}"));
                with.iter().fold(Step::uses(step.what, action), |s, (name, value)| s.with(name, input(value, options)))
            }
            Does::Run(pipe) => {
                let line = |words: &&[&str]| words.iter().map(|w| word(w, options)).collect::<Vec<_>>().join(" ");
                Step::run(step.what, &pipe.iter().map(line).collect::<Vec<_>>().join(" | "))
            }
        });
    }
    Ok(all)
}
