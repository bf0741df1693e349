//! Purpose of a run, and the comparisons that its rounds must be able to decide.

use serde::{Deserialize, Serialize};

use crate::level::levels;

levels!(
    /// Comparisons that a plan declares.
    #[derive(Default)]
    Compare, "comparison", {
        /// Every strategy of a group against the group's reference.
        #[default]
        Reference = "reference",
        /// Every pair of a group's strategies.
        Pairs = "pairs",
    }
);

levels!(
    /// Purpose of a run.
    #[derive(Default)]
    Purpose, "purpose", {
        /// Verdicts: the plan declares comparisons, and its rounds must be able to decide them.
        #[default]
        Decision = "decision",
        /// Candidates: few rounds of many strategies show which are worth more rounds. Declares no comparison.
        Screening = "screening",
        /// A trend: few rounds show how times change over the levels of a factor. Declares no comparison.
        Trend = "trend",
    }
);

impl Purpose {
    /// A sentence on a run that declares no comparison; none for a run that decides.
    pub fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Decision => None,
            Self::Screening => Some(
                "This is a screening: it looks for strategies that are worth more rounds, and declares no comparison.",
            ),
            Self::Trend => Some("This run shows a trend over the levels of its factors, and declares no comparison."),
        }
    }
}
