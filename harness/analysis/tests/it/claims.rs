//! Statements of the spike, judged by rows made up for it.

use handoff_analysis::{Claims, JudgedClaim, Judgement, Options, WorkflowSize, judge};
use handoff_model::{Builder, Conditions, ImageStore, Outcome, Role, SpanKind};
use handoff_records::{MeasurementRow, SpanRow};
use proptest::prelude::*;

use crate::kit::{SampleRun, plan};

pub const FIVE: &str = "artifact,cache-tar,gha-cache,local-cache,zstd-stream";

pub fn recipe() -> Conditions {
    Conditions {
        image_store: ImageStore::Overlay2,
        builder: Builder::DockerContainer,
        profile: "github-hosted".into(),
        ..Conditions::default()
    }
}

/// A run at 1 GiB in which every producer takes 20 s, every consumer 20 s and the build 2 s, times a scale.
pub fn run(name: &str, strategies: &str, rounds: u32, conditions: Conditions, scale: f64) -> SampleRun {
    let plan = plan(name, strategies, &["1GiB"], rounds, false, conditions);
    SampleRun::run(name, &plan, |_, round, _| {
        let each = (20.0 + f64::from(round) / 100.0) * scale;
        Some((Some(each), each, 2.0))
    })
}

pub fn judged(runs: &[&SampleRun]) -> Vec<JudgedClaim> {
    // What is known of a strategy is known without a trial of it.
    let known = SampleRun { rows: vec![], ..run("known", FIVE, 1, recipe(), 1.0) };
    let rows: Vec<_> = std::iter::once(known.rows()).chain(runs.iter().map(|m| m.rows())).collect();
    let counted = |strategy: &str, actions: &[&str]| {
        WorkflowSize::new(strategy, 7, 40, actions.iter().map(|a| (*a).to_owned()).collect())
    };
    let workflows = [counted("artifact", &[]), counted("zstd-stream", &["someone/stream"])];
    judge(&rows, &Options::default(), &Claims::spike().unwrap(), &workflows)
}

pub fn of(runs: &[&SampleRun], id: &str) -> JudgedClaim {
    judged(runs).into_iter().find(|c| c.id == id).unwrap()
}

pub fn verdict(sample: &SampleRun, id: &str) -> String {
    of(&[sample], id).verdict()
}

/// Changes the rows of one strategy.
pub fn change(sample: &mut SampleRun, spec: &str, change: impl Fn(&mut MeasurementRow)) {
    let (name, variant) = spec.split_once(':').unwrap_or((spec, ""));
    sample.rows.iter_mut().filter(|r| r.strategy == name && r.variant == variant).for_each(change);
}

pub fn fail(row: &mut MeasurementRow, error: &str) {
    row.outcome = Outcome::Failed;
    row.error = error.into();
    row.consume_ns = None;
    row.transfer_ns = None;
    row.bytes_stored = None;
}

/// Adds a span of so many seconds to every trial of a strategy.
pub fn span(sample: &mut SampleRun, spec: &str, role: Role, kind: SpanKind, seconds: f64, bytes: Option<u64>) {
    let (name, variant) = spec.split_once(':').unwrap_or((spec, ""));
    for row in sample.rows.iter().filter(|r| r.strategy == name && r.variant == variant) {
        sample.spans.push(SpanRow {
            schema_version: 1,
            trial: row.trial.clone(),
            role,
            consumer: (role == Role::Consumer).then_some(1),
            span: kind,
            detail: String::new(),
            start_ns: 1_000,
            end_ns: 1_000 + (seconds * 1e9) as u64 + u64::from(row.round) * 1_000_000,
            bytes,
        });
    }
}

#[test]
fn verdict_on_a_time_speaks_of_the_strategy() {
    // 38 s where 120 to 480 are claimed; a consumer's 20 s where 10 to 60 are.
    let quick = run("r", FIVE, 8, recipe(), 1.0);
    assert_eq!(verdict(&quick, "artifact-transfer"), "faster than claimed at 1GiB");
    assert_eq!(verdict(&quick, "gha-cache-rebuild"), "as claimed at 1GiB");
    assert_eq!(of(&[&quick], "gha-cache-rebuild").reason, "the consumer alone; the transfer takes 38.1 s");
    assert_eq!(verdict(&quick, "zstd-stream-transfer"), "as claimed at 1GiB");
    let slow = run("r", FIVE, 8, recipe(), 20.0);
    assert_eq!(verdict(&slow, "artifact-transfer"), "slower than claimed at 1GiB");
    assert_eq!(verdict(&slow, "gha-cache-rebuild"), "slower than claimed at 1GiB");
    assert_eq!(of(&[&slow], "gha-cache-rebuild").experiment, "consumer's time of `gha-cache`");
}

