//! Recipe of a strategy: the steps of its GitHub jobs as data, so that workflows are written without strategy code.
//!
//! Texts may hold places in braces, filled by whoever runs them: `{name}` (keys, scopes and artifact names of the trial),
//! `{image}` (the image's reference), `{sources}` (the build context), `{dir}` (the job's folder), `{digest}` (what the
//! action `send` of the producer reported), every option of the strategy by its name (`{level}`), and texts that are
//! derived from options ([`Derived`]). A local run fills the very same texts, so that no parameter stands in two places.

use std::collections::{BTreeMap, BTreeSet};

use crate::span::SpanKind;
use crate::strategy::OptionSpec;

/// The value of every option of a strategy, and of every place that is derived from them.
pub type Values = BTreeMap<String, String>;

/// A strategy's two jobs as steps.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Options that mean something on GitHub only, beside those of the strategy's facts.
    pub options: &'static [OptionSpec],
    /// Values that a cell of the benchmark's workflows on GitHub cannot have.
    pub not_in_a_cell: &'static [Unsupported],
    /// Values that a user's workflow cannot have.
    pub not_in_a_workflow: &'static [Unsupported],
    /// Options that name something of the measuring machine, each with what a workflow has instead. Steps never show them.
    pub of_the_machine: &'static [(&'static str, &'static str)],
    /// Places whose texts are made from options.
    pub derived: &'static [Derived],
    /// Steps of the job that builds; none for a strategy without a producer.
    pub producer: &'static [Step],
    /// Steps of a job that needs the image.
    pub consumer: &'static [Step],
    /// The program that moves the bytes, where it is not the action whose step uploads or downloads.
    pub client: Option<&'static str>,
    /// Whether a step of the Dockerfile that the consumer executes is a failure: everything had to come from the cache.
    pub consumer_is_cached: bool,
}

/// Values of an option that steps cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// The option.
    pub option: &'static str,
    /// The values; none stands for every value that is given.
    pub values: &'static [&'static str],
    /// Reason.
    pub reason: &'static str,
}

impl Unsupported {
    /// An option that steps do not know: whatever is given for it is refused.
    pub const fn option(option: &'static str, reason: &'static str) -> Self {
        Self { option, values: &[], reason }
    }

    /// Some values of an option, its default perhaps among them.
    pub const fn values(option: &'static str, values: &'static [&'static str], reason: &'static str) -> Self {
        Self { option, values, reason }
    }
}

/// A place whose text is made from options, because no step takes the option's value as it is: `layers=zstd-1` is
/// `,compression=zstd,compression-level=1` for an exporter.
#[derive(Debug, Clone, Copy)]
pub struct Derived {
    /// The place's name.
    pub place: &'static str,
    /// The option that it shows: another value of the option makes another text.
    pub shows: &'static str,
    /// The text for a value of the option.
    pub text: fn(&str) -> String,
}

/// Location of the built image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltAt {
    /// Docker tar of that name in the job's folder.
    Tar(&'static str),
    /// The job's engine.
    Engine,
    /// The builder's cache alone.
    BuilderCache,
    /// The builder's cache; the pushed image has another index, which the job does not keep.
    Pushed,
    /// No image: nothing is built before the consumers.
    Nowhere,
}

/// One step of a job.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Kind of span that the step records.
    pub span: SpanKind,
    /// Detail of the span.
    pub what: &'static str,
    /// Options that must have these values, or the step is not taken.
    pub when: &'static [(&'static str, &'static str)],
    /// Variables of its environment.
    pub env: &'static [(&'static str, &'static str)],
    /// What it does.
    pub kind: StepKind,
}

