//! Faults of a relayed image: each is reported with its cause and never becomes a wrong image, and nothing stays in the
//! engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use handoff_link::profile::Profile;
use handoff_model::Outcome;
use handoff_services::TokenSpec;

use crate::daemon::Daemon;
use crate::kit::{RunFolders, expect, machine};
use crate::relay::{Lab, identity, step};
use crate::relay_ends::End;

/// The files of the service that hold blocks of layers.
fn blocks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(blocks(&path)),
            path if entry.metadata().unwrap().len() > 1 << 20 => found.push(path),
            _ => {}
        }
    }
    found
}

/// Fault of a stored block.
type Damage = fn(Vec<u8>) -> Vec<u8>;

fn images(daemon: &Daemon) -> String {
    daemon.docker(&["image", "ls", "--all", "--quiet"])
}

#[test]
fn flipped_byte_or_truncated_body_is_reported_and_leaves_no_image() {
    let _machine = machine();
    let Lab { service, sender, receiver, store } = Lab::with(Profile::default());
    expect(&mut step(&sender, &service, &["send", "team/app:1"]), 0);
    let sent: Vec<(PathBuf, Vec<u8>)> =
        blocks(store.path()).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!sent.is_empty());
    let flip = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let damages = [(flip as Damage, "is damaged: the received bytes have the digest"), (cut, "gave up after")];
    for (damage, cause) in damages {
        for (path, bytes) in &sent {
            std::fs::write(path, damage(bytes.clone())).unwrap();
        }
        let (_, output) = expect(&mut step(&receiver, &service, &["receive"]), 4);
        assert!(output.lines().last().unwrap().contains(cause), "{output}");
        assert_eq!(images(&receiver), "", "{cause}");
    }
    for (path, bytes) in &sent {
        std::fs::write(path, bytes).unwrap();
    }
    expect(&mut step(&receiver, &service, &["receive"]), 0);
    assert_eq!(identity(&sender), identity(&receiver), "undamaged, it arrives");
}

/// Runs a docker command until so many bytes have gone over the link, kills the end, and gives what docker said of it.
fn killed_under(end: End, docker: &mut Command, moved: impl Fn() -> u64) -> String {
    let mut running = docker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while moved() < 1 << 20 {
        let ended = running.try_wait().unwrap();
        assert!(ended.is_none(), "docker ended first ({ended:?}), after {} bytes", moved());
        std::thread::sleep(Duration::from_millis(20));
    }
    end.kill();
    let output = running.wait_with_output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn killed_relay_process_fails_the_push_or_pull_and_leaves_no_image() {
    let _machine = machine();
    let slow =
        "name = 'slow'\nsummary = 's'\n[artifact.up]\naggregate = '4MiB/s'\n[artifact.down]\naggregate = '4MiB/s'\n";
    let lab = Lab::with(Profile::parse("slow", slow).unwrap());
    let Lab { service, sender, receiver, .. } = &lab;
    let token = service.mint(TokenSpec::default());
    let push_registry = End::start(&lab.service, sender, &token, &["sender", "--name", "app", "--connections", "1"]);
    let reference = format!("{}/app:1", push_registry.registry);
    sender.docker(&["tag", "team/app:1", &reference]);
    let up = || service.counters(&token).bytes_up;
    let output = killed_under(push_registry, &mut sender.command(&["push", &reference]), up);
    assert!(!output.is_empty());
    let (_, output) = expect(&mut step(receiver, service, &["receive", "--name", "app"]), 4);
    assert!(output.contains("nothing was sent under the name"), "{output}");
    // Another name: what was begun under the first one is never completed.
    expect(&mut step(sender, service, &["send", "team/app:1", "--name", "app-2"]), 0);
    let token = service.mint(TokenSpec::default());
    let pull_registry =
        End::start(&lab.service, receiver, &token, &["receiver", "--name", "app-2", "--connections", "1"]);
    let reference = format!("{}/app:1", pull_registry.registry);
    let down = || service.counters(&token).bytes_down;
    let output = killed_under(pull_registry, &mut receiver.command(&["pull", &reference]), down);
    assert!(!output.is_empty());
    assert_eq!(images(receiver), "");
}

#[test]
fn evicted_cache_entry_is_a_failed_row_with_the_cause() {
    let _machine = machine();
    let folders = RunFolders::new();
    // Less than the image's layers: the first of them go while the last are stored.
    let tight = folders.work.path().join("tight.toml");
    std::fs::write(&tight, "name = 'tight'\nsummary = 's'\n[cache]\nstorage_limit = '12MiB'\n").unwrap();
    let tight = tight.to_str().unwrap();
    let args = ["--sizes", "64MiB", "--rounds", "1", "--strategies", "relay:store=cache", "--profile", tight];
    expect(&mut folders.run(&args), 1);
    let results = folders.results();
    let row = &results.measurements[0];
    assert_eq!(row.outcome, Outcome::Failed);
    assert!(
        row.error.contains("is not in the cache now") && row.error.contains("run the sending job again"),
        "{}",
        row.error
    );
    assert_eq!((row.produce_ns, row.bytes_up), (None, None), "no figure of it is shown");
}