#[test]
fn time_is_not_judged_by_few_trials_or_other_conditions() {
    let few = run("r", FIVE, 3, recipe(), 1.0);
    assert_eq!(
        verdict(&few, "artifact-transfer"),
        "not judged: 3 of the 6 trials that an interval of 95 % needs, all faster than claimed"
    );
    let here = run("r", FIVE, 8, Conditions::default(), 1.0);
    let text = verdict(&here, "artifact-transfer");
    assert_eq!(text, "not judged: measured with the containerd image store, the `docker` builder, profile loopback");
    let evidence = &of(&[&here], "artifact-transfer").evidence[0];
    assert!(evidence.measured.is_some() && !evidence.decides(), "shown, although it judges nothing: {evidence:?}");
    let other = run("r", "artifact:layers=zstd", 8, recipe(), 1.0);
    assert_eq!(verdict(&other, "artifact-transfer"), "not judged: no run of the preset spike yet");
    let literal = run("r", "artifact:action=v4", 8, recipe(), 1.0);
    assert_eq!(verdict(&literal, "artifact-transfer"), "faster than claimed at 1GiB");
}

#[test]
fn claims_judge_each_run_by_itself() {
    let (one, two) = (run("one", FIVE, 4, recipe(), 1.0), run("two", FIVE, 4, recipe(), 1.0));
    let claim = of(&[&one, &two], "artifact-transfer");
    assert_eq!(
        claim.verdict(),
        "not judged: 4 of the 6 trials that an interval of 95 % needs, all faster than claimed"
    );
    let runs: Vec<&str> = claim.evidence.iter().map(|e| e.run.as_str()).collect();
    assert_eq!(runs, ["one", "two"]);
    // A run that judges is not silenced by one that cannot.
    let eight = run("eight", FIVE, 8, recipe(), 1.0);
    assert_eq!(of(&[&one, &eight], "artifact-transfer").judgement, Judgement::FasterThanClaimed);
}

#[test]
fn runs_that_contradict_a_time_in_both_directions_are_named() {
    let (quick, slow) = (run("quick", FIVE, 8, recipe(), 1.0), run("slow", FIVE, 8, recipe(), 20.0));
    let claim = of(&[&quick, &slow], "artifact-transfer");
    assert_eq!(claim.judgement, Judgement::NotAsClaimed);
    assert!(
        claim.reason.contains("faster than claimed at 1GiB") && claim.reason.contains("slower than claimed"),
        "{claim:?}"
    );
    let both = of(&[&quick, &slow], "gha-cache-rebuild");
    assert_eq!(both.judgement, Judgement::SlowerThanClaimed, "one departure is enough");
    assert!(both.reason.contains("as claimed at 1GiB under github-hosted"), "{}", both.reason);
}

fn under(profile: &str) -> Conditions {
    Conditions { profile: profile.into(), ..recipe() }
}

/// Verdict on a rate: 1,000 MiB in so many seconds.
fn rate(id: &str, profile: &str, seconds: f64, rounds: u32) -> String {
    let mut sample = run("r", "zstd-stream", rounds, under(profile), 1.0);
    span(&mut sample, "zstd-stream", Role::Producer, SpanKind::Upload, seconds, Some(1_000 << 20));
    span(&mut sample, "zstd-stream", Role::Consumer, SpanKind::Download, seconds, Some(1_000 << 20));
    verdict(&sample, id)
}

#[test]
fn rate_above_its_lower_bound_is_as_claimed() {
    assert_eq!(rate("zstd-stream-upload", "github", 2.0, 8), "as claimed");
    assert_eq!(rate("zstd-stream-upload", "github", 5.4, 8), "as claimed");
    assert_eq!(rate("zstd-stream-upload", "github", 10.0, 8), "slower than claimed");
    let none = run("r", "zstd-stream", 8, under("github"), 1.0);
    assert_eq!(verdict(&none, "zstd-stream-download"), "not judged: no trial has the quantity");
}

