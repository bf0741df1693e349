//! From rows to verdicts, rankings and decisions.

use handoff_analysis::{Analysis, FanOut, InputError, Metric, Options, SmallestEffect, Verdict, Why, analyse};
use handoff_model::{Conditions, Storage, StrategySpec};
use proptest::prelude::*;

use crate::kit::{Numbers, SampleRun, plan};

const ALL: &str = "artifact,gha-cache,zstd-stream,rebuild";

/// Some noise that no two trials share, between 0 and 1 s.
fn wobble(strategy: &str, round: u32) -> f64 {
    f64::from(strategy.bytes().map(u32::from).sum::<u32>().wrapping_mul(2_654_435_761).rotate_left(round * 5) % 1000)
        / 1e3
}

/// zstd-stream is 20 s behind rebuild, artifact 10 s, gha-cache level with it.
#[expect(clippy::unnecessary_wraps, reason = "the shape that a made-up run asks for")]
fn numbers(strategy: &str, round: u32, gib: f64) -> Numbers {
    let noise = wobble(strategy, round);
    Some(match strategy {
        "rebuild" => (None, 30.0 * gib + noise, 6.0),
        "gha-cache" => (Some(10.0 * gib), 20.0 * gib + noise, 6.0),
        "zstd-stream" => (Some(30.0 * gib), 20.0 * gib + noise, 6.0),
        _ => (Some(25.0 * gib), 15.0 * gib + noise, 6.0),
    })
}

fn run(rounds: u32) -> SampleRun {
    SampleRun::run("r", &plan("r", ALL, &["1GiB"], rounds, false, Conditions::default()), numbers)
}

fn words(analysis: &Analysis) -> Vec<(String, &'static str)> {
    let family = analysis.groups[0].main_family().unwrap();
    family.comparisons.iter().map(|c| (c.strategy.to_string(), c.verdict.word())).collect()
}

#[test]
fn eight_rounds_decide_and_three_do_not() {
    let analysis = run(8).analyse();
    let expected = [("artifact", "slower"), ("gha-cache", "equivalent"), ("zstd-stream", "slower")];
    assert_eq!(words(&analysis), expected.map(|(a, b)| (a.to_owned(), b)));
    let family = analysis.groups[0].main_family().unwrap();
    assert_eq!((family.size, family.rounds_needed), (3, 7));

    let analysis = run(3).analyse();
    for c in &analysis.groups[0].main_family().unwrap().comparisons {
        let missing = c.verdict.inconclusive().unwrap();
        assert_eq!((missing.why, missing.rounds_at_least), (Why::TooFewRounds, 7), "{c:?}");
        assert!(
            c.shift_s.unwrap().low.is_none() && (c.p.unwrap() - 0.25).abs() < 1e-12 || c.strategy.name == "gha-cache"
        );
    }
    assert!(analysis.groups[0].ranking.places.iter().all(|p| p.rank == 1), "nothing is known, so all share a rank");
}

#[test]
fn tied_strategies_share_a_rank_and_failed_ones_have_none() {
    let ranks = |sample: &SampleRun| -> Vec<(String, usize)> {
        sample.analyse().groups[0].ranking.places.iter().map(|p| (p.strategy.to_string(), p.rank)).collect()
    };
    let all = ranks(&run(10));
    assert_eq!(all.iter().map(|(_, r)| *r).collect::<Vec<_>>(), [1, 1, 3, 4]);
    assert_eq!((all[2].0.as_str(), all[3].0.as_str()), ("artifact", "zstd-stream"));
    let plan = plan("r", ALL, &["1GiB"], 10, false, Conditions::default());
    let broken = SampleRun::run(
        "r",
        &plan,
        |s, round, gib| if (s, round) == ("artifact", 4) { None } else { numbers(s, round, gib) },
    );
    assert_eq!(ranks(&broken).len(), 3);
    let analysis = broken.analyse();
    assert_eq!(analysis.groups[0].ranking.unranked, [StrategySpec::plain("artifact")]);
    let c = &analysis.groups[0].main_family().unwrap().comparisons[0];
    assert_eq!((c.pairs, c.left_out), (9, 1), "a round with one of the two is no pair");
}

