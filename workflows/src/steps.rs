//! Steps shared by jobs, and the steps of a strategy's recipe with their marks.

use handoff_model::recipe::{StepKind, fill, places};
use handoff_model::{Recipe, recipe};

use crate::digest;
use crate::model::{Step, expression};
use crate::pins::Pins;
use crate::yaml::Node;
use crate::{Named, WorkflowError};

/// Expression for the cell of a job.
pub const CELL: &str = "fromJSON(inputs.cell)";

/// Job of a cell that sends.
pub(crate) const PRODUCER: &str = "producer";

/// Folder of the job's files, relative to the workspace and the same in both roles.
pub const DIR: &str = "handoff-work";

/// Folder of this repository's actions, relative to the workspace.
const SOURCE: &str = "handoff-source";

/// Note for the linter zizmor, which would refer to files of this repository in another way.
pub const SELF_REPOSITORY: &str = "zizmor: ignore[self-repository] rehearsals support paths only";

/// Option of a builder that must reach the job's loopback.
pub const HOST_NETWORK: &str = "network=host";

/// Artifact with the binary.
pub const BINARY: &str = "handoff-binary";
/// Variables against uploads of Docker's actions, whose artifacts are not part of the strategy.
pub(crate) const NO_BUILD_RECORDS: [(&str, &str); 2] =
    [("DOCKER_BUILD_SUMMARY", "false"), ("DOCKER_BUILD_RECORD_UPLOAD", "false")];

/// Step that checks out the repository and keeps the token from later steps.
///
/// # Errors
/// The action has no pin.
pub fn checkout(pins: &Pins) -> Result<Step, WorkflowError> {
    Ok(Step::uses("Check out", pins.uses("actions/checkout")?).with("persist-credentials", false))
}

/// Step that keeps the program of this repository's actions in the cache: without it each job builds one, which takes minutes.
///
/// # Errors
/// The action has no pin.
pub(crate) fn cached_program(pins: &Pins, commit: &str) -> Result<Step, WorkflowError> {
    let keep = Step::uses("Cache the program handoff-relay", pins.uses("actions/cache")?);
    // Runners of one workflow may have different processors.
    let key = format!("handoff-relay-{}-{commit}", expression("runner.arch"));
    Ok(keep.with("path", "~/.cache/handoff-action").with("key", key))
}

/// Step that uploads a folder as an artifact, kept for some days.
///
/// # Errors
/// The action has no pin.
pub fn upload(
    pins: &Pins,
    what: &str,
    (name, path): (&str, &str),
    days: impl Into<Node>,
) -> Result<Step, WorkflowError> {
    let step = Step::uses(what, pins.uses("actions/upload-artifact")?);
    Ok(step.with("name", name).with("path", path).with("retention-days", days))
}

/// Step that downloads an artifact by its `name`, or all that match a `pattern`, into a folder.
///
/// # Errors
/// The action has no pin.
pub fn download(pins: &Pins, what: &str, (by, text): (&str, &str), path: &str) -> Result<Step, WorkflowError> {
    Ok(Step::uses(what, pins.uses("actions/download-artifact")?).with(by, text).with("path", path))
}

/// Steps that download the programs of the first job.
///
/// # Errors
/// The action has no pin.
pub fn fetch(pins: &Pins) -> Result<[Step; 2], WorkflowError> {
    Ok([
        download(pins, "Download handoff", ("name", BINARY), "handoff-bin")?,
        Step::run(
            "Add handoff to PATH",
            "chmod +x handoff-bin/*\necho \"$GITHUB_WORKSPACE/handoff-bin\" >> \"$GITHUB_PATH\"\n",
        ),
    ])
}

/// Value of a placeholder, as an expression.
fn value(place: &str) -> String {
    match place {
        "name" | "image" => expression(&format!("{CELL}.{place}")),
        "sources" => format!("{DIR}/sources"),
        "dir" => DIR.to_owned(),
        "digest" => digest::of_job(PRODUCER),
        option => expression(&format!("{CELL}.options.{option}")),
    }
}

fn filled(text: &str) -> String {
    fill(text, |place| Some(value(place)))
}

/// Word of a command line with variables for placeholders, quoted if needed.
fn shell_word(word: &str) -> String {
    let variable = |place: &str| match place {
        "sources" | "dir" => value(place),
        other => format!("${}", variable(other)),
    };
    quoted(&fill(word, |place| Some(variable(place))))
}

/// Word for bash, in double quotes if needed, so that variables are expanded.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("\"{text}\"") }
}

fn variable(place: &str) -> String {
    format!("HANDOFF_{}", place.to_uppercase().replace('-', "_"))
}

fn condition(strategy: &str, step: &recipe::Step) -> String {
    let mut parts = vec![format!("{CELL}.strategy == '{strategy}'")];
    parts.extend(step.when.iter().map(|(option, value)| format!("{CELL}.options.{option} == '{value}'")));
    parts.join(" && ")
}

/// Pipe of programs as a line of bash; `word` writes each word.
pub(crate) fn line(pipe: &[&[&str]], file: Option<&str>, word: impl Fn(&str) -> String) -> String {
    let command = |words: &&[&str]| words.iter().map(|w| word(w)).collect::<Vec<_>>().join(" ");
    let line = pipe.iter().map(command).collect::<Vec<_>>().join(" | ");
    file.map_or(line.clone(), |file| format!("{line} > {}", word(file)))
}

