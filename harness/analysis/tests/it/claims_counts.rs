//! Statements of the spike that are no time: failures, counts, identity, facts.

use handoff_analysis::Judgement;
use handoff_model::{CacheState, Conditions, Role, SpanKind};

use crate::claims::{FIVE, change, fail, judged, of, recipe, run, span, verdict};
use crate::kit::{SampleRun, plan};

#[test]
fn mode_max_is_essential_if_mode_min_misses_the_cache() {
    let sample = |error: Option<&str>| {
        let plan = plan("r", "gha-cache,gha-cache:mode=min", &["64MiB"], 3, false, recipe());
        let mut sample = SampleRun::run("r", &plan, |_, _, _| Some((Some(9.0), 9.0, 2.0)));
        sample.rows.iter_mut().for_each(|r| r.workload = "multi-stage".into());
        if let Some(error) = error {
            change(&mut sample, "gha-cache:mode=min", |r| fail(r, error));
        }
        sample
    };
    let missed = of(&[&sample(Some("cache missed: [1/3] RUN x"))], "gha-cache-mode-max");
    assert_eq!(missed.verdict(), "as claimed");
    assert!(missed.evidence[0].note.contains("3 of 3 of the other failed with `cache missed`"), "{missed:?}");
    assert_eq!(verdict(&sample(None), "gha-cache-mode-max"), "not as claimed");
    assert_eq!(
        verdict(&sample(Some("no space")), "gha-cache-mode-max"),
        "not judged: 3 trials failed for another reason: no space"
    );
    let mut broken = sample(Some("cache missed: [1/3] RUN x"));
    change(&mut broken, "gha-cache", |r| fail(r, "no space"));
    assert_eq!(
        verdict(&broken, "gha-cache-mode-max"),
        "not judged: 3 trials failed for another reason: no space",
        "the one that should succeed failed for a reason that says nothing"
    );
    let other = run("r", "gha-cache,gha-cache:mode=min", 3, recipe(), 1.0);
    assert_eq!(
        verdict(&other, "gha-cache-mode-max"),
        "not judged: no run of the preset claims yet",
        "one stage says nothing"
    );
}

#[test]
fn scope_is_required_if_two_images_of_one_scope_miss_the_cache() {
    let mut sample = run("r", "gha-cache:images=2,gha-cache:images=2,scope=shared", 3, recipe(), 1.0);
    assert_eq!(verdict(&sample, "gha-cache-scope"), "not as claimed");
    change(&mut sample, "gha-cache:images=2,scope=shared", |r| fail(r, "cache missed: [2/3] RUN x"));
    assert_eq!(verdict(&sample, "gha-cache-scope"), "as claimed");
    change(&mut sample, "gha-cache:images=2", |r| fail(r, "cache missed: [2/3] RUN x"));
    assert_eq!(verdict(&sample, "gha-cache-scope"), "not as claimed");
}

#[test]
fn full_hit_of_option_3_is_refuted_by_one_missed_step() {
    let mut sample = run("r", "gha-cache", 3, recipe(), 1.0);
    assert_eq!(verdict(&sample, "gha-cache-full-hit"), "as claimed");
    fail(&mut sample.rows[0], "cache missed: [1/3] RUN x");
    assert_eq!(verdict(&sample, "gha-cache-full-hit"), "not as claimed");
}

#[test]
fn throttling_is_judged_where_option_3_meets_it() {
    let limited = Conditions { profile: "github-hosted:creates_per_minute=50".into(), ..recipe() };
    let with = |spared: Option<u64>, throttled: Option<u64>| {
        let mut sample = run("r", "gha-cache,local-cache", 3, limited.clone(), 1.0);
        sample.rows.iter_mut().for_each(|r| r.workload = "many-layers".into());
        change(&mut sample, "local-cache", |r| r.throttled = spared);
        change(&mut sample, "gha-cache", |r| r.throttled = throttled);
        verdict(&sample, "local-cache-throttling")
    };
    assert_eq!(with(Some(0), Some(10)), "as claimed");
    assert_eq!(with(Some(3), Some(10)), "not as claimed");
    assert_eq!(with(Some(0), Some(0)), "not judged: option 3 met no throttling either");
    assert_eq!(with(None, None), "not judged: the rows do not count 429 responses");
    let mut sample = run("r", "gha-cache,local-cache", 3, limited, 1.0);
    sample.rows.iter_mut().for_each(|r| r.workload = "many-layers".into());
    change(&mut sample, "local-cache", |r| r.throttled = Some(0));
    change(&mut sample, "gha-cache", |r| fail(r, "buildx build: 429 Too Many Requests"));
    assert_eq!(verdict(&sample, "local-cache-throttling"), "as claimed", "a trial that failed by 429 was throttled");
}

