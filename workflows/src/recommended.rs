//! Recommended workflow for a user's repository: build once, then lint and test with that image, by one strategy.
//!
//! The steps are those of the strategy's recipe, as in the measured workflows but without marks and cells.

use handoff_model::Recipe;
use handoff_model::recipe::{self, StepKind, Values, fill};
use handoff_model::trigger::{CacheMode, Start, Trigger};

use crate::digest;
use crate::model::{Job, Step};
use crate::pins::Pins;
use crate::steps::{self, HOST_NETWORK, NO_BUILD_RECORDS, cached_program, checkout, line, quoted, with_inputs};
use crate::yaml::{Node, map};
use crate::{Named, WorkflowError};

/// Image reference in the workflow.
const IMAGE: &str = "app:ci";

/// Job that builds and sends.
const BUILD: &str = "build";

/// Ids of the steps with this repository's actions.
const SEND: &str = "send";
const RECEIVE: &str = "receive";

/// Comment in a workflow with this repository's actions.
const REPOSITORY_ACTIONS_NOTE: &str = "\
# Replace OWNER by the owner of your copy of Handoff. The first run builds handoff-relay, which takes minutes and needs Rust;
# later runs restore it from the cache. A job that does not get the image builds it.
";

/// Workflow, and its setup effort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recommended {
    /// Text of the file.
    pub text: String,
    /// Number of steps that hand the image over, in the producer and in one consumer.
    pub steps: u32,
    /// Number of lines of these steps.
    pub lines: u32,
    /// Actions of these steps by other owners than GitHub.
    pub actions: Vec<String>,
}

/// Note on the trigger of a workflow that follows another one.
const PRECEDING_WORKFLOW_NOTE: &str = "# Replace NAME by the name of the workflow that precedes this one.\n";
/// Note on triggers that run with the rights of the default branch.
const LOW_TRUST_NOTE: &str = "\
# This trigger runs in the context of the default branch, and people without write access can cause it. The checkout step
# takes the default branch. Do not check out a pull request here: its code would run with this workflow's rights.
";
/// Note on a cache that low-trust triggers may write.
const POISONING_NOTE: &str = "\
# Cache entries go to the default branch, whose workflows restore them: a stranger's code could poison them.
";

/// Strategy with a value for each of its options.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// Strategy.
    pub strategy: Named,
    /// Name with options, as on the command line.
    pub spec: &'a str,
    /// Value of every option and derived text.
    pub options: &'a Values,
    /// Default of every option. Inputs of this repository's actions and variables are left out at their default.
    pub defaults: &'a Values,
    /// How the workflow starts; without a trigger, by a push and by a pull request.
    pub start: Start,
}

/// Workflow of a variant for a number of consumers: one lints, and the others share the tests. A single consumer tests.
///
/// Actions of this repository are pinned to `commit`.
///
/// # Errors
/// An action has no pin.
pub fn recommended(
    pins: &Pins,
    commit: &str,
    variant: &Variant<'_>,
    consumers: u32,
) -> Result<Recommended, WorkflowError> {
    let strategy = &variant.strategy;
    let writer = StepWriter { pins, commit, variant };
    let producer = writer.steps(strategy.recipe.producer, "Build")?;
    let consumer = writer.steps(strategy.recipe.consumer, "Get the image")?;
    let shares = !producer.is_empty();
    let instead = if strategy.recipe.consumer.iter().any(digest::is_receive) { build_instead(pins)? } else { vec![] };
    let mut jobs: Vec<(String, Job)> = Vec::new();
    if shares {
        let outputs = digest::output(&writer.senders(strategy.recipe.producer));
        let build = outputs.map_or_else(job, |digest| job().set("outputs", map([digest])));
        jobs.push((BUILD.to_owned(), build.with_steps(producer.iter().cloned())));
    }
    let tests = consumers.saturating_sub(1).max(1);
    let names: &[&str] = if consumers > 1 { &["lint", "test"] } else { &["test"] };
    for &name in names {
        let mut job = if shares { job().set("needs", BUILD) } else { job() };

        let mut run = Step::run(name, &format!("docker run --rm {IMAGE} make {name}"));
        if name == "test" && tests > 1 {
            let shards = Node::List((1..=tests).map(Node::from).collect());
            job = job.for_each("shard", shards);
            run = Step::run(name, &format!("docker run --rm -e SHARD -e SHARDS {IMAGE} make test"))
                .env("SHARD", "${{ matrix.shard }}")
                .env("SHARDS", tests);
        }
        jobs.push((name.to_owned(), job.with_steps(consumer.iter().chain(&instead).cloned().chain([run]))));
    }
    let steps: Vec<Node> = producer.iter().chain(&consumer).cloned().map(Node::from).collect();
    let body = Node::List(steps.clone()).document();
    let mut actions: Vec<String> = body
        .lines()
        .filter_map(|l| l.trim().trim_start_matches("- ").strip_prefix("uses: "))
        .filter_map(|uses| uses.split_once('@').map(|(action, _)| action.to_owned()))
        .filter(|action| !action.starts_with("actions/"))
        .collect();
    actions.sort();
    actions.dedup();
    Ok(Recommended {
        text: file(variant, shares, consumers, jobs),
        steps: steps.len() as u32,
        lines: body.lines().filter(|l| !l.trim().is_empty()).count() as u32,
        actions,
    })
}