#[test]
fn rate_is_not_judged_by_a_simulated_link_and_only_refuted_by_loopback() {
    for id in ["zstd-stream-upload", "zstd-stream-download"] {
        for seconds in [5.0, 20.0] {
            let text = rate(id, "github-hosted", seconds, 8);
            assert!(text.starts_with("not judged: it needs GitHub's network"), "{id}: {text}");
        }
        assert_eq!(rate(id, "loopback", 20.0, 8), "slower than claimed", "even without a link");
        for (seconds, rounds) in [(20.0, 5), (1.0, 8)] {
            assert!(rate(id, "loopback", seconds, rounds).starts_with("not judged: it needs GitHub's network"), "{id}");
        }
        assert_eq!(rate(id, "github", 20.0, 8), "slower than claimed");
    }
    let claim = of(&[], "zstd-stream-upload");
    assert!(claim.experiment.contains("compressed bytes sent"), "{}", claim.experiment);
}

#[test]
fn rate_counts_the_services_bytes_where_a_span_has_none() {
    let mut sample = run("r", "zstd-stream", 8, under("github"), 1.0);
    span(&mut sample, "zstd-stream", Role::Producer, SpanKind::Upload, 2.0, None);
    change(&mut sample, "zstd-stream", |r| r.bytes_up = Some(1_000 << 20));
    assert_eq!(verdict(&sample, "zstd-stream-upload"), "as claimed");
}

/// Consumers of `gha-cache` take so many seconds, those of `rebuild` 30.
fn cached(seconds: f64, rounds: u32) -> SampleRun {
    let plan = plan("r", "gha-cache,rebuild", &["1GiB"], rounds, false, recipe());
    SampleRun::run("r", &plan, |s, round, _| {
        let each = if s == "rebuild" { 30.0 } else { seconds } + f64::from(round) / 100.0;
        Some((Some(each), each, 2.0))
    })
}

#[test]
fn rebuild_in_seconds_is_clearly_faster_than_one_without_a_cache() {
    for (seconds, expected) in [(26.0, "slower than claimed at 1GiB"), (10.0, "as claimed at 1GiB")] {
        assert_eq!(verdict(&cached(seconds, 8), "gha-cache-seconds"), expected, "{seconds} s");
    }
    let claim = of(&[&cached(26.0, 8)], "gha-cache-seconds");
    assert!(claim.reason.contains("of the time of `rebuild`"), "{}", claim.reason);
    assert!(
        claim.claimed.contains("ours: at most 60 s, and at most 0.5 of the time of `rebuild`"),
        "{}",
        claim.claimed
    );
    let few = verdict(&cached(26.0, 3), "gha-cache-seconds");
    assert!(few.ends_with("3 of the 6 trials that an interval of 95 % needs, all slower than claimed"), "{few}");
    let alone = run("r", "gha-cache", 8, recipe(), 1.0);
    assert!(verdict(&alone, "gha-cache-seconds").starts_with("not judged: no round in which both it and `rebuild`"));
}

#[test]
fn near_instant_is_a_tenth_of_a_rebuild_without_a_cache() {
    assert_eq!(verdict(&cached(2.0, 8), "gha-cache-near-instant"), "as claimed at 1GiB");
    assert_eq!(verdict(&cached(10.0, 8), "gha-cache-near-instant"), "slower than claimed at 1GiB");
}

#[test]
fn verdict_names_judged_sizes_and_open_ones() {
    let at = |name: &str, size: &str, rounds, seconds: f64| {
        let plan = plan(name, "gha-cache", &[size], rounds, false, recipe());
        SampleRun::run(name, &plan, |_, round, _| {
            let each = seconds + f64::from(round) / 100.0;
            Some((Some(each), each, 2.0))
        })
    };
    let (small, large) = (at("small", "1GiB", 8, 27.0), at("large", "3GiB", 2, 67.0));
    let claim = of(&[&small, &large], "gha-cache-rebuild");
    assert_eq!(
        claim.verdict(),
        "as claimed at 1GiB; 3GiB: 2 of the 6 trials that an interval of 95 % needs, all slower than claimed"
    );
    assert!(claim.is_partial && claim.shown().len() == 2, "{claim:?}");
    assert!(!of(&[&small], "gha-cache-rebuild").is_partial);
    let open = of(&[&at("small", "1GiB", 2, 27.0), &large], "gha-cache-rebuild").verdict();
    assert!(open.starts_with("not judged: 1GiB: 2 of the 6") && open.contains("; 3GiB: 2 of the 6"), "{open}");
}

