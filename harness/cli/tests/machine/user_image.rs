//! The user's own image: a context with a real Dockerfile, and an image of the user's daemon.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use handoff_model::{ByteSize, ImageStore, Outcome};

use crate::daemon::Daemon;
use crate::kit::{RunFolders, expect, facts, handoff, machine};

/// The example, in a folder of its own, with the probe that its README's first command writes.
pub fn webapp() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/examples/webapp");
    let copied = std::process::Command::new("cp").arg("-a").arg(example).arg(dir.path()).status().unwrap();
    assert!(copied.success());
    let context = dir.path().join("webapp");
    let _ = std::fs::remove_file(context.join("handoff-probe"));
    expect(&mut handoff(&["image", "--probe", &context.join("handoff-probe").display().to_string()]), 0);
    (dir, context)
}

/// Everything about a folder that a run could change.
fn state(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let content = match () {
            () if meta.is_symlink() => std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
            () if meta.is_file() => std::fs::read(&path).unwrap(),
            () => Vec::new(),
        };
        found.insert(path.clone(), (meta.mode(), meta.ino(), meta.mtime_nsec(), meta.ctime_nsec(), content));
        if meta.is_dir() {
            found.extend(state(&path));
        }
    }
    found
}

#[test]
fn every_strategy_transfers_an_image_built_from_a_context() {
    let _machine = machine();
    let folders = RunFolders::new();
    let (_dir, context) = webapp();
    let before = state(&context);
    let name = context.display().to_string();
    let args = ["--context", &name, "--build-arg", "THEME=dark", "--rounds", "1"];
    let (stdout, _) = expect(&mut folders.run(&args), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), handoff_strategies::names().len());
    let mut sizes = Vec::new();
    for row in &results.measurements {
        let name = &row.strategy;
        assert_eq!(row.outcome, Outcome::Completed, "{name}: {} {}", row.failed_span, row.error);
        assert_eq!((row.workload.as_str(), row.size_bytes), ("context:webapp", 0));
        // Nobody knows beforehand what a build makes: what arrived is compared with what the producer has.
        let facts = facts(name);
        let shares = facts.has_producer;
        assert_eq!(row.content_equal, shares.then_some(true), "{name}: {}", row.identity_note);
        if facts.moves_image {
            assert_eq!((row.layers_equal, row.config_equal), (Some(true), Some(true)), "{name}: {}", row.identity_note);
        }
        sizes.push(row.image_bytes.unwrap());
        assert!(stdout.contains(name.as_str()), "the table names {name}:\n{stdout}");
    }
    // The generated layers are 36 MiB as tars; the bytes of their files are less, and the same whoever built them.
    assert!(sizes.iter().all(|s| *s == sizes[0] && (30 << 20..37 << 20).contains(s)), "{sizes:?}");
    assert!(stdout.contains("The image is the user's."), "{stdout}");
    // The size was found: it is named, and the value of a build argument nowhere.
    let size = ByteSize(sizes[0]).to_string();
    assert!(stdout.contains(&format!("For your image webapp ({size}), ")) && !stdout.contains("own-size"), "{stdout}");
    for file in ["plan.json", "report.md", "report.html"] {
        let text = std::fs::read_to_string(folders.out.join(file)).unwrap();
        assert!(text.contains("THEME=") || file == "plan.json", "{file}: {text}");
        assert!(text.contains("THEME") && !text.contains("=dark") && !text.contains("\"dark"), "{file}: {text}");
    }
    assert_eq!(state(&context), before);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    // The plan knows its image: nothing has to be named again, and another one is not taken for it.
    let mut resume = folders.run(&["--resume"]);
    expect(&mut resume, 0);
    let (_, stderr) = expect(&mut folders.run(&["--resume", "--context", &name]), 2);
    assert!(stderr.contains("THEME=<value not kept>") && !stderr.contains("dark"), "{stderr}");
    let (_, stderr) = expect(&mut folders.run(&["--resume", "--build-arg", "THEME=light"]), 2);
    assert!(stderr.contains("--build-arg THEME: the run was planned with another value"), "{stderr}");
}

