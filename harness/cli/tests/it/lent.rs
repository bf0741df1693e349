//! Engines that use the user's daemon: everything made in it is gone afterwards, and nothing else is.

use std::process::Command;

use handoff_model::{EngineKind, ImageStore, Outcome};

use crate::daemon::Daemon;
use crate::host::{furnish, state};
use crate::kit::{Place, expect, handoff, machine};

/// The binary, pointed at a daemon.
fn at(daemon: &Daemon, mut command: Command) -> Command {
    command.env("DOCKER_HOST", format!("unix://{}", daemon.socket().display()));
    command
}

#[test]
fn an_engine_in_a_container_hands_over_and_leaves_the_daemon_as_it_was() {
    let _machine = machine();
    let daemon = Daemon::start("lend", ImageStore::Containerd);
    furnish(&daemon);
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "artifact,gha-cache,zstd-stream,rebuild"];
    let place = Place::new();
    let container = |args: &[&str]| {
        let mut run = at(&daemon, place.run(args));
        run.args(["--engine", "container"]);
        run
    };
    let (_, stderr) = expect(&mut container(&args), 3);
    assert!(stderr.contains("--build-engine-image") && stderr.contains("docker:dind"), "{stderr}");
    expect(&mut at(&daemon, handoff(&["doctor", "--build-engine-image"])), 0);
    let before = state(&daemon);
    expect(container(&args).args(["--engine-image", "handoff/engine:local"]), 0);
    let results = place.results();
    assert_eq!(results.measurements.len(), 4);
    for row in &results.measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.strategy, row.failed_span, row.error);
        assert_eq!((row.engine, row.image_store), (EngineKind::Container, ImageStore::Containerd));
        assert_eq!(row.content_equal, Some(true));
        assert_eq!((row.producer_cpu_ns, row.consumer_cpu_ns, row.consumer_peak_memory_bytes), (None, None, None));
        if row.strategy != "rebuild" {
            assert_eq!((row.layers_equal, row.config_equal), (Some(true), Some(true)), "{}", row.strategy);
        }
    }
    assert_eq!(state(&daemon), before);
    assert_eq!(place.leftovers(), Vec::<String>::new());
}
