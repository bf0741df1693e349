//! Engines that use the user's daemon: everything made in it is gone afterwards, and nothing else is.

use std::process::Command;
use std::time::{Duration, Instant};

use handoff_model::{Builder, EngineKind, ImageStore, Outcome};

use crate::crash::{signal, start_until};
use crate::daemon::Daemon;
use crate::host::{furnish, state};
use crate::kit::{RunFolders, expect, handoff, machine};

/// The binary, pointed at a daemon.
fn at(daemon: &Daemon, mut command: Command) -> Command {
    command.env("DOCKER_HOST", format!("unix://{}", daemon.socket().display()));
    command
}

#[test]
fn container_engine_transfers_an_image_and_leaves_the_daemon_unchanged() {
    let _machine = machine();
    let daemon = Daemon::start("lend", ImageStore::Containerd);
    furnish(&daemon);
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "artifact,gha-cache,rebuild"];
    let folders = RunFolders::new();
    let container = |args: &[&str]| {
        let mut run = at(&daemon, folders.run(args));
        run.args(["--engine", "container"]);
        run
    };
    let (_, stderr) = expect(&mut container(&args), 3);
    assert!(stderr.contains("--build-engine-image") && stderr.contains("docker:dind"), "{stderr}");
    expect(&mut at(&daemon, handoff(&["doctor", "--build-engine-image"])), 0);
    let before = state(&daemon);
    expect(container(&args).args(["--engine-image", "handoff/engine:local"]), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 3);
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
    drop(daemon);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

/// Gives a daemon the builder's image, as its user has to: none is brought in unasked.
fn bring_buildkit(daemon: &Daemon) {
    let tar = handoff_docker::buildkit::choose(None).tar.expect("no image of a builder: make buildkit-image");
    daemon.docker(&["load", "--input", &tar.display().to_string()]);
}

/// Containers and volumes in a daemon that bear a run's label.
fn labelled(daemon: &Daemon) -> String {
    let list = |of: &[&str]| daemon.docker(&[of, &["--filter", "label=io.handoff.run", "--quiet"]].concat());
    list(&["ps", "--all"]) + &list(&["volume", "ls"])
}

#[test]
fn host_daemon_transfers_an_image_and_is_unchanged() {
    let _machine = machine();
    for store in [ImageStore::Containerd, ImageStore::Overlay2] {
        let daemon = Daemon::start("own", store);
        furnish(&daemon);
        let folders = RunFolders::new();
        let mut run = at(&daemon, folders.run(&["--sizes", "64MiB", "--rounds", "1", "--engine", "host"]));
        let (_, stderr) = expect(&mut run, 3);
        assert!(stderr.contains("docker load --input"), "{stderr}");
        bring_buildkit(&daemon);
        let before = state(&daemon);
        // Private engines run every strategy; here counts what goes through the user's daemon: tars, caches, a push and a build.
        let strategies =
            if store == ImageStore::Containerd { "artifact,gha-cache,relay,rebuild" } else { "cache-tar,relay" };
        let mut run = at(&daemon, folders.run(&["--sizes", "64MiB", "--rounds", "1", "--engine", "host"]));
        expect(run.args(["--strategies", strategies]), 0);
        let results = folders.results();
        assert_eq!(results.measurements.len(), strategies.split(',').count());
        for row in &results.measurements {
            assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.strategy, row.failed_span, row.error);
            // Store and builder follow from the daemon; its CPU time is not the job's alone.
            assert_eq!((row.engine, row.image_store, row.builder), (EngineKind::Host, store, Builder::DockerContainer));
            assert_eq!((row.content_equal, row.consumer_cpu_ns), (Some(true), None));
        }
        assert_eq!(state(&daemon), before, "{store}");
        assert_eq!(labelled(&daemon), "");
        let dir = folders.work.path().to_owned();
        let (_, stderr) = expect(at(&daemon, handoff(&["clean", "--work-dir"])).arg(dir), 0);
        assert!(stderr.contains("interrupted runs left nothing"), "{stderr}");
    }
}

