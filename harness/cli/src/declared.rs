//! What a plan's rounds can decide, said before the first trial.

use handoff_analysis::DeclaredFamily;
use handoff_analysis::declared::families;
use handoff_analysis::verdict::FamilyKind;
use handoff_model::Plan;

use crate::out;

/// Warns of declared comparisons that the plan's rounds cannot decide; says of a plan that declares none what it is for.
pub fn tell(plan: &Plan) {
    for line in lines(plan) {
        out::talk(&line);
    }
}

/// The option that makes every declared comparison decidable; none where all are.
pub fn fix(families: &[DeclaredFamily]) -> Option<String> {
    let short = families.iter().filter(|f| f.decidable < f.comparisons);
    short.map(|f| f.rounds_needed).max().map(|rounds| format!("--rounds {rounds}"))
}

fn lines(plan: &Plan) -> Vec<String> {
    if let Some(sentence) = plan.request.purpose.sentence() {
        return vec![sentence.to_owned()];
    }
    let all = families(&plan.request, &plan.facts);
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
    use handoff_model::{Compare, Purpose};

    use super::*;
    use crate::args::PlanArgs;

    fn said(args: &PlanArgs) -> Vec<String> {
        lines(&args.plan(None).unwrap())
    }

    #[test]
    fn too_few_rounds_are_named_with_the_option_that_fixes_them() {
        let seven = "rebuild,relay,artifact,artifact:level=1,artifact:level=2,artifact:level=3,artifact:level=4";
        let seven = PlanArgs { strategies: Some(seven.into()), ..PlanArgs::default() };
        let three = PlanArgs { sizes: Some("1GiB,2GiB".into()), ..seven.clone() };
        let expected = "warning: at 1GiB typical and 1 more, 3 rounds cannot decide any of the 6 comparisons with rebuild, which takes 8: \
                        use --rounds 8 or --rounds auto";
        assert_eq!(said(&three), [expected]);
        let pairs = PlanArgs { compare: Some(Compare::Pairs), rounds: Some(8.into()), ..seven };
        assert!(
            said(&pairs)[0].contains("8 rounds cannot decide any of the 21 pairs, which takes 10: use --rounds 10")
        );
        let two =
            PlanArgs { strategies: Some("artifact,rebuild".into()), rounds: Some(1.into()), ..PlanArgs::default() };
        assert!(
            said(&two)[0].contains("1 round cannot decide the comparison with rebuild, which takes 6"),
            "{:?}",
            said(&two)
        );
        for rounds in ["8", "auto"] {
            assert!(said(&PlanArgs { rounds: rounds.parse().ok(), ..three.clone() }).is_empty());
        }
        let alone = PlanArgs { strategies: Some("artifact".into()), ..PlanArgs::default() };
        assert!(said(&alone).is_empty(), "there is nothing to decide");
    }

    #[test]
    fn a_plan_that_declares_nothing_says_so_in_one_line() {
        for (purpose, word) in [(Purpose::Screening, "a screening"), (Purpose::Trend, "a trend")] {
            let lines = said(&PlanArgs { purpose: Some(purpose), ..PlanArgs::default() });
            assert!(
                lines.len() == 1 && lines[0].contains(word) && lines[0].contains("declares no comparison"),
                "{lines:?}"
            );
        }
    }
}
