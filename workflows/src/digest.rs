//! Digest of a sent image, from the action `send` to the actions `receive` of other jobs.
//!
//! Any job of a run can write artifacts, so that the name of a transfer proves nothing. No other job can write the outputs
//! of the sending job: a receiver that knows the digest refuses every other image.

use handoff_model::recipe::{self, StepKind};

use crate::Named;
use crate::model::expression;

/// Output of `send` and of its job.
const DIGEST: &str = "digest";

/// Whether a step is the action `send`.
pub fn is_send(step: &recipe::Step) -> bool {
    matches!(step.kind, StepKind::Repository("send", _))
}

/// Whether a step is the action `receive`.
pub fn is_receive(step: &recipe::Step) -> bool {
    matches!(step.kind, StepKind::Repository("receive", _))
}

/// Id of a strategy's step in a job that has the steps of all strategies.
pub fn id(strategy: &str, index: usize) -> String {
    format!("{strategy}-{}", index + 1)
}

/// Ids of the steps that send, in the order of the strategies.
pub fn senders(strategies: &[Named]) -> Vec<String> {
    let of = |s: &Named| {
        let steps = s.recipe.producer.iter().enumerate().filter(|(_, step)| is_send(step));
        steps.map(|(index, _)| id(s.name, index)).collect::<Vec<_>>()
    };
    strategies.iter().flat_map(of).collect()
}

/// Output of a job: the digest of the step that sent, out of these. None without such a step.
pub fn output(ids: &[String]) -> Option<(&'static str, String)> {
    let digests: Vec<String> = ids.iter().map(|id| format!("steps.{id}.outputs.{DIGEST}")).collect();
    (!ids.is_empty()).then(|| (DIGEST, expression(&digests.join(" || "))))
}

/// Value of the place `digest` in a job that needs the sending one.
pub fn of_job(job: &str) -> String {
    expression(&format!("needs.{job}.outputs.{DIGEST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_the_digest_of_whichever_step_has_sent() {
        let ids = [id("relay", 0), id("relay", 2)];
        let expected = "${{ steps.relay-1.outputs.digest || steps.relay-3.outputs.digest }}";
        assert_eq!(output(&ids), Some(("digest", expected.to_owned())));
        assert_eq!(output(&[]), None);
    }
}