fn file(variant: &Variant<'_>, shares: bool, consumers: u32, jobs: Vec<(String, Job)>) -> String {
    let start = variant.start;
    let mode = start.cache_mode.map(|mode| ("cache-mode", Node::from(mode.as_str())));
    let head = [("name", Node::from("ci")), ("on", on(start)), ("permissions", map([("contents", "read")]))];
    let rest = [("env", map(NO_BUILD_RECORDS)), ("jobs", map(jobs))];
    let text = map(head.into_iter().chain(mode).chain(rest)).document();
    let (work, commands, every) = if consumers > 1 {
        ("lint and test", "commands in place of `make lint` and `make test`", "every job")
    } else {
        ("test", "command in place of `make test`", "the job that tests")
    };
    let what = if shares {
        format!("Build once, then {work} with that image, handed over by `{}`", variant.spec)
    } else {
        format!("Build in {every}, then {work} there, without a transfer (`{}`)", variant.spec)
    };
    let head = format!("# {what} (handoff recommend).\n# Put your {commands}.\n");
    let has_actions = !Recipe::repository_actions(variant.strategy.recipe.producer).is_empty();
    let note = if has_actions { REPOSITORY_ACTIONS_NOTE } else { "" };
    format!("{head}{note}{}{}\n", start_notes(start), text.trim_end())
}

/// Value of the key `on`.
fn on(start: Start) -> Node {
    let every = || Node::Map(vec![]);
    let Some(trigger) = start.trigger else { return map([("push", every()), ("pull_request", every())]) };
    let list = |text: &str| Node::List(vec![Node::from(text)]);
    let of = match trigger {
        Trigger::IssueComment => map([("types", list("created"))]),
        Trigger::WorkflowRun => map([("workflows", list("NAME")), ("types", list("completed"))]),
        _ => every(),
    };
    map([(trigger.as_str(), of)])
}

fn start_notes(start: Start) -> String {
    let low_trust = start.trigger.is_some_and(|trigger| trigger.cache_mode() == CacheMode::Read);
    let writes = matches!(start.cache_mode, Some(CacheMode::Write | CacheMode::WriteOnly));
    [
        (start.trigger == Some(Trigger::WorkflowRun), PRECEDING_WORKFLOW_NOTE),
        (low_trust, LOW_TRUST_NOTE),
        (low_trust && writes, POISONING_NOTE),
    ]
    .into_iter()
    .filter_map(|(applies, note)| applies.then_some(note))
    .collect()
}

fn job() -> Job {
    Job::default().set("runs-on", "ubuntu-latest").set("timeout-minutes", 30)
}

/// Steps that build the image in a job that did not receive it.
fn build_instead(pins: &Pins) -> Result<Vec<Step>, WorkflowError> {
    let failed = format!("steps.{RECEIVE}.outputs.outcome != 'success'");
    let build = Step::run("Build the image that did not arrive", &format!("docker build --tag {IMAGE} ."));
    Ok(vec![checkout(pins)?.when(&failed), build.when(&failed)])
}