#[test]
fn fallback_is_judged_where_the_limit_has_room_for_the_image() {
    let sample = |tar_fits: bool, local: u64, other: u64| {
        let strategies = "gha-cache,local-cache,cache-tar";
        let limited = Conditions { profile: "github-hosted:storage_limit=64MB".into(), ..recipe() };
        let mut under = run("r", strategies, 3, limited, 1.0);
        change(&mut under, "gha-cache", |r| fail(r, "cache missed: [1/3] RUN x"));
        change(&mut under, "local-cache", |r| fail(r, "cache.mjs restore: cache miss: handoff-1"));
        if !tar_fits {
            change(&mut under, "cache-tar", |r| fail(r, "cache.mjs restore: cache miss: handoff-1"));
        }
        let mut plain = run("r", strategies, 3, recipe(), 1.0);
        change(&mut plain, "local-cache", |r| r.bytes_stored = Some(local));
        change(&mut plain, "gha-cache", |r| r.bytes_stored = Some(other));
        under.rows.extend(plain.rows);
        under
    };
    let no_room = verdict(&sample(false, 109_000_000, 109_000_000), "local-cache-fallback");
    assert!(no_room.starts_with("not judged: the limit of 64.0 MB is not between the two caches"), "{no_room}");
    assert_eq!(verdict(&sample(true, 109_000_000, 109_000_000), "local-cache-fallback"), "not as claimed");
    let mut between = sample(false, 60_000_000, 109_000_000);
    assert_eq!(verdict(&between, "local-cache-fallback"), "not as claimed");
    change(&mut between, "local-cache", |r| r.outcome = handoff_model::Outcome::Completed);
    assert_eq!(verdict(&between, "local-cache-fallback"), "as claimed");
    change(&mut between, "local-cache", |r| fail(r, "no space"));
    assert!(verdict(&between, "local-cache-fallback").starts_with("not judged: "));
}

#[test]
fn growth_and_written_bytes_are_compared_within_rounds() {
    let mut sample = run("r", "local-cache:pushes=5,local-cache:move=false,pushes=5", 2, recipe(), 1.0);
    change(&mut sample, "local-cache:pushes=5", |r| r.bytes_stored = Some(500));
    change(&mut sample, "local-cache:move=false,pushes=5", |r| r.bytes_stored = Some(900));
    assert_eq!(verdict(&sample, "local-cache-move"), "as claimed");
    change(&mut sample, "local-cache:move=false,pushes=5", |r| r.bytes_stored = Some(500));
    assert_eq!(verdict(&sample, "local-cache-move"), "not as claimed");

    let mut sample = run("r", "zstd-stream,artifact:source=save", 2, recipe(), 1.0);
    assert_eq!(
        verdict(&sample, "zstd-stream-disk"),
        "not judged: no round in which both have bytes written to the producer's disk"
    );
    change(&mut sample, "zstd-stream", |r| r.producer_written_bytes = Some(2_000));
    change(&mut sample, "artifact:source=save", |r| r.producer_written_bytes = Some(3_000));
    assert_eq!(verdict(&sample, "zstd-stream-disk"), "as claimed");
    change(&mut sample, "artifact:source=save", |r| r.producer_written_bytes = Some(2_000));
    assert_eq!(verdict(&sample, "zstd-stream-disk"), "not as claimed");
    let one = run("r", "zstd-stream,artifact:source=save", 1, recipe(), 1.0);
    assert!(verdict(&one, "zstd-stream-disk").starts_with("not judged: no round"));
}

