//! A daemon that runs beside a run, and the user's configuration, are the same before and after.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_fixtures::{ImageSpec, load_workload};
use handoff_model::ImageStore;

use crate::daemon::Daemon;
use crate::kit::{RunFolders, expect, handoff, machine};

/// Gives the daemon an image, a container, a volume and a build cache.
pub fn furnish(daemon: &Daemon) {
    let context = daemon.root.path().join("context");
    let image = ImageSpec::new(&load_workload("typical").unwrap(), 16 << 20, None, "user").unwrap();
    image.write_context(&context).unwrap();
    let context = context.display().to_string();
    daemon.docker(&["buildx", "build", "--quiet", "-t", "users/own:1", &context]);
    daemon.docker(&["volume", "create", "users-volume"]);
    daemon.docker(&["create", "--name", "users-container", "--network=none", "users/own:1"]);
}

/// All that the daemon holds.
pub fn state(daemon: &Daemon) -> String {
    let questions: [&[&str]; 6] = [
        &["image", "ls", "--all", "--digests", "--format", "{{json .Repository}} {{.Tag}} {{.ID}}"],
        &["ps", "--all", "--format", "{{.Names}} {{.ID}} {{.Status}}"],
        &["volume", "ls", "--format", "{{.Name}}"],
        &["network", "ls", "--format", "{{.Name}}"],
        &["buildx", "ls", "--format", "{{.Name}} {{.DriverEndpoint}} {{.Status}}"],
        &["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"],
    ];
    questions.iter().map(|q| daemon.docker(q)).collect::<Vec<_>>().join("\n")
}

/// Names, sizes and times of all files below some of the user's and the system's folders.
fn configuration() -> BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>)> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let mut folders = vec![home.join(".docker"), home.join(".npmrc"), home.join(".npm")];
    folders.extend(
        [
            "/etc/apt",
            "/etc/docker",
            "/etc/cni",
            "/etc/containerd",
            "/run/docker",
            "/run/containerd",
            "/opt/containerd",
            "/var/lib/docker",
            "/var/lib/apt/lists",
        ]
        .map(PathBuf::from),
    );
    let mut found = BTreeMap::new();
    while let Some(path) = folders.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            folders.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
        found.insert(path, (meta.len(), meta.modified().ok()));
    }
    found
}

#[test]
fn unrelated_daemon_and_user_configuration_are_unchanged() {
    let _machine = machine();
    let daemon = Daemon::start("user", ImageStore::Containerd);
    furnish(&daemon);
    let (before, files) = (state(&daemon), configuration());
    assert!(before.contains("users/own") && before.contains("users-container") && before.contains("users-volume"));
    let folders = RunFolders::new();
    let mut run = folders.run(&["--sizes", "64MiB", "--rounds", "1", "--strategies", "local-cache,zstd-stream"]);
    // A user's shell points at that daemon: the run must not follow.
    run.env("DOCKER_HOST", format!("unix://{}", daemon.socket().display()));
    expect(&mut run, 0);
    assert_eq!(state(&daemon), before);
    assert_eq!(configuration(), files);
    let (_, stderr) = expect(handoff(&["clean", "--remove", "--work-dir"]).arg(folders.work.path()), 0);
    assert!(stderr.contains("interrupted runs left nothing"), "{stderr}");
    assert_eq!(state(&daemon), before);
}