/// Text with its placeholders replaced. Expressions and scripts name the run and the temporary folder differently.
fn filled(text: &str, run: &str, temporary: &str, options: &Values) -> String {
    fill(text, |place| match place {
        "name" => Some(format!("image-{run}")),
        "image" => Some(IMAGE.to_owned()),
        "sources" => Some(".".to_owned()),
        "digest" => Some(digest::of_job(BUILD)),
        // Outside of the checkout, which is the build context.
        "dir" => Some(format!("{temporary}/handoff")),
        option => options.get(option).cloned(),
    })
}

/// Text of an input.
fn input(text: &str, options: &Values) -> String {
    filled(text, "${{ github.run_id }}", "${{ runner.temp }}", options)
}

/// Word of a command line.
fn word(text: &str, options: &Values) -> String {
    quoted(&filled(text, "$GITHUB_RUN_ID", "$RUNNER_TEMP", options))
}

/// Writer of a variant's steps.
struct StepWriter<'a> {
    pins: &'a Pins,
    commit: &'a str,
    variant: &'a Variant<'a>,
}

impl StepWriter<'_> {
    /// Whether a text is the placeholder of an option that has its default.
    fn is_default(&self, text: &str) -> bool {
        let option = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        let Variant { options, defaults, .. } = self.variant;
        option.is_some_and(|o| options.get(o).is_some_and(|v| defaults.get(o) == Some(v)))
    }

    /// Ids of the steps that send.
    fn senders(&self, steps: &[recipe::Step]) -> Vec<String> {
        let sends = steps.iter().any(|s| s.is_taken(self.variant.options) && digest::is_send(s));
        sends.then(|| SEND.to_owned()).into_iter().collect()
    }

    /// Steps of a role; empty if the recipe has none.
    fn steps(&self, steps: &[recipe::Step], build: &str) -> Result<Vec<Step>, WorkflowError> {
        let taken: Vec<&recipe::Step> = steps.iter().filter(|s| s.is_taken(self.variant.options)).collect();
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let pins = self.pins;
        let mut all = Vec::new();
        if Recipe::builds(steps) {
            all.push(checkout(pins)?);
            let make = Step::uses("Set up a builder", pins.uses("docker/setup-buildx-action")?);
            let relays = !Recipe::repository_actions(steps).is_empty();
            let make = if relays { make.with("driver-opts", HOST_NETWORK) } else { make };
            all.push(make.with("cache-binary", false));
        }
        if !Recipe::repository_actions(steps).is_empty() {
            all.push(cached_program(pins, self.commit)?);
        }
        if taken.iter().any(|s| s.texts().iter().any(|t| t.contains("{dir}"))) {
            all.push(Step::run("Create a folder outside of the sources", "mkdir -p \"$RUNNER_TEMP/handoff\""));
        }
        for step in taken {
            all.push(self.step(step, build)?);
        }
        Ok(all)
    }

    fn step(&self, step: &recipe::Step, build: &str) -> Result<Step, WorkflowError> {
        let options = self.variant.options;
        let input = |text: &str| input(text, options);
        let run = |pipe, file| Step::run(step.what, &line(pipe, file, |w| word(w, options)));
        let done = match step.kind {
            StepKind::Build { outputs, cache_to, cache_from } => {
                steps::build(self.pins, build, [outputs, cache_to, cache_from], input)?
            }
            StepKind::Uses(action, inputs) => with_inputs(step.what, self.pins.uses(action)?, inputs, input),
            StepKind::Repository(folder, inputs) => {
                let action = Node::from(format!("OWNER/handoff/{folder}@{}", self.commit));
                let shown = inputs.iter().filter(|(_, value)| !self.is_default(value));
                let done = with_inputs(step.what, action, shown, input);
                if digest::is_send(step) {
                    done.id(SEND)
                } else if digest::is_receive(step) {
                    done.id(RECEIVE).with("continue-on-failure", true)
                } else {
                    done
                }
            }
            StepKind::Run(pipe) => run(pipe, None),
            StepKind::RunInto(pipe, file) => run(pipe, Some(file)),
        };
        let variables = step.env.iter().filter(|(_, value)| !self.is_default(value));
        Ok(variables.fold(done, |s, (name, value)| s.env(name, input(value))))
    }
}
