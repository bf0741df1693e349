//! Synthetic images, built by a real engine: as large and as compressible as asked, and known beforehand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, copy};
use std::process::{Command, Stdio};

use handoff_fixtures::{ImageSpec, load_workload, workload_names};
use handoff_model::ImageStore;

use crate::daemon::Daemon;
use crate::kit::{expect, handoff, machine};

const SIZE: u64 = 64 << 20;

/// The layers of a `docker save` tar of the overlay2 store: plain tars, by name.
fn layer_names(tar: &std::path::Path) -> Vec<String> {
    let mut archive = tar::Archive::new(File::open(tar).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().as_os_str() == "manifest.json" {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            return serde_json::from_value(json.pointer("/0/Layers").unwrap().clone()).unwrap();
        }
    }
    panic!("{} has no manifest.json", tar.display());
}

/// Bytes of all layers, plain and under gzip -6.
fn measure(tar: &std::path::Path) -> (u64, u64) {
    let wanted = layer_names(tar);
    let mut gzip =
        Command::new("gzip").args(["-6", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut into = gzip.stdin.take().unwrap();
    let mut from = gzip.stdout.take().unwrap();
    let counter = std::thread::spawn(move || copy(&mut from, &mut std::io::sink()).unwrap());
    let mut plain = 0;
    for entry in tar::Archive::new(File::open(tar).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        if wanted.contains(&entry.path().unwrap().display().to_string()) {
            plain += copy(&mut entry, &mut into).unwrap();
        }
    }
    drop(into);
    assert!(gzip.wait().unwrap().success());
    (plain, counter.join().unwrap())
}

#[test]
fn built_image_has_the_asked_size_compressibility_and_predicted_content() {
    let _machine = machine();
    let daemon = Daemon::start("image", ImageStore::Overlay2);
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    for name in workload_names() {
        let workload = load_workload(name).unwrap();
        let image = ImageSpec::new(&workload, SIZE, None, "n1").unwrap();
        let context = dir.path().join(name);
        let info = image.write_context(&context).unwrap();
        assert!(info.bytes < 5 << 20, "{name}: the context is {} bytes", info.bytes);
        daemon.docker(&["buildx", "build", "--quiet", "-t", name, &context.display().to_string()]);
        let output: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&daemon.docker(&["run", "--rm", "--network=none", name, "/handoff-probe", "digest"]))
                .unwrap();
        assert_eq!(output["content_digest"], image.content_digest().unwrap(), "{name}");
        assert_eq!(daemon.docker(&["run", "--rm", "--network=none", name]).trim(), image.answer(), "{name}");
        let tar = dir.path().join("image.tar");
        daemon.docker(&["save", "--output", &tar.display().to_string(), name]);
        let (plain, gzipped) = measure(&tar);
        assert!(plain.abs_diff(SIZE) * 100 <= SIZE, "{name}: {plain} bytes for {SIZE}");
        let ratio = plain as f64 / gzipped as f64;
        let asked = workload.gzip_ratio;
        assert!((ratio / asked - 1.0).abs() <= 0.1, "{name}: {ratio:.3}:1 under gzip -6, asked for {asked}:1");
    }
}

#[test]
fn docker_tar_loads_and_runs() {
    let _machine = machine();
    let daemon = Daemon::start("tar", ImageStore::Containerd);
    let args = ["image", "--size", "16MiB", "--nonce", "abc", "--tar"];
    let mut make = handoff(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let loaded = daemon.command(&["load", "--quiet"]).stdin(make.stdout.take().unwrap()).output().unwrap();
    assert!(make.wait().unwrap().success());
    let output = String::from_utf8_lossy(&loaded.stdout).into_owned();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let image = output.trim().rsplit(": ").next().unwrap().to_owned();
    assert_eq!(daemon.docker(&["run", "--rm", "--network=none", &image]).trim(), "handoff-probe ok abc");
    let (described, _) = expect(&mut handoff(&["image", "--size", "16MiB", "--nonce", "abc", "--describe"]), 0);
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    let output = daemon.docker(&["run", "--rm", "--network=none", &image, "/handoff-probe", "digest"]);
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["content_digest"], described["content_digest"]);
}