#[test]
fn difference_below_the_noise_floor_is_inconclusive() {
    let plan = plan("r", "artifact,rebuild", &["1GiB"], 8, true, Conditions::default());
    let with = |apart: f64| {
        SampleRun::run("r", &plan, move |s, round, gib| {
            let far = if round % 2 == 0 { apart } else { -apart };
            match s {
                "artifact+" => numbers("artifact", round, gib).map(|(p, c, b)| (p, c + far, b)),
                s => numbers(s, round, gib),
            }
        })
        .analyse()
    };
    assert_eq!(words(&with(1.0)), [("artifact".to_owned(), "slower")]);
    let noisy = with(14.0);
    let floor = noisy.groups[0].noise.as_ref().unwrap();
    assert!(floor.floor_s > 10.6 && floor.pairs == 8, "{floor:?}");
    let verdict = &noisy.groups[0].main_family().unwrap().comparisons[0].verdict;
    assert_eq!(verdict.inconclusive().unwrap().why, Why::BelowNoise);
}

#[test]
fn smallest_effect_option_changes_the_verdict() {
    let options = |seconds, share| Options { smallest_effect: SmallestEffect { share, seconds }, ..Options::default() };
    let sample = run(8);
    let verdict =
        |o: &Options| analyse(&[sample.rows()], o).unwrap().groups[0].families[0].comparisons[0].verdict.clone();
    assert_eq!(verdict(&options(2.0, 0.05)), Verdict::Slower);
    assert_eq!(verdict(&options(12.0, 0.05)), Verdict::Equivalent);
    assert_eq!(verdict(&options(2.0, 0.5)), Verdict::Equivalent);
}

#[test]
fn reference_and_metrics_options_are_used() {
    let sample = run(8);
    let options = Options {
        reference: Some(StrategySpec::plain("artifact")),
        metrics: vec![Metric::CriticalPath, Metric::Transfer],
        ..Options::default()
    };
    let analysis = analyse(&[sample.rows()], &options).unwrap();
    let families = &analysis.groups[0].families;
    assert_eq!(
        families.iter().map(|f| (f.metric, f.size)).collect::<Vec<_>>(),
        [
            (Metric::CriticalPath, 3),
            // rebuild has no transfer.
            (Metric::Transfer, 2)
        ]
    );
    assert!(families.iter().flat_map(|f| &f.comparisons).all(|c| c.reference.name == "artifact"));
}

#[test]
fn sizes_are_pooled_if_one_has_too_few_rounds() {
    let plan = plan("r", ALL, &["1GiB", "2GiB", "3GiB"], 3, false, Conditions::default());
    let analysis = SampleRun::run("r", &plan, numbers).analyse();
    assert!(
        analysis.groups.iter().all(|g| g
            .main_family()
            .unwrap()
            .comparisons
            .iter()
            .all(|c| c.verdict.word() == "inconclusive"))
    );
    let pooled = &analysis.pooled[0];
    assert_eq!((pooled.sizes.len(), pooled.comparisons[0].pairs), (3, 9));
    let words: Vec<&str> = pooled.comparisons.iter().map(|c| c.verdict.word()).collect();
    assert_eq!(words, ["slower", "equivalent", "slower"]);
}

#[test]
fn drift_of_a_slowing_machine_is_reported() {
    let plan = plan("r", ALL, &["1GiB"], 8, false, Conditions::default());
    let slowing = SampleRun::run("r", &plan, |s, round, gib| {
        numbers(s, round, gib).map(|(p, c, b)| (p, c + 4.0 * f64::from(round), b))
    });
    let drift = &slowing.analyse().groups[0].drift[0];
    assert!(drift.drifts && drift.per_round.unwrap() > 0.05, "{drift:?}");
    // The verdicts are within rounds, so that it does not touch them.
    assert_eq!(words(&slowing.analyse()), words(&run(8).analyse()));
    let few = &run(2).analyse().groups[0].drift[0];
    assert!(few.p.is_none() && !few.drifts);
}