#[test]
fn printed_bound_is_the_bound_of_the_rule() {
    for (id, bounds) in [
        ("artifact-level", &["0.015", "0.025"][..]),
        ("artifact-slowest", &["2 GB"]),
        ("cache-tar-tight", &["at most 10 "]),
        ("cache-tar-restore", &["0.75 to 1 "]),
        ("gha-cache-layers", &["at least 2"]),
        ("gha-cache-near-instant", &["at most 0.1 "]),
        ("local-cache-move", &["at least 1.01 "]),
        ("local-cache-large", &["at least 1.2 "]),
        ("zstd-stream-disk", &["at most 0.95 "]),
    ] {
        let claimed = of(&[], id).claimed;
        assert!(claimed.contains("(ours: ") && bounds.iter().all(|b| claimed.contains(b)), "{id}: {claimed}");
    }
}

#[test]
fn another_client_than_the_spikes_is_named() {
    let mut sample = run("r", "zstd-stream", 8, recipe(), 1.0);
    change(&mut sample, "zstd-stream", |r| r.client = "handoff 0.1.0".into());
    let claim = of(&[&sample], "zstd-stream-transfer");
    assert_eq!(claim.judgement, Judgement::AsClaimed);
    assert_eq!(claim.reason, "by the client `handoff 0.1.0`, not by lhotari's, which the spike names");
    change(&mut sample, "zstd-stream", |r| r.client = "lhotari/gh-actions-artifact-client 0.0.0".into());
    assert_eq!(of(&[&sample], "zstd-stream-transfer").reason, "");
}

#[test]
fn level_0_is_compared_with_level_6_within_rounds() {
    let level = |six: f64| {
        let mut sample = run("r", "artifact,artifact:level=6", 8, recipe(), 1.0);
        span(&mut sample, "artifact", Role::Producer, SpanKind::Upload, 4.0, None);
        span(&mut sample, "artifact:level=6", Role::Producer, SpanKind::Upload, six, None);
        verdict(&sample, "artifact-level")
    };
    assert_eq!(level(200.0), "as claimed");
    assert_eq!(level(40.0), "slower than claimed");
    assert_eq!(level(1_000.0), "faster than claimed");
    let mut few = run("r", "artifact,artifact:level=6", 3, recipe(), 1.0);
    span(&mut few, "artifact", Role::Producer, SpanKind::Upload, 4.0, None);
    span(&mut few, "artifact:level=6", Role::Producer, SpanKind::Upload, 200.0, None);
    assert!(verdict(&few, "artifact-level").starts_with("not judged: 3 of the 6"));
    // A variant that only spells out the recipe stands in for the plain strategy, and only where that has no rows.
    let mut both = run("r", "artifact,artifact:level=6,artifact:source=save", 8, recipe(), 1.0);
    span(&mut both, "artifact", Role::Producer, SpanKind::Upload, 4.0, None);
    span(&mut both, "artifact:source=save", Role::Producer, SpanKind::Upload, 100.0, None);
    span(&mut both, "artifact:level=6", Role::Producer, SpanKind::Upload, 200.0, None);
    let claim = of(&[&both], "artifact-level");
    assert_eq!((claim.judgement, claim.evidence.len()), (Judgement::AsClaimed, 1));
    let alone = run("r", "artifact", 8, recipe(), 1.0);
    assert_eq!(verdict(&alone, "artifact-level"), "not judged: no run of the preset claims yet");
}

#[test]
fn restore_that_is_slightly_faster_somewhere_is_as_claimed() {
    let restore = |name: &str, seconds: f64| {
        let mut sample = run(name, "artifact,cache-tar", 8, under("github"), 1.0);
        span(&mut sample, "artifact", Role::Consumer, SpanKind::Download, 10.0, None);
        span(&mut sample, "cache-tar", Role::Consumer, SpanKind::Download, seconds, None);
        sample
    };
    let (slower, slightly, far) = (restore("a", 12.0), restore("b", 9.0), restore("c", 3.0));
    assert_eq!(verdict(&slower, "cache-tar-restore"), "slower than claimed");
    assert_eq!(verdict(&far, "cache-tar-restore"), "faster than claimed");
    assert_eq!(of(&[&slower, &slightly, &far], "cache-tar-restore").judgement, Judgement::AsClaimed);
    assert_eq!(of(&[&slower, &far], "cache-tar-restore").judgement, Judgement::FasterThanClaimed);
}

