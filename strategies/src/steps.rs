//! Constructors of a recipe's steps.

use handoff_model::SpanKind;
use handoff_model::recipe::{Step, StepKind};

/// Build by docker/build-push-action. Without `outputs` the engine loads the image.
pub const fn build(
    outputs: Option<&'static str>,
    cache_to: Option<&'static str>,
    cache_from: Option<&'static str>,
) -> Step {
    Step::always(SpanKind::Command, "build-push-action", StepKind::Build { outputs, cache_to, cache_from })
}

/// Pipe of programs, each as its words.
pub const fn run(span: SpanKind, what: &'static str, pipe: &'static [&'static [&'static str]]) -> Step {
    Step::always(span, what, StepKind::Run(pipe))
}

/// Action with its inputs.
pub const fn uses(span: SpanKind, what: &'static str, action: &'static str, with: &'static [(&str, &str)]) -> Step {
    Step::always(span, what, StepKind::Uses(action, with))
}