#[test]
fn break_even_storage_and_fan_out_follow_from_medians() {
    let analysis = run(3).analyse();
    let artifact = &analysis.break_even[0];
    assert_eq!(artifact.cell.strategy.name, "artifact");
    assert!(artifact.wait_s > 9.0 && artifact.wait_s < 11.0 && artifact.consumers == Some(2), "{artifact:?}");
    let curve = analysis.fan_out.iter().find(|c| c.strategy.name == "artifact").unwrap();
    let points: Vec<(u32, &str)> = curve.points.iter().map(|p| (p.consumers, word(p))).collect();
    assert_eq!(points, [(1, "measured"), (4, "modelled"), (11, "modelled"), (24, "modelled"), (40, "modelled")]);
    assert!(curve.points[1].runner_s > 84.0 && curve.points[1].runner_s < 90.0);
    let stores: Vec<(Storage, Option<u64>, usize)> =
        analysis.storage.iter().map(|s| (s.storage, s.commits_until_eviction, s.quota_shares.len())).collect();
    assert_eq!(stores, [(Storage::Artifact, None, 4), (Storage::Cache, Some(20), 0), (Storage::Artifact, None, 4)]);
}

fn word(point: &FanOut) -> &'static str {
    match point.basis {
        handoff_analysis::CurveBasis::Measured => "measured",
        handoff_analysis::CurveBasis::Modelled => "modelled",
    }
}

#[test]
fn duplicate_trial_is_refused_and_two_runs_pool() {
    let (one, two) = (run(4), run(4));
    let error = analyse(&[one.rows(), two.rows()], &Options::default()).unwrap_err();
    assert!(matches!(error, InputError::Duplicate { .. }));
    assert!(!error.to_string().contains('\n'));
    let other = SampleRun::run("s", &plan("s", ALL, &["1GiB"], 4, false, Conditions::default()), numbers);
    let both = analyse(&[one.rows(), other.rows()], &Options::default()).unwrap();
    let cell = &both.groups[0].cells[0];
    assert_eq!(cell.n, 8);
    assert_eq!(cell.samples.iter().filter(|s| s.run == "s").count(), 4, "each sample says whose it is");
    assert_eq!(both.groups[0].main_family().unwrap().comparisons[0].pairs, 8, "rounds are those of their run");
    assert_eq!(both.groups[0].drift.len(), 2);
}

#[test]
fn incomplete_folders_are_analysed() {
    let nothing = plan("r", ALL, &["1GiB"], 2, false, Conditions::default());
    let failed = SampleRun::run("r", &nothing, |_, _, _| None).analyse();
    let family = failed.groups[0].main_family().unwrap();
    assert!(family.comparisons.iter().all(|c| c.verdict.inconclusive().unwrap().why == Why::NoPairs));
    assert!(failed.groups[0].pairs.is_none() && failed.groups[0].ranking.places.is_empty());
    let empty = SampleRun { rows: vec![], ..run(1) }.analyse();
    assert!(empty.groups.is_empty());
    let alone = plan("r", "artifact", &["1GiB"], 3, false, Conditions::default());
    let alone = SampleRun::run("r", &alone, numbers).analyse();
    assert!(alone.groups[0].families.is_empty() && alone.groups[0].reference.is_none());
    assert!(alone.break_even.is_empty() && alone.fan_out.len() == 1);
}

proptest! {
    #[test]
    fn row_order_does_not_change_the_result(keys in prop::collection::vec(any::<u64>(), 32)) {
        let sample = run(8);
        let mut order: Vec<usize> = (0..32).collect();
        order.sort_by_key(|i| keys[*i]);
        let rows = order.iter().map(|i| sample.rows[*i].clone()).collect();
        let analysis = sample.analyse();
        prop_assert_eq!(SampleRun { rows, ..sample }.analyse(), analysis);
    }
}

#[test]
fn two_runs_are_compared_unpaired() {
    let slower = |more: f64| {
        move |s: &str, round: u32, gib: f64| {
            let more = if s == "artifact" { more } else { 0.1 };
            numbers(s, round, gib).map(|(p, c, b)| (p, c + more, b))
        }
    };
    let other = plan("s", ALL, &["1GiB"], 8, false, Conditions::default());
    let verdicts = |rounds, more| -> Vec<&'static str> {
        let (one, two) = (run(rounds), SampleRun::run("s", &other, slower(more)));
        let all = handoff_analysis::compare_runs(&one.rows(), &two.rows(), Metric::CriticalPath, &Options::default());
        all.unwrap().iter().map(|c| c.comparison.verdict.word()).collect()
    };
    assert_eq!(verdicts(8, 5.0), ["slower", "equivalent", "equivalent", "equivalent"]);
    assert_eq!(verdicts(8, 0.0)[0], "equivalent");
    assert_eq!(verdicts(2, 5.0), ["inconclusive"; 4]);
    let one = run(3);
    let twice = handoff_analysis::compare_runs(&one.rows(), &one.rows(), Metric::CriticalPath, &Options::default());
    assert!(twice.is_err());
}