#[test]
fn restore_is_not_judged_by_the_connections_of_a_simulated_link() {
    for profile in ["github-hosted", "loopback"] {
        let mut sample = run("r", "artifact,cache-tar", 8, under(profile), 1.0);
        span(&mut sample, "artifact", Role::Consumer, SpanKind::Download, 10.0, None);
        span(&mut sample, "cache-tar", Role::Consumer, SpanKind::Download, 3.0, None);
        let claim = of(&[&sample], "cache-tar-restore");
        assert!(claim.verdict().starts_with("not judged: it needs GitHub's network"), "{}", claim.verdict());
        assert!(claim.shown()[0].measured.is_some(), "the ratio is shown");
    }
}

#[test]
fn slowest_is_slower_than_every_other_one() {
    let with = |others: f64, size: &str| {
        let plan = plan("r", FIVE, &[size], 8, false, recipe());
        let sample = SampleRun::run("r", &plan, |s, round, _| {
            let each = if s == "artifact" { 30.0 } else { others } + f64::from(round) / 100.0;
            Some((Some(each), each, 2.0))
        });
        of(&[&sample], "artifact-slowest")
    };
    assert_eq!(with(20.0, "2GiB").judgement, Judgement::AsClaimed);
    assert_eq!(with(40.0, "2GiB").judgement, Judgement::NotAsClaimed);
    assert!(with(40.0, "2GiB").evidence[0].note.contains(", 99.2 %] of `zstd-stream`"));
    assert_eq!(with(20.0, "1GiB").verdict(), "not judged: measured with a size of 1GiB", "1 GiB is not large");
}

#[test]
fn every_statement_has_a_verdict_and_what_is_not_judged_has_a_reason() {
    let sample = run("r", FIVE, 8, recipe(), 1.0);
    for runs in [&[][..], &[&sample]] {
        let all = judged(runs);
        assert_eq!(all.len(), Claims::spike().unwrap().claims.len());
        for claim in &all {
            assert!(claim.judgement != Judgement::NotJudged || !claim.reason.is_empty(), "{claim:?}");
            let texts = [&claim.claimed, &claim.statement, &claim.place, &claim.reason, &claim.verdict()];
            assert!(texts.iter().all(|t| !t.contains('?')), "{claim:?}");
        }
    }
}

#[test]
fn user_image_judges_no_claim() {
    let mut sample = run("r", FIVE, 8, recipe(), 1.0);
    for row in &mut sample.rows {
        row.workload = "context:/src".into();
        row.size_bytes = 0;
    }
    assert!(judged(&[&sample]).iter().all(|c| c.evidence.is_empty()));
}

#[test]
fn control_trials_are_no_evidence() {
    let plan = plan("r", "artifact,rebuild", &["1GiB"], 3, true, recipe());
    let sample = SampleRun::run("r", &plan, |_, _, _| Some((Some(20.0), 20.0, 2.0)));
    assert_eq!(of(&[&sample], "artifact-transfer").evidence[0].n, 3);
}

proptest! {
    #[test]
    fn time_verdict_agrees_with_all_trials(scale in 0.2f64..40.0) {
        let sample = run("r", "artifact", 8, recipe(), scale);
        let transfers: Vec<f64> = sample.rows.iter().map(|r| r.transfer_ns.unwrap() as f64 / 1e9).collect();
        let judgement = of(&[&sample], "artifact-transfer").judgement;
        if transfers.iter().all(|t| *t > 480.0) {
            prop_assert_eq!(judgement, Judgement::SlowerThanClaimed);
        } else if transfers.iter().all(|t| *t < 120.0) {
            prop_assert_eq!(judgement, Judgement::FasterThanClaimed);
        } else if transfers.iter().all(|t| (120.0..=480.0).contains(t)) {
            prop_assert_eq!(judgement, Judgement::AsClaimed);
        }
    }
}
