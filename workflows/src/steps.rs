//! Steps that jobs share, and a strategy's recipe turned into steps with marks around them.

use handoff_model::recipe::{StepKind, fill, places};
use handoff_model::{Recipe, recipe};

use crate::model::{Step, expression};
use crate::pins::Pins;
use crate::yaml::Node;
use crate::{Named, WorkflowError};

/// The cell that a job belongs to, as an expression.
pub const CELL: &str = "fromJSON(inputs.cell)";

/// Folder of the job's own files, relative to the workspace and alike on both sides.
pub const DIR: &str = "handoff-work";

/// Folder of this repository's own actions, relative to the workspace.
const SOURCE: &str = "handoff-source";

/// Why this repository's own files are used by their path, for the linter that has a newer way.
pub const SELF_REPOSITORY: &str = "zizmor: ignore[self-repository] what rehearses this file knows the path only";

/// Option of a builder that shall reach what listens on the job's loopback.
pub const HOST_NETWORK: &str = "network=host";

/// The artifact that holds the binary.
pub const BINARY: &str = "handoff-binary";

/// Checks out the repository; no later step finds the token.
pub fn checkout(pins: &Pins) -> Result<Step, WorkflowError> {
    Ok(Step::uses("Check out", pins.uses("actions/checkout")?).with("persist-credentials", false))
}

/// Keeps a folder as an artifact for some days.
pub fn upload(
    pins: &Pins,
    what: &str,
    (name, path): (&str, &str),
    days: impl Into<Node>,
) -> Result<Step, WorkflowError> {
    let step = Step::uses(what, pins.uses("actions/upload-artifact")?);
    Ok(step.with("name", name).with("path", path).with("retention-days", days))
}

/// Fetches an artifact by its `name`, or all that fit a `pattern`, into a folder.
pub fn download(pins: &Pins, what: &str, (by, text): (&str, &str), path: &str) -> Result<Step, WorkflowError> {
    Ok(Step::uses(what, pins.uses("actions/download-artifact")?).with(by, text).with("path", path))
}

/// Fetches the binary that the first job has built.
pub fn fetch(pins: &Pins) -> Result<[Step; 2], WorkflowError> {
    Ok([
        download(pins, "Fetch handoff", ("name", BINARY), "handoff-bin")?,
        Step::run(
            "Put it on the path",
            "chmod +x handoff-bin/handoff\necho \"$GITHUB_WORKSPACE/handoff-bin\" >> \"$GITHUB_PATH\"\n",
        ),
    ])
}

/// A place of a text as an expression.
fn value(place: &str) -> String {
    match place {
        "name" | "image" => expression(&format!("{CELL}.{place}")),
        "sources" => format!("{DIR}/sources"),
        "dir" => DIR.to_owned(),
        option => expression(&format!("{CELL}.options.{option}")),
    }
}

fn filled(text: &str) -> String {
    fill(text, |place| Some(value(place)))
}

/// A word of a command line: places become variables, whatever is not plain is quoted.
fn shell_word(word: &str) -> String {
    let variable = |place: &str| match place {
        "sources" | "dir" => value(place),
        other => format!("${}", variable(other)),
    };
    quoted(&fill(word, |place| Some(variable(place))))
}

/// A word as bash takes it: whatever is not plain is quoted; variables stay variables.
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

/// A pipe of programs as a line of bash, written by `word`.
pub(crate) fn line(pipe: &[&[&str]], file: Option<&str>, word: impl Fn(&str) -> String) -> String {
    let command = |words: &&[&str]| words.iter().map(|w| word(w)).collect::<Vec<_>>().join(" ");
    let line = pipe.iter().map(command).collect::<Vec<_>>().join(" | ");
    file.map_or(line.clone(), |file| format!("{line} > {}", word(file)))
}

/// A step that runs programs: places are variables of its environment.
fn script(name: &str, pipe: &[&[&'static str]], file: Option<&'static str>) -> Step {
    let mut used: Vec<&str> = pipe.iter().flat_map(|w| w.iter().copied()).chain(file).flat_map(places).collect();
    used.sort_unstable();
    used.dedup();
    used.iter()
        .filter(|p| !["sources", "dir"].contains(p))
        .fold(Step::run(name, &line(pipe, file, shell_word)), |run, place| run.env(&variable(place), value(place)))
}

/// A step that uses an action with inputs.
pub(crate) fn with_inputs<'a>(
    name: &str,
    action: Node,
    inputs: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
    filled: impl Fn(&str) -> String,
) -> Step {
    inputs.into_iter().fold(Step::uses(name, action), |step, (input, text)| step.with(input, filled(text)))
}

/// A step of BuildKit's own action; it loads the image where no other output is named.
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

/// A side's steps of a strategy, a mark in front of each.
pub fn of_recipe(pins: &Pins, strategy: &Named, steps: &[recipe::Step]) -> Result<Vec<Step>, WorkflowError> {
    let mut all = Vec::new();
    for step in steps {
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
                // The program is the one that the first job has built.
                with_inputs(&name, action, inputs, filled).with("handoff", "handoff")
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

/// Condition that the cell's strategy is one of those that `holds` takes; empty where it takes none.
fn any_of(strategies: &[Named], holds: impl Fn(&Named) -> bool) -> String {
    let names = strategies.iter().filter(|s| holds(s)).map(|s| format!("{CELL}.strategy == '{}'", s.name));
    names.collect::<Vec<_>>().join(" || ")
}

/// Checks out this repository's own actions, off the clock, for the strategies that use one on this side.
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

/// Makes a builder where the cell asks for one of its own: on the clock, for the strategies that build on this side.
pub fn builder(
    pins: &Pins,
    strategies: &[Named],
    role: fn(&Recipe) -> &'static [recipe::Step],
) -> Result<Vec<Step>, WorkflowError> {
    let builds = |s: &Named| Recipe::builds(role(s.recipe));
    let when = format!("{CELL}.builder == 'docker-container' && ({})", any_of(strategies, builds));
    // An action of ours that builds is a registry on the job's loopback.
    let own = any_of(strategies, |s| builds(s) && !Recipe::repository_actions(role(s.recipe)).is_empty());
    let make =
        Step::uses("Make a builder", pins.uses("docker/setup-buildx-action")?).with("driver", "docker-container");
    let make = if own.is_empty() {
        make
    } else {
        make.with("driver-opts", expression(&format!("({own}) && '{HOST_NETWORK}' || ''")))
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
    fn a_word_never_holds_an_expression() {
        assert_eq!(shell_word("-{level}"), "\"-$HANDOFF_LEVEL\"");
        assert_eq!(shell_word("{dir}/image.tar"), "handoff-work/image.tar");
        assert_eq!(filled("type=gha,scope={name}"), "type=gha,scope=${{ fromJSON(inputs.cell).name }}");
    }
}
