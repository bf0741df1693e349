//! How a strategy runs as GitHub jobs: its steps as data, so that the workflows are written without knowing strategies' code.
//!
//! Texts may hold places in braces, filled by whoever runs them: `{name}` (keys, scopes and artifact names of the trial),
//! `{image}` (the image's reference), `{sources}` (the build context), `{dir}` (the job's folder), and every option of the
//! strategy by its name (`{level}`). A local run fills the very same texts, so that no parameter stands in two places.

use std::collections::BTreeMap;

use crate::conditions::Conditions;
use crate::span::SpanKind;
use crate::strategy::OptionSpec;

/// A strategy's two jobs as steps.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Options that mean something on GitHub only, beside those of the strategy's facts.
    pub options: &'static [OptionSpec],
    /// Options of the strategy's facts that these steps do not know, each with the reason.
    pub not_here: &'static [(&'static str, &'static str)],
    /// Steps of the job that builds; none for a strategy without a producer.
    pub producer: &'static [Step],
    /// Steps of a job that needs the image.
    pub consumer: &'static [Step],
    /// Turns values that depend on the conditions (`auto`) into the one that holds under them.
    pub settle: fn(&mut BTreeMap<String, String>, &Conditions),
    /// Where the image that was built can be looked at when the producer's clock has stopped.
    pub built: BuiltAt,
    /// Whether a step of the Dockerfile that the consumer executes is a failure: everything had to come from the cache.
    pub consumer_is_cached: bool,
}

/// Where the image that was built can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltAt {
    /// In the docker tar of that name in the job's folder.
    Tar(&'static str),
    /// In the job's engine.
    Engine,
    /// Only in the builder's cache.
    BuilderCache,
    /// In the builder's cache; what was handed over has an index of its own, of which the job keeps nothing.
    Pushed,
    /// Nothing is built before the consumers.
    Nowhere,
}

/// One step of a job.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What goes on in it.
    pub span: SpanKind,
    /// What exactly: the detail of its span.
    pub what: &'static str,
    /// Options that must have these values, or the step is not taken.
    pub when: &'static [(&'static str, &'static str)],
    /// What it does.
    pub does: Does,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// A build by docker/build-push-action.
    Build {
        /// Value of `outputs`; none loads the image into the engine.
        outputs: Option<&'static str>,
        /// Value of `cache-to`.
        cache_to: Option<&'static str>,
        /// Value of `cache-from`.
        cache_from: Option<&'static str>,
    },
    /// An action, as `owner/name[/folder]` (the newest pinned) or with `@major`, and its inputs.
    Uses(&'static str, &'static [(&'static str, &'static str)]),
    /// An action of this repository, as its folder, and its inputs.
    Own(&'static str, &'static [(&'static str, &'static str)]),
    /// Programs in a pipe, each as its words.
    Run(&'static [&'static [&'static str]]),
}

impl Step {
    /// A step that is always taken.
    pub const fn always(span: SpanKind, what: &'static str, does: Does) -> Self {
        Self { span, what, when: &[], does }
    }

    /// The same step, taken only where options have these values.
    #[must_use]
    pub const fn when(self, when: &'static [(&'static str, &'static str)]) -> Self {
        Self { when, ..self }
    }

    /// Whether it is taken where options have these values.
    pub fn is_taken(&self, options: &BTreeMap<String, String>) -> bool {
        self.when.iter().all(|(option, value)| options.get(*option).is_some_and(|v| v == value))
    }

    /// Every text of the step in which places are filled.
    pub fn texts(&self) -> Vec<&'static str> {
        match self.does {
            Does::Build { outputs, cache_to, cache_from } => {
                [outputs, cache_to, cache_from].into_iter().flatten().collect()
            }
            Does::Uses(_, with) | Does::Own(_, with) => with.iter().map(|(_, value)| *value).collect(),
            Does::Run(pipe) => pipe.iter().flat_map(|words| words.iter().copied()).collect(),
        }
    }
}

impl Recipe {
    /// For strategies whose options need no settling.
    pub fn as_given(_: &mut BTreeMap<String, String>, _: &Conditions) {}

    /// The producer's step whose action goes on when the job's steps are done, where no mark can follow.
    pub fn saves_afterwards(&self, options: &BTreeMap<String, String>) -> Option<&'static str> {
        let after = |s: &&Step| matches!(s.does, Does::Uses("actions/cache", _));
        self.producer.iter().filter(|s| s.is_taken(options)).find(after).map(|s| s.what)
    }

    /// Whether a side has a step that builds.
    pub fn builds(steps: &[Step]) -> bool {
        steps.iter().any(|s| match s.does {
            Does::Build { .. } => true,
            Does::Run(pipe) => pipe.iter().any(|words| words.starts_with(&["docker", "buildx"])),
            Does::Own(_, with) => with.iter().any(|(input, _)| *input == "context"),
            Does::Uses(..) => false,
        })
    }

    /// The folders of this repository's own actions that a side uses.
    pub fn own_actions(steps: &[Step]) -> Vec<&'static str> {
        steps.iter().filter_map(|s| if let Does::Own(folder, _) = s.does { Some(folder) } else { None }).collect()
    }

    /// Whether the producer's build puts its image into the engine, where options have these values.
    pub fn producer_loads(&self, options: &BTreeMap<String, String>) -> bool {
        let loads = |s: &Step| matches!(s.does, Does::Build { outputs: None, .. });
        self.producer.iter().any(|s| s.is_taken(options) && loads(s))
    }
}

/// The option that picks the major version of a strategy's actions.
pub const ACTION_OPTION: OptionSpec = OptionSpec {
    name: "action",
    kind: crate::strategy::OptionKind::Word(&["latest", "v4"]),
    default: "latest",
    help: "major version of the actions, on GitHub only: today's (latest) or the spike's (v4)",
};

/// The same for strategies that use `actions/cache`, which has a third form: one action that restores where it stands and saves when
/// the job's steps are done.
pub const CACHE_ACTION_OPTION: OptionSpec = OptionSpec {
    kind: crate::strategy::OptionKind::Word(&["latest", "v4", "combined"]),
    help: "the cache's actions, on GitHub only: today's restore and save (latest), the spike's (v4), or the one action that saves after the \
           job's last step (combined), whose saving GitHub's jobs API times to the second",
    ..ACTION_OPTION
};

/// Fills the places of a text; a place that `value` does not know stays as it is.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((place, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        if let Some(value) = value(place) {
            out.push_str(&value);
        } else {
            out.push('{');
            out.push_str(place);
            out.push('}');
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The places of a text, in order.
pub fn places(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(place, _)| place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_unknown_ones_stay() {
        let value = |p: &str| (p == "level").then(|| "3".to_owned());
        assert_eq!(fill("-{level} {other} {", value), "-3 {other} {");
        assert_eq!(places("type=gha,scope={name},mode={mode}"), ["name", "mode"]);
    }
}