/// Kind of a step.
#[derive(Debug, Clone, Copy)]
pub enum StepKind {
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
    Repository(&'static str, &'static [(&'static str, &'static str)]),
    /// Programs in a pipe, each as its words.
    Run(&'static [&'static [&'static str]]),
    /// The same, with what the last one prints written to a file.
    RunInto(&'static [&'static [&'static str]], &'static str),
}

impl Step {
    /// A step that is always taken.
    pub const fn always(span: SpanKind, what: &'static str, kind: StepKind) -> Self {
        Self { span, what, when: &[], env: &[], kind }
    }

    /// The same step, taken only where options have these values.
    #[must_use]
    pub const fn when(self, when: &'static [(&'static str, &'static str)]) -> Self {
        Self { when, ..self }
    }

    /// The same step with variables in its environment.
    #[must_use]
    pub const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    /// Whether it is taken where options have these values.
    pub fn is_taken(&self, options: &Values) -> bool {
        self.when.iter().all(|(option, value)| options.get(*option).is_some_and(|v| v == value))
    }

    /// Every text of the step in which places are filled.
    pub fn texts(&self) -> Vec<&'static str> {
        let words = |pipe: &[&[&'static str]]| pipe.concat();
        let mut texts: Vec<&'static str> = match self.kind {
            StepKind::Build { outputs, cache_to, cache_from } => {
                [outputs, cache_to, cache_from].into_iter().flatten().collect()
            }
            StepKind::Uses(_, with) | StepKind::Repository(_, with) => with.iter().map(|(_, value)| *value).collect(),
            StepKind::Run(pipe) => words(pipe),
            StepKind::RunInto(pipe, file) => words(pipe).into_iter().chain([file]).collect(),
        };
        texts.extend(self.env.iter().map(|(_, value)| *value));
        texts
    }
}

impl Recipe {
    /// No step and no exception: what a recipe does not name itself.
    pub const EMPTY: Self = Self {
        options: &[],
        not_in_a_cell: &[],
        not_in_a_workflow: &[],
        of_the_machine: &[],
        derived: &[],
        producer: &[],
        consumer: &[],
        client: None,
        consumer_is_cached: false,
    };

    /// Adds the texts of derived places.
    pub fn derive(&self, values: &mut Values) {
        for derived in self.derived {
            let text = (derived.text)(values.get(derived.shows).map_or("", String::as_str));
            values.insert(derived.place.to_owned(), text);
        }
    }

    /// The options that a step shows: those of its places, those that its derived places are made from, and those that
    /// decide whether it is taken.
    pub fn shown_by(&self, step: &Step) -> BTreeSet<&'static str> {
        let of = |place: &'static str| self.derived.iter().find(|d| d.place == place).map_or(place, |d| d.shows);
        let filled = step.texts().into_iter().flat_map(places).map(of);
        filled.chain(step.when.iter().map(|(option, _)| *option)).collect()
    }

    /// The options that the steps show which are taken where options have these values.
    pub fn shown(&self, values: &Values) -> BTreeSet<&'static str> {
        let steps = self.producer.iter().chain(self.consumer);
        steps.filter(|s| s.is_taken(values)).flat_map(|s| self.shown_by(s)).collect()
    }

    /// The producer's step whose action goes on when the job's steps are done, where no mark can follow.
    pub fn saves_afterwards(&self, options: &Values) -> Option<&'static str> {
        let after = |s: &&Step| matches!(s.kind, StepKind::Uses("actions/cache", _));
        self.producer.iter().filter(|s| s.is_taken(options)).find(after).map(|s| s.what)
    }

    /// Whether a job has a step that builds.
    pub fn builds(steps: &[Step]) -> bool {
        steps.iter().any(|s| match s.kind {
            StepKind::Build { .. } => true,
            StepKind::Run(pipe) | StepKind::RunInto(pipe, _) => {
                pipe.iter().any(|words| words.starts_with(&["docker", "buildx"]))
            }
            StepKind::Repository(_, with) => with.iter().any(|(input, _)| *input == "context"),
            StepKind::Uses(..) => false,
        })
    }

    /// Folders of this repository's actions that a job uses.
    pub fn repository_actions(steps: &[Step]) -> Vec<&'static str> {
        let folder = |s: &Step| if let StepKind::Repository(folder, _) = s.kind { Some(folder) } else { None };
        steps.iter().filter_map(folder).collect()
    }

    /// Whether the producer's build puts its image into the engine, where options have these values.
    pub fn producer_loads(&self, options: &Values) -> bool {
        let loads = |s: &Step| matches!(s.kind, StepKind::Build { outputs: None, .. });
        self.producer.iter().any(|s| s.is_taken(options) && loads(s))
    }
}

/// The elements of several lists, one list after the other. `N` is the number of all of them, and not 0.
pub const fn joined<T: Copy, const N: usize>(lists: &[&[T]]) -> [T; N] {
    let (mut list, mut at) = (0, 0);
    while lists[list].is_empty() {
        list += 1;
    }
    let mut all = [lists[list][0]; N];
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[at] = lists[list][i];
            (i, at) = (i + 1, at + 1);
        }
        list += 1;
    }
    assert!(at == N, "the number of all elements");
    all
}

/// Fills the places of a text; a place that `value` does not know stays as it is.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((place, tail)) = after.split_once('}')
    {
        out.push_str(before);
        out.push_str(&value(place).unwrap_or_else(|| format!("{{{place}}}")));
        rest = tail;
    }
    out + rest
}

/// The places of a text, in order.
pub fn places(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(place, _)| place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_placeholders_are_filled_and_unknown_ones_stay() {
        let value = |p: &str| (p == "level").then(|| "3".to_owned());
        assert_eq!(fill("-{level} {other} {", value), "-3 {other} {");
        assert_eq!(places("type=gha,scope={name},mode={mode}"), ["name", "mode"]);
    }
}
