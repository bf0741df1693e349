//! Warnings about comparisons that a plan's rounds cannot decide.

use handoff_analysis::declared::families;
use handoff_analysis::{DeclaredFamily, FamilyKind, plural};
use handoff_model::Plan;
use handoff_model::list::grouped;

/// The option that makes every declared comparison decidable; none where all are.
pub fn fix(families: &[DeclaredFamily]) -> Option<String> {
    let short = families.iter().filter(|f| f.decidable < f.comparisons);
    short.map(|f| f.rounds_needed).max().map(|rounds| format!("--rounds {rounds}"))
}

/// A warning for each declared comparison that the rounds cannot decide; of a plan that declares none, what it is for.
pub fn warnings(plan: &Plan) -> Vec<String> {
    if let Some(sentence) = plan.request.purpose.sentence() {
        return vec![sentence.to_owned()];
    }
    let all = families(&plan.request, &plan.facts);
    let Some(fix) = fix(&all) else { return Vec::new() };
    let open = all.iter().filter(|f| f.decidable < f.comparisons);
    let problems = grouped(open.map(|f| (problem(f), format!("{} {}", f.group.size, f.group.workload))));
    let line = |(problem, groups): (String, Vec<String>)| {
        let more = if groups.len() == 1 { String::new() } else { format!(" and {} more", groups.len() - 1) };
        format!("warning: at {}{more}, {problem}: use {fix} or --rounds auto", groups[0])
    };
    problems.into_iter().map(line).collect()
}

fn problem(family: &DeclaredFamily) -> String {
    let DeclaredFamily { comparisons, decidable, rounds, rounds_needed, .. } = family;
    let run = plural(*rounds as usize, "round", "rounds");
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
    format!("{run} cannot decide {which}, which takes {rounds_needed}")
}

#[cfg(test)]
mod tests {
    use handoff_model::{ByteSize, Compare, PlanRequest, Purpose, StrategySpec, VariantFacts};

    use super::*;

    const SEVEN: &str = "artifact,cache-tar,gha-cache,local-cache,zstd-stream,relay,rebuild";

    fn asked(strategies: &str, rounds: u32) -> PlanRequest {
        PlanRequest { rounds, ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap()) }
    }

    /// The warnings of a plan that says that `rebuild` has no producer.
    fn warned(request: PlanRequest) -> Vec<String> {
        let facts = |strategy: &StrategySpec| VariantFacts {
            has_producer: strategy.name != "rebuild",
            ..VariantFacts::unknown(strategy.clone())
        };
        let facts = request.strategies.iter().map(facts).collect();
        warnings(&Plan { facts, ..Plan::new(request).unwrap() })
    }

    #[test]
    fn too_few_rounds_warn_with_the_option_that_fixes_them() {
        let sizes = vec![ByteSize(1 << 30), ByteSize(2 << 30)];
        let expected = "warning: at 1GiB typical and 1 more, 3 rounds cannot decide any of the 6 comparisons with rebuild, which takes 8: \
                        use --rounds 8 or --rounds auto";
        assert_eq!(warned(PlanRequest { sizes: sizes.clone(), ..asked(SEVEN, 3) }), [expected]);
        let pairs = warned(PlanRequest { compare: Compare::Pairs, ..asked(SEVEN, 8) });
        assert!(
            pairs[0].contains("8 rounds cannot decide any of the 21 pairs, which takes 10: use --rounds 10"),
            "{pairs:?}"
        );
        let two = warned(asked("artifact,rebuild", 1));
        assert!(two[0].contains("1 round cannot decide the comparison with rebuild, which takes 6"), "{two:?}");
        assert!(warned(PlanRequest { sizes, ..asked(SEVEN, 8) }).is_empty());
        assert!(warned(asked("artifact", 3)).is_empty(), "there is nothing to decide");
    }

    #[test]
    fn plan_without_comparisons_warns_in_one_line() {
        for (purpose, word) in [(Purpose::Screening, "a screening"), (Purpose::Trend, "a trend")] {
            let lines = warned(PlanRequest { purpose, ..asked(SEVEN, 3) });
            assert!(
                lines.len() == 1 && lines[0].contains(word) && lines[0].contains("declares no comparison"),
                "{lines:?}"
            );
        }
    }
}