#[test]
fn leftovers_of_a_killed_run_in_the_host_daemon_are_removed_by_the_next_run_or_clean() {
    let _machine = machine();
    let daemon = Daemon::start("kill", ImageStore::Containerd);
    furnish(&daemon);
    bring_buildkit(&daemon);
    let before = state(&daemon);
    let folders = RunFolders::new();
    let args = ["--sizes", "64MiB", "--rounds", "2", "--strategies", "artifact,gha-cache", "--engine", "host"];
    let builders =
        || daemon.docker(&["ps", "--all", "--format", "{{.Names}}"]).matches("buildx_buildkit_handoff").count();
    // Killed while a job's builder is there.
    let kill = |command: Command, trial: usize| {
        let mut child = start_until(command, trial);
        let patience = Instant::now() + Duration::from_mins(1);
        while builders() == 0 {
            assert!(Instant::now() < patience, "no builder came");
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(&child, "-KILL");
        child.wait().unwrap();
        wait_until_clean_but(&folders, &daemon);
        assert_ne!(state(&daemon), before, "nothing was left that could be removed");
    };
    kill(at(&daemon, folders.run(&args)), 1);
    let dir = folders.work.path().display().to_string();
    let clean = |more: &[&str]| expect(at(&daemon, handoff(&["clean", "--work-dir", &dir])).args(more), 0).0;
    // First it says what it would remove.
    assert!(clean(&[]).contains("container buildx_buildkit_handoff-"));
    assert_ne!(state(&daemon), before);
    clean(&["--remove"]);
    assert_eq!(state(&daemon), before);

    kill(at(&daemon, folders.run(&["--resume"])), 1);
    expect(&mut at(&daemon, folders.run(&["--resume"])), 0);
    assert_eq!(state(&daemon), before);
    assert_eq!(folders.results().measurements.len(), 4);
    assert!(folders.results().measurements.iter().all(|r| r.outcome == Outcome::Completed));
}

/// Waits until a killed run's processes and mounts are gone; the daemon's own stay.
fn wait_until_clean_but(folders: &RunFolders, daemon: &Daemon) {
    let patience = Instant::now() + Duration::from_mins(1);
    let theirs = daemon.root.path().display().to_string();
    let busy = |l: &String| (l.starts_with("process") || l.starts_with("mount")) && !l.contains(&theirs);
    while folders.leftovers().iter().any(busy) {
        assert!(Instant::now() < patience, "left behind: {:?}", folders.leftovers());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn impossible_request_to_the_host_daemon_is_refused_before_anything_is_created() {
    let _machine = machine();
    let daemon = Daemon::start("ask", ImageStore::Overlay2);
    bring_buildkit(&daemon);
    let folders = RunFolders::new();
    let line = |args: &[&str], code: i32| expect(at(&daemon, folders.plan(&["--engine", "host"])).args(args), code).1;
    assert!(line(&["--builder", "docker"], 2).contains("--builder docker-container"));
    let mut nowhere = folders.plan(&["--engine", "host"]);
    let (_, stderr) = expect(nowhere.env("DOCKER_HOST", "unix:///nowhere/docker.sock"), 3);
    assert!(stderr.contains("/nowhere/docker.sock"), "{stderr}");
    let (_, stderr) = expect(nowhere.env("DOCKER_HOST", "tcp://10.0.0.2:2375"), 2);
    assert!(stderr.contains("tcp://10.0.0.2:2375") && stderr.contains("unix://"), "{stderr}");
    // Another store than it has: known when the daemon is asked, before the first trial.
    let mut run = at(&daemon, folders.run(&["--engine", "host", "--image-store", "containerd"]));
    let (_, stderr) = expect(run.args(["--sizes", "64MiB", "--rounds", "1"]), 2);
    assert!(stderr.contains("--image-store overlay2"), "{stderr}");
}