#[test]
fn daemon_image_is_measured_with_strategies_that_do_not_rebuild() {
    let _machine = machine();
    let user = Daemon::start("user", ImageStore::Overlay2);
    let (_dir, context) = webapp();
    user.docker(&["build", "--quiet", "--network=host", "--tag", "me/webapp:1", &context.display().to_string()]);
    let state = || {
        let ask: [&[&str]; 4] = [
            &["image", "ls", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"],
            &["ps", "-a"],
            &["volume", "ls"],
            &["buildx", "du", "--verbose"],
        ];
        ask.map(|args| user.docker(args).lines().filter(|l| !l.starts_with("Last used")).collect::<Vec<_>>().join("\n"))
    };
    let before = state();
    let folders = RunFolders::new();
    let mut run =
        folders.run(&["--image", "me/webapp:1", "--rounds", "1", "--strategies", "artifact,zstd-stream,rebuild"]);
    run.env("DOCKER_HOST", format!("unix://{}", user.socket().display()));
    let (stdout, _) = expect(&mut run, 0);
    assert_eq!(state(), before);
    assert!(stdout.contains("needs a build context"), "{stdout}");
    // The daemon knows the size, and which store it has: neither is guessed.
    let user_image = folders.results().plan.request.user_image.unwrap();
    assert!(user_image.known_bytes().is_some_and(|bytes| (20 << 20..60 << 20).contains(&bytes)), "{user_image:?}");
    let report = std::fs::read_to_string(folders.out.join("report.md")).unwrap();
    assert!(report.contains("was saved from a daemon with the overlay2 store"), "{report}");
    let mut plan = handoff(&["plan", "--image", "me/webapp:1", "--strategies", "artifact", "--work-dir", "/var/tmp"]);
    plan.env("DOCKER_HOST", format!("unix://{}", user.socket().display()));
    let (planned, _) = expect(&mut plan, 0);
    assert!(planned.contains("1.2 GiB needed at once") && !planned.contains("assumed"), "{planned}");
    for row in &folders.results().measurements {
        assert_eq!(row.workload, "image:me/webapp:1");
        if row.strategy == "rebuild" {
            assert_eq!((row.outcome, row.failed_span.as_str()), (Outcome::Skipped, "plan"));
            continue;
        }
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.strategy, row.failed_span, row.error);
        assert_eq!((row.source.as_str(), row.build_ns), ("save", Some(0)), "nothing is built");
        let equal = (row.content_equal, row.layers_equal, row.config_equal);
        assert_eq!(equal, (Some(true), Some(true), Some(true)), "{}: {}", row.strategy, row.identity_note);
    }
    let mut other = folders.run(&["--image", "me/nothing:1"]);
    other.env("DOCKER_HOST", format!("unix://{}", user.socket().display()));
    let (_, stderr) = expect(&mut other, 2);
    assert!(stderr.contains("me/nothing:1") && stderr.contains("docker image ls"), "{stderr}");
    // The daemon that plays the user's has cgroups that are named as a job's.
    drop(user);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn missing_base_image_is_a_one_line_error() {
    let _machine = machine();
    let folders = RunFolders::new();
    let context = tempfile::tempdir().unwrap();
    let file = context.path().join("Dockerfile.prod");
    std::fs::write(&file, "FROM registry.invalid/base:1\nCOPY Dockerfile.prod /\n").unwrap();
    let (dir, file) = (context.path().display().to_string(), file.display().to_string());
    let args = ["--context", &dir, "--dockerfile", &file, "--rounds", "1", "--strategies", "artifact"];
    expect(&mut folders.run(&args), 1);
    let row = &folders.results().measurements[0];
    assert_eq!((row.outcome, row.failed_span.as_str()), (Outcome::Failed, "build"));
    assert!(row.error.contains("registry.invalid/base:1") && row.error.contains("cannot be pulled"), "{}", row.error);
    assert!(!row.error.contains('\n') && row.error.len() < 700, "{}", row.error);
}
