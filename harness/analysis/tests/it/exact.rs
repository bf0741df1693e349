//! Exact tests against scipy's values (`tests/scipy/goldens.py`).

use handoff_analysis::Spread;
use handoff_analysis::exact::kendall::trend;
use handoff_analysis::exact::rank_sum::RankSum;
use handoff_analysis::exact::signed_rank::SignedRank;
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("../scipy/goldens.json")).unwrap()
}

fn near(ours: f64, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{what}: {ours}, scipy {theirs}");
}

fn whole(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn intervals(case: &Value, ours: impl Fn(f64) -> (Option<f64>, Option<f64>)) {
    for interval in case["intervals"].as_array().unwrap() {
        let level = interval[0].as_f64().unwrap();
        assert_eq!(ours(level), (interval[1].as_f64(), interval[2].as_f64()), "at {level} of {case}");
    }
}

#[test]
fn paired_test_matches_scipy() {
    for case in goldens()["paired"].as_array().unwrap() {
        let test = SignedRank::new(whole(&case["differences"])).unwrap();
        near(test.p(), &case["p"], &case.to_string());
        near(test.estimate(), &case["estimate"], &case.to_string());
        intervals(case, |level| test.interval(level));
    }
}

#[test]
fn stratified_test_matches_enumeration() {
    for case in goldens()["stratified"].as_array().unwrap() {
        let strata = case["strata"].as_array().unwrap().iter().map(whole).collect();
        let test = SignedRank::stratified(strata).unwrap();
        near(test.p(), &case["p"], &case.to_string());
        near(test.estimate(), &case["estimate"], &case.to_string());
        intervals(case, |level| test.interval(level));
    }
}

#[test]
fn unpaired_test_matches_scipy() {
    for case in goldens()["unpaired"].as_array().unwrap() {
        let test = RankSum::new(whole(&case["first"]), whole(&case["second"])).unwrap();
        near(test.p(), &case["p"], &case.to_string());
        near(test.estimate(), &case["estimate"], &case.to_string());
        intervals(case, |level| test.interval(level));
    }
}

#[test]
fn trend_matches_scipy() {
    for case in goldens()["kendall"].as_array().unwrap() {
        let values: Vec<f64> = case["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let (tau, p) = trend(&values).unwrap();
        near(tau, &case["tau"], "tau");
        near(p, &case["p"], "p");
    }
}

#[test]
fn median_intervals_have_binomial_coverage() {
    for case in goldens()["median_interval"].as_array().unwrap() {
        let n = case["n"].as_u64().unwrap();
        let ours = Spread::of(0..n).unwrap().interval(case["confidence"].as_f64().unwrap()).unwrap();
        assert_eq!(ours.low, case["rank"].as_u64().unwrap(), "{case}");
        assert_eq!(ours.high, n - 1 - ours.low, "{case}");
        near(ours.coverage, &case["coverage"], "coverage");
    }
}
