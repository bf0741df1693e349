//! Builders in containers: the spike's five and the baseline, both stores, what their rows and spans say, and what is refused.

use std::collections::BTreeSet;

use handoff_docker::buildkit;
use handoff_model::{Outcome, SpanKind};
use handoff_strategies::PULL_BUILDER_IMAGE;

use crate::kit::{RunFolders, expect, facts, handoff, machine};

/// The image that these tests boot builders from.
fn buildkit_image() -> buildkit::BuildkitBuild {
    buildkit::existing_build().expect("there is no image for docker-container builders: run `make buildkit-image`")
}

#[test]
fn container_builder_runs_every_strategy_on_both_stores() {
    let built = buildkit_image();
    let _machine = machine();
    // A strategy's own code differs by builder, not by store: one run of all on overlay2, and one of each kind on containerd.
    for (store, strategies) in [
        ("overlay2", "artifact,cache-tar,gha-cache,local-cache,zstd-stream,rebuild"),
        ("containerd", "artifact,gha-cache,rebuild"),
    ] {
        check_run(store, strategies, &built);
    }
}

/// Runs strategies with a container builder, and checks what rows and spans say.
fn check_run(store: &str, strategies: &str, built: &buildkit::BuildkitBuild) {
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--builder", "docker-container", "--image-store", store];
    let more = ["--strategies", strategies, "--profile", "loopback:builder.pull_s=0.3"];
    expect(&mut folders.run(&[args.as_slice(), more.as_slice()].concat()), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), strategies.split(',').count());
    for row in &results.measurements {
        let name = format!("{}:{} on {}", row.strategy, row.variant, row.image_store);
        assert_eq!(row.outcome, Outcome::Completed, "{name}: {} {}", row.failed_span, row.error);
        assert_eq!((row.builder.as_str(), row.content_equal), ("docker-container", Some(true)), "{name}");
        if row.produce_ns.is_some() {
            // What was built is found in that very builder, and is what arrived.
            assert_eq!((row.layers_equal, row.config_equal), (Some(true), Some(true)), "{name}: {}", row.identity_note);
        }
        if ["artifact", "cache-tar"].contains(&row.strategy.as_str()) {
            assert_eq!(row.source, "output", "{name}: this builder writes a tar itself, whatever the store");
        }
        let of = |role: &str, kind: SpanKind| {
            let spans = results.spans.iter().filter(|s| s.trial == row.trial && s.role.as_str() == role);
            spans.filter(|s| s.span == kind).map(|s| s.detail.as_str()).collect::<BTreeSet<_>>()
        };
        let boots = BTreeSet::from([PULL_BUILDER_IMAGE, "buildx-create", "buildx-bootstrap"]);
        let pulls = results.spans.iter().filter(|s| s.trial == row.trial && s.detail == PULL_BUILDER_IMAGE);
        assert!(pulls.map(|s| s.end_ns - s.start_ns).all(|ns| ns >= 300_000_000), "{name}");
        assert_eq!(row.builder_pull_ms, 300, "{name}");
        let builds_again = !facts(&row.strategy).moves_image;
        assert_eq!(of("producer", SpanKind::Builder) == boots, facts(&row.strategy).has_producer, "{name}");
        assert_eq!(of("consumer", SpanKind::Builder) == boots, builds_again, "{name}");
        let loads = of("consumer", SpanKind::Load);
        if builds_again {
            assert!(loads.contains("sending tarball"), "{name} sends its result to the engine: {loads:?}");
        }
        let loaded_in_producer = of("producer", SpanKind::Load).contains("sending tarball");
        let needs_it = row.source == "save";
        assert_eq!(loaded_in_producer, needs_it, "{name}");
    }
    let environment = &results.environments[0];
    assert_eq!(environment.programs.get("buildkit (docker-container)"), Some(&built.version));
    let image = format!("{} {}", built.reference, built.digest);
    assert_eq!(environment.programs.get("buildkit image"), Some(&image));
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn missing_buildkit_image_is_reported_with_the_command_that_builds_it() {
    let _machine = machine();
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "rebuild", "--builder", "docker-container"];
    // Nobody listens there.
    let image = ["--buildkit-image", "localhost:1/no/buildkit:none"];
    let (_, stderr) = expect(&mut folders.run(&[args.as_slice(), image.as_slice()].concat()), 3);
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(errors[0].contains("localhost:1/no/buildkit:none") && errors[0].contains(buildkit::MAKE_COMMAND));
    assert!(!folders.out.exists(), "nothing is written by a run that cannot start");
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn doctor_names_the_buildkit_image() {
    let built = buildkit_image();
    let (stdout, _) = expect(&mut handoff(&["doctor"]), 0);
    assert!(stdout.contains(&built.reference) && stdout.contains(&built.digest), "{stdout}");
    // What is there is kept.
    let (stdout, stderr) = expect(&mut handoff(&["doctor", "--build-buildkit-image"]), 0);
    assert!(stdout.contains(&built.digest) && !stderr.contains("building"), "{stdout}{stderr}");
}