#[test]
fn counts_hold_in_every_trial_or_not_at_all() {
    let warm = Conditions { cache_state: CacheState::Warm, ..recipe() };
    let mut sample = run("r", "cache-tar", 3, warm, 1.0);
    change(&mut sample, "cache-tar", |r| r.entries_reused = Some(1));
    assert_eq!(verdict(&sample, "cache-tar-persists"), "as claimed");
    sample.rows[0].entries_reused = Some(0);
    assert_eq!(verdict(&sample, "cache-tar-persists"), "not as claimed");
    let cold = run("r", "cache-tar", 3, recipe(), 1.0);
    assert_eq!(verdict(&cold, "cache-tar-persists"), "not judged: no run of the preset claims yet");

    let mut sample = run("r", FIVE, 3, recipe(), 1.0);
    change(&mut sample, "gha-cache", |r| r.entries_stored = Some(14));
    assert_eq!(verdict(&sample, "gha-cache-layers"), "as claimed");
    assert_eq!(verdict(&sample, "local-cache-one-entry"), "as claimed");
    change(&mut sample, "gha-cache", |r| r.entries_stored = Some(1));
    assert_eq!(verdict(&sample, "gha-cache-layers"), "not as claimed");
}

#[test]
fn identity_is_judged_at_the_levels_of_the_statement() {
    let mut sample = run("r", FIVE, 3, recipe(), 1.0);
    let yes = of(&[&sample], "artifact-identical");
    let levels = "for content, layers and config; the index differs where a store keeps one";
    assert_eq!(yes.verdict(), format!("as claimed {levels}"));
    assert!(yes.evidence[0].note.contains("content, layers and config identical; index differs"), "{yes:?}");
    assert_eq!(
        verdict(&sample, "gha-cache-identical"),
        format!("not as claimed {levels}"),
        "a rebuild that is identical"
    );
    assert_eq!(verdict(&sample, "gha-cache-equivalent"), "as claimed");
    change(&mut sample, "gha-cache", |r| r.config_equal = Some(false));
    assert_eq!(verdict(&sample, "gha-cache-identical"), format!("as claimed {levels}"));
    change(&mut sample, "artifact", |r| r.layers_equal = None);
    assert_eq!(verdict(&sample, "artifact-identical"), "not judged: a level of identity is not known");
}

#[test]
fn rebuild_step_is_seen_in_the_consumers_spans() {
    let mut sample = run("r", "local-cache", 3, recipe(), 1.0);
    assert_eq!(verdict(&sample, "local-cache-rebuild"), "not judged: the trials have no spans");
    span(&mut sample, "local-cache", Role::Consumer, SpanKind::Prepare, 0.5, None);
    assert_eq!(verdict(&sample, "local-cache-rebuild"), "as claimed");
}

#[test]
fn facts_need_no_trial() {
    let all = judged(&[]);
    let of = |id: &str| all.iter().find(|c| c.id == id).unwrap();
    assert_eq!(of("artifact-limit").verdict(), "as claimed");
    assert!(of("cache-tar-limit").reason.contains("10 GB are included (GitHub changelog"));
    assert_eq!(
        of("artifact-complexity").verdict(),
        "not judged: the spike gives no scale; counted: 7 steps, 40 lines, only actions of GitHub"
    );
    assert_eq!(of("zstd-stream-third-party").verdict(), "as claimed");
    assert!(of("zstd-stream-third-party").reason.contains("uses someone/stream"));
    assert_eq!(of("gha-cache-versions").judgement, Judgement::AsClaimed);
    assert!(of("gha-cache-versions").reason.contains("docker/docs/pull/22395"));
    assert!(of("zstd-stream-pulsar").verdict().starts_with("not judged: it is about the workflow of another project"));
}

#[test]
fn cache_is_tight_where_few_images_fit() {
    let mut sample = run("r", "cache-tar", 3, recipe(), 1.0);
    change(&mut sample, "cache-tar", |r| r.bytes_stored = Some(400_000_000));
    assert_eq!(verdict(&sample, "cache-tar-tight"), "not as claimed at 1GiB");
    assert!(of(&[&sample], "cache-tar-limit").reason.ends_with("the limit holds 25 images of 1GiB"));
    change(&mut sample, "cache-tar", |r| r.bytes_stored = Some(1_200_000_000));
    assert_eq!(verdict(&sample, "cache-tar-tight"), "as claimed at 1GiB");
    let limit = of(&[&sample], "cache-tar-limit");
    assert_eq!(limit.shown()[0].run, "r", "a limit with measured bytes names their run");
}
