//! `--rounds N|auto`: a number, or as many as the declared comparisons need.

use handoff_analysis::declared;
use handoff_model::PlanRequest;

/// More rounds than anybody waits for are a typo.
const MOST_ROUNDS: u32 = 1_000;

/// How many rounds are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// So many.
    Count(u32),
    /// The fewest with which the exact test can decide every declared comparison.
    Auto,
}

/// The word for [`Rounds::Auto`], on the command line and in a matrix file.
pub const AUTO: &str = "auto";

impl From<u32> for Rounds {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Auto => f.write_str(AUTO),
        }
    }
}

impl std::str::FromStr for Rounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == AUTO {
            return Ok(Self::Auto);
        }
        let count: u32 =
            text.parse().map_err(|_| format!("`{text}` is no number of rounds: use 1 to {MOST_ROUNDS}, or {AUTO}"))?;
        if count == 0 {
            return Err(format!("0 rounds measure nothing: use 1 to {MOST_ROUNDS}, or {AUTO}"));
        }
        if count > MOST_ROUNDS {
            return Err(format!("{count} is out of range: use 1 to {MOST_ROUNDS}, or {AUTO}"));
        }
        Ok(Self::Count(count))
    }
}

impl Rounds {
    /// The number that a plan starts from; [`resolve`] raises that of `auto`.
    pub fn at_least(self) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Auto => declared::FEWEST_ROUNDS,
        }
    }
}

/// Gives those parts of a request that are `auto`, in the order of [`PlanRequest::parts`], the rounds that their declared
/// comparisons need.
pub fn resolve(request: &mut PlanRequest, auto: &[bool]) {
    let needed = declared::rounds_of_parts(request);
    let mut needed = needed.into_iter().zip(auto).map(|(rounds, auto)| if *auto { rounds } else { 0 });
    if request.blocks.is_empty() {
        request.rounds = request.rounds.max(needed.next().unwrap_or(0));
        return;
    }
    for (block, rounds) in request.blocks.iter_mut().zip(needed) {
        block.rounds = block.rounds.max(rounds);
    }
    request.rounds = request.blocks.iter().map(|block| block.rounds).max().unwrap_or(request.rounds);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::PlanArgs;

    fn planned(strategies: &str, more: PlanArgs) -> PlanRequest {
        let args = PlanArgs { strategies: Some(strategies.into()), rounds: Some(Rounds::Auto), ..more };
        args.request(None).unwrap()
    }

    #[test]
    fn auto_counts_the_declared_comparisons() {
        let seven = "rebuild,relay,artifact,artifact:level=1,artifact:level=2,artifact:level=3,artifact:level=4";
        assert_eq!(planned(seven, PlanArgs::default()).rounds, 8);
        assert_eq!(planned(seven, PlanArgs { control: true, ..PlanArgs::default() }).rounds, 8);
        assert_eq!(planned("artifact,rebuild", PlanArgs::default()).rounds, 6);
        assert_eq!(planned("artifact", PlanArgs::default()).rounds, 6);
        let pairs = PlanArgs { compare: Some(handoff_model::Compare::Pairs), ..PlanArgs::default() };
        assert_eq!(planned(seven, pairs).rounds, 10);
    }

    #[test]
    fn a_number_of_rounds_is_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(Rounds::Auto));
        assert_eq!("12".parse(), Ok(Rounds::Count(12)));
        for (text, part) in [
            ("Auto", "or auto"),
            ("-1", "is no number"),
            ("", "is no number"),
            ("0", "measure nothing"),
            ("1001", "out of range"),
        ] {
            assert!(text.parse::<Rounds>().unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_run_that_goes_on_keeps_the_number_that_auto_stood_for() {
        let stored = planned("all", PlanArgs::default());
        assert_eq!(PlanArgs::default().request(Some(&stored)).unwrap(), stored);
        let again = PlanArgs { rounds: Some(Rounds::Auto), ..PlanArgs::default() };
        assert_eq!(again.request(Some(&stored)).unwrap(), stored);
    }
}
