//! What a plan's rounds can decide, said before the first trial.

use handoff_analysis::DeclaredFamily;
use handoff_analysis::declared::families;
use handoff_analysis::verdict::FamilyKind;
use handoff_model::PlanRequest;

/// The option that makes every declared comparison decidable; none where all are.
pub fn fix(families: &[DeclaredFamily]) -> Option<String> {
    let short = families.iter().filter(|f| f.decidable < f.comparisons);
    short.map(|f| f.rounds_needed).max().map(|rounds| format!("--rounds {rounds}"))
}

/// A warning for each declared comparison that the rounds cannot decide; of a plan that declares none, what it is for.
pub fn warnings(request: &PlanRequest) -> Vec<String> {
    if let Some(sentence) = request.purpose.sentence() {
        return vec![sentence.to_owned()];
    }
    let all = families(request);
    let Some(fix) = fix(&all) else { return Vec::new() };
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for family in all.iter().filter(|f| f.decidable < f.comparisons) {
        let group = format!("{} {}", family.group.size, family.group.workload);
        let problem = problem(family);
        match told.iter_mut().find(|(known, _)| *known == problem) {
            Some((_, groups)) => groups.push(group),
            None => told.push((problem, vec![group])),
        }
    }
    let line = |(problem, groups): (String, Vec<String>)| {
        let more = match groups.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        format!("warning: at {}{more}, {problem}: use {fix} or --rounds auto", groups[0])
    };
    told.into_iter().map(line).collect()
}

fn problem(family: &DeclaredFamily) -> String {
    let DeclaredFamily { comparisons, decidable, rounds, rounds_needed, .. } = family;
    let plural = if *rounds == 1 { "" } else { "s" };
    let what = match (&family.reference, family.kind) {
        (Some(reference), FamilyKind::Reference) => format!("comparisons with {reference}"),
        _ => "pairs".to_owned(),
    };
    let open = comparisons - decidable;
    let which = match (open, comparisons) {
        (1, 1) => what.replace("comparisons", "the comparison").replace("pairs", "the pair"),
        _ if open == *comparisons => format!("any of the {comparisons} {what}"),
        _ => format!("{open} of the {comparisons} {what}"),
    };
    format!("{rounds} round{plural} cannot decide {which}, which takes {rounds_needed}")
}

#[cfg(test)]
mod tests {
    use handoff_model::{ByteSize, Compare, Purpose, StrategySpec};

    use super::*;

    const SEVEN: &str = "artifact,cache-tar,gha-cache,local-cache,zstd-stream,relay,rebuild";

    fn asked(strategies: &str, rounds: u32) -> PlanRequest {
        PlanRequest { rounds, ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap()) }
    }

    #[test]
    fn too_few_rounds_are_named_with_the_option_that_fixes_them() {
        let sizes = vec![ByteSize(1 << 30), ByteSize(2 << 30)];
        let expected = "warning: at 1GiB typical and 1 more, 3 rounds cannot decide any of the 6 comparisons with rebuild, which takes 8: \
                        use --rounds 8 or --rounds auto";
        assert_eq!(warnings(&PlanRequest { sizes: sizes.clone(), ..asked(SEVEN, 3) }), [expected]);
        let pairs = warnings(&PlanRequest { compare: Compare::Pairs, ..asked(SEVEN, 8) });
        assert!(
            pairs[0].contains("8 rounds cannot decide any of the 21 pairs, which takes 10: use --rounds 10"),
            "{pairs:?}"
        );
        let two = warnings(&asked("artifact,rebuild", 1));
        assert!(two[0].contains("1 round cannot decide the comparison with rebuild, which takes 6"), "{two:?}");
        assert!(warnings(&PlanRequest { sizes, ..asked(SEVEN, 8) }).is_empty());
        assert!(warnings(&asked("artifact", 3)).is_empty(), "there is nothing to decide");
    }

    #[test]
    fn a_plan_that_declares_nothing_says_so_in_one_line() {
        for (purpose, word) in [(Purpose::Screening, "a screening"), (Purpose::Trend, "a trend")] {
            let lines = warnings(&PlanRequest { purpose, ..asked(SEVEN, 3) });
            assert!(
                lines.len() == 1 && lines[0].contains(word) && lines[0].contains("declares no comparison"),
                "{lines:?}"
            );
        }
    }
}