#[test]
fn environment_differences_are_named() {
    let one = handoff_model::Environment {
        cpu: "A".into(),
        cores: 2,
        disk: "ext4, 40 GiB free".into(),
        ..Default::default()
    };
    let mut two = handoff_model::Environment { disk: "ext4, 9 GiB free".into(), ..one.clone() };
    let differ = |a: &handoff_model::Environment, b: &handoff_model::Environment| {
        handoff_analysis::environments_differ(&[a], &[b])
    };
    assert!(differ(&one, &two).is_empty());
    two.cores = 4;
    two.programs.insert("dockerd".into(), "29".into());
    two.os = "Debian".into();
    let all = differ(&one, &two);
    let names: Vec<(&str, bool)> = all.iter().map(|d| (d.name.as_str(), handoff_analysis::matters(d))).collect();
    assert_eq!(names, [("cores", true), ("dockerd", true), ("system", false)]);
}

#[test]
fn disk_rates_more_than_a_fifth_apart_are_reported() {
    use handoff_model::{DiskMeasurement, DiskSpeed, Environment};
    let disk = |mib_per_s: u64, files_per_s: u64| Environment {
        disk_speed: Some(DiskMeasurement::Measured(DiskSpeed {
            write_bytes: mib_per_s << 20,
            write_ns: 1_000_000_000,
            files: files_per_s,
            file_bytes: 4_096,
            files_ns: 1_000_000_000,
        })),
        ..Environment::default()
    };
    let differ = |a: &Environment, b: &Environment| {
        handoff_analysis::disks_differ(std::slice::from_ref(a), std::slice::from_ref(b))
    };
    let one = disk(500, 10_000);
    assert_eq!(differ(&one, &disk(600, 8_400)), [], "20 % and less");
    let slower = differ(&one, &disk(400, 10_000));
    assert_eq!(slower.len(), 1, "{slower:?}");
    assert_eq!(slower[0].to_string(), "500 and 400 MiB/s of sequential write (-20 %)");
    let both = differ(&disk(100, 30_000), &one);
    assert_eq!(both.iter().map(|d| d.name).collect::<Vec<_>>(), ["write_mib_per_s", "files_per_s"]);
    // It is no difference of the environments: nothing is refused for it.
    assert!(handoff_analysis::environments_differ(&[&one], &[&disk(100, 100)]).is_empty());
    let unknown = Environment { disk_speed: Some(DiskMeasurement::not_measured("no space")), ..Environment::default() };
    assert_eq!(differ(&one, &unknown), []);
    assert_eq!(differ(&Environment::default(), &one), []);
}

#[test]
fn mixed_environments_are_reported_with_differences() {
    use handoff_model::Environment;
    let plan = plan("r", "artifact,rebuild", &["1GiB"], 3, false, Conditions::default());
    let mut rows = SampleRun::run("r", &plan, numbers).rows;
    let of = |id: &str, kernel: &str| Environment { id: id.into(), kernel: kernel.into(), ..Environment::default() };
    let recorded = [of("e", "6.1"), of("f", "6.2"), of("unused", "6.3")];
    assert_eq!(handoff_analysis::mix(&rows, &recorded), None);
    rows[0].environment = "f".into();
    let mixed = handoff_analysis::mix(&rows, &recorded).unwrap();
    assert_eq!(
        mixed.to_string(),
        "Rows of 2 environments are mixed here: e (5 trials), f (1 trial). They differ in kernel (6.1; 6.2)."
    );
    assert_eq!(handoff_analysis::mix(&rows, &[of("e", "6.1"), of("f", "6.1")]), None, "the same under two ids");
    let unknown = handoff_analysis::mix(&rows, &recorded[..1]).unwrap().to_string();
    assert!(unknown.contains("f (1 trial). Their differences are not recorded."), "{unknown}");
}
