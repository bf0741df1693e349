//! Steps that jobs share, and a strategy's recipe turned into steps with marks around them.

use handoff_model::recipe::{Does, fill, places};
use handoff_model::{Recipe, recipe};

use crate::model::Step;
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

/// Fetches the binary that the first job has built.
pub fn fetch(pins: &Pins) -> Result<Vec<Step>, WorkflowError> {
    Ok(vec![
        Step::uses("Fetch handoff", pins.uses("actions/download-artifact")?)
            .with("name", BINARY)
            .with("path", "handoff-bin"),
        Step::run(
            "Put it on the path",
            "chmod +x handoff-bin/handoff\necho \"$GITHUB_WORKSPACE/handoff-bin\" >> \"$GITHUB_PATH\"\n",
        ),
    ])
}

/// The places of a text as expressions.
fn expression(place: &str) -> String {
    match place {
        "name" | "image" => format!("${{{{ {CELL}.{place} }}}}"),
        "sources" => format!("{DIR}/sources"),
        "dir" => DIR.to_owned(),
        option => format!("${{{{ {CELL}.options.{option} }}}}"),
    }
}

fn filled(text: &str) -> String {
    fill(text, |place| Some(expression(place)))
}

/// A word of a command line: places become variables, whatever is not plain is quoted.
fn shell_word(word: &str) -> String {
    let variable = |place: &str| match place {
        "sources" => Some(format!("{DIR}/sources")),
        "dir" => Some(DIR.to_owned()),
        other => Some(format!("${}", variable(other))),
    };
    quoted(&fill(word, variable))
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
        .fold(Step::run(name, &line(pipe, file, shell_word)), |run, place| run.env(&variable(place), expression(place)))
}

/// A side's steps of a strategy, a mark in front of each.
pub fn of_recipe(pins: &Pins, strategy: &Named, steps: &[recipe::Step]) -> Result<Vec<Step>, WorkflowError> {
    let mut all = Vec::new();
    for step in steps {
        let when = condition(strategy.name, step);
        let name = format!("{}: {}", strategy.name, step.what);
        let mark = format!("handoff mark {} '{}'", step.span, step.what);
        let done = match step.does {
            Does::Build { outputs, cache_to, cache_from } => {
                let mut build = Step::uses(&name, pins.uses("docker/build-push-action")?)
                    .with("context", format!("{DIR}/sources"))
                    .with("tags", filled("{image}"));
                let inputs = [("outputs", outputs), ("cache-to", cache_to), ("cache-from", cache_from)];
                for (input, value) in inputs.iter().filter_map(|(i, v)| Some((i, (*v)?))) {
                    build = build.with(input, filled(value));
                }
                if outputs.is_none() { build.with("load", true) } else { build }
            }
            Does::Uses(action, with) => with
                .iter()
                .fold(Step::uses(&name, pins.uses(action)?), |s, (input, value)| s.with(input, filled(value))),
            Does::Own(folder, with) => with
                .iter()
                .fold(
                    Step::uses(&name, Node::Noted(format!("./{SOURCE}/{folder}"), SELF_REPOSITORY.to_owned())),
                    |s, (input, value)| s.with(input, filled(value)),
                )
                // The one that the first job has built.
                .with("handoff", "handoff"),
            Does::Run(pipe) => script(&name, pipe, None),
            Does::RunInto(pipe, file) => script(&name, pipe, Some(file)),
        };
        let done = step.env.iter().fold(done, |s, (name, value)| s.env(name, filled(value)));
        all.push(Step::run(&format!("Mark: {}", step.what), &mark).when(&when));
        all.push(done.when(&when));
    }
    Ok(all)
}

/// Checks out this repository's own actions, off the clock, for the strategies that use one on this side.
pub fn own_actions(
    pins: &Pins,
    strategies: &[Named],
    side: fn(&Recipe) -> &'static [recipe::Step],
) -> Result<Option<Step>, WorkflowError> {
    let uses = |s: &&Named| !Recipe::own_actions(side(s.recipe)).is_empty();
    let names: Vec<String> =
        strategies.iter().filter(uses).map(|s| format!("{CELL}.strategy == '{}'", s.name)).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let step = Step::uses("Check out the actions of this repository", pins.uses("actions/checkout")?)
        .with("persist-credentials", false)
        .with("path", SOURCE)
        .when(&names.join(" || "));
    Ok(Some(step))
}

/// Makes a builder where the cell asks for one of its own: on the clock, for the strategies that build on this side.
pub fn builder(
    pins: &Pins,
    strategies: &[Named],
    side: fn(&Recipe) -> &'static [recipe::Step],
) -> Result<Vec<Step>, WorkflowError> {
    let names: Vec<String> = strategies
        .iter()
        .filter(|s| Recipe::builds(side(s.recipe)))
        .map(|s| format!("{CELL}.strategy == '{}'", s.name))
        .collect();
    let when = format!("{CELL}.builder == 'docker-container' && ({})", names.join(" || "));
    // An action of ours that builds is a registry on the job's loopback.
    let own: Vec<String> = strategies
        .iter()
        .filter(|s| Recipe::builds(side(s.recipe)) && !Recipe::own_actions(side(s.recipe)).is_empty())
        .map(|s| format!("{CELL}.strategy == '{}'", s.name))
        .collect();
    let make =
        Step::uses("Make a builder", pins.uses("docker/setup-buildx-action")?).with("driver", "docker-container");
    let make = if own.is_empty() {
        make
    } else {
        make.with("driver-opts", format!("${{{{ ({}) && '{HOST_NETWORK}' || '' }}}}", own.join(" || ")))
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