/// Step that runs programs, with variables for placeholders.
fn script(name: &str, pipe: &[&[&'static str]], file: Option<&'static str>) -> Step {
    let mut used: Vec<&str> = pipe.iter().flat_map(|w| w.iter().copied()).chain(file).flat_map(places).collect();
    used.sort_unstable();
    used.dedup();
    used.iter()
        .filter(|p| !["sources", "dir"].contains(p))
        .fold(Step::run(name, &line(pipe, file, shell_word)), |run, place| run.env(&variable(place), value(place)))
}

/// Step that uses an action with inputs.
pub(crate) fn with_inputs<'a>(
    name: &str,
    action: Node,
    inputs: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
    filled: impl Fn(&str) -> String,
) -> Step {
    inputs.into_iter().fold(Step::uses(name, action), |step, (input, text)| step.with(input, filled(text)))
}

/// Step of docker/build-push-action, which loads the image if no other output is named.
pub(crate) fn build(
    pins: &Pins,
    name: &str,
    [outputs, cache_to, cache_from]: [Option<&str>; 3],
    filled: impl Fn(&str) -> String,
) -> Result<Step, WorkflowError> {
    let optional = [("outputs", outputs), ("cache-to", cache_to), ("cache-from", cache_from)];
    let named = optional.into_iter().filter_map(|(input, text)| Some((input, text?)));
    let inputs: Vec<(&str, &str)> = [("context", "{sources}"), ("tags", "{image}")].into_iter().chain(named).collect();
    let build = with_inputs(name, pins.uses("docker/build-push-action")?, &inputs, filled);
    Ok(if outputs.is_none() { build.with("load", true) } else { build })
}

/// Steps of a role of a strategy, each after its mark.
///
/// # Errors
/// An action has no pin.
pub fn of_recipe(pins: &Pins, strategy: &Named, steps: &[recipe::Step]) -> Result<Vec<Step>, WorkflowError> {
    let mut all = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let when = condition(strategy.name, step);
        let name = format!("{}: {}", strategy.name, step.what);
        let mark = format!("handoff mark {} '{}'", step.span, step.what);
        let done = match step.kind {
            StepKind::Build { outputs, cache_to, cache_from } => {
                build(pins, &name, [outputs, cache_to, cache_from], filled)?
            }
            StepKind::Uses(action, inputs) => with_inputs(&name, pins.uses(action)?, inputs, filled),
            StepKind::Repository(folder, inputs) => {
                let action = Node::Noted(format!("./{SOURCE}/{folder}"), SELF_REPOSITORY.to_owned());
                // The first job has built the program: an action that built its own would do so on the clock.
                let done = with_inputs(&name, action, inputs, filled).with("handoff-relay", "handoff-relay");
                if digest::is_send(step) { done.id(&digest::id(strategy.name, index)) } else { done }
            }
            StepKind::Run(pipe) => script(&name, pipe, None),
            StepKind::RunInto(pipe, file) => script(&name, pipe, Some(file)),
        };
        let done = step.env.iter().fold(done, |s, (name, value)| s.env(name, filled(value)));
        all.push(Step::run(&format!("Mark: {}", step.what), &mark).when(&when));
        all.push(done.when(&when));
    }
    Ok(all)
}

/// Condition that `holds` for the cell's strategy; empty if it holds for none.
fn any_of(strategies: &[Named], holds: impl Fn(&Named) -> bool) -> String {
    let names = strategies.iter().filter(|s| holds(s)).map(|s| format!("{CELL}.strategy == '{}'", s.name));
    names.collect::<Vec<_>>().join(" || ")
}

/// Step that checks out this repository's actions, off the clock, for strategies that use one in this role.
///
/// # Errors
/// The action has no pin.
pub fn repository_actions(
    pins: &Pins,
    strategies: &[Named],
    role: fn(&Recipe) -> &'static [recipe::Step],
) -> Result<Option<Step>, WorkflowError> {
    let when = any_of(strategies, |s| !Recipe::repository_actions(role(s.recipe)).is_empty());
    if when.is_empty() {
        return Ok(None);
    }
    let step = Step::uses("Check out the actions of this repository", pins.uses("actions/checkout")?)
        .with("persist-credentials", false)
        .with("path", SOURCE)
        .when(&when);
    Ok(Some(step))
}

/// Steps that set up a builder container on the clock, for strategies that build in this role.
///
/// # Errors
/// The action has no pin.
pub fn builder(
    pins: &Pins,
    strategies: &[Named],
    role: fn(&Recipe) -> &'static [recipe::Step],
) -> Result<Vec<Step>, WorkflowError> {
    let builds = |s: &Named| Recipe::builds(role(s.recipe));
    let when = format!("{CELL}.builder == 'docker-container' && ({})", any_of(strategies, builds));
    // This repository's actions are registries on the job's loopback.
    let relays = any_of(strategies, |s| builds(s) && !Recipe::repository_actions(role(s.recipe)).is_empty());
    let make =
        Step::uses("Set up a builder", pins.uses("docker/setup-buildx-action")?).with("driver", "docker-container");
    let make = if relays.is_empty() {
        make
    } else {
        make.with("driver-opts", expression(&format!("({relays}) && '{HOST_NETWORK}' || ''")))
    };
    Ok(vec![
        Step::run("Mark: setup-buildx-action", "handoff mark builder setup-buildx-action").when(&when),
        make.with("cache-binary", false).when(&when),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_of_a_script_has_no_expression() {
        assert_eq!(shell_word("-{level}"), "\"-$HANDOFF_LEVEL\"");
        assert_eq!(shell_word("{dir}/image.tar"), "handoff-work/image.tar");
        assert_eq!(filled("type=gha,scope={name}"), "type=gha,scope=${{ fromJSON(inputs.cell).name }}");
    }
}
