//! A daemon that runs beside a run, and the user's configuration, are the same before and after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_driver::remote::RemoteJob;
use handoff_driver::tools::Tools;
use handoff_driver::{Cancel, protocol::JobSpec};
use handoff_engine::Programs;
use handoff_fixtures::{ImageSpec, load_workload};
use handoff_model::{Conditions, Side, StrategySpec};

use crate::kit::{Place, expect, handoff, machine};

/// A daemon as a user would have it: with an image, a container, a volume and a build cache. It runs in namespaces
/// like a job's, but no run knows of it.
struct Daemon {
    job: Option<RemoteJob>,
    root: tempfile::TempDir,
    programs: Programs,
}

impl Daemon {
    fn start() -> Self {
        let root = tempfile::Builder::new().prefix("hd").tempdir_in("/var/tmp").unwrap();
        let spec = JobSpec {
            job: format!("user-{}", std::process::id()),
            side: Side::Producer,
            root: root.path().to_owned(),
            logs: root.path().join("logs"),
            strategy: StrategySpec::plain("rebuild"),
            conditions: Conditions::default(),
            name: String::new(),
            image: String::new(),
            answer: String::new(),
            digest_command: vec![],
            service_env: BTreeMap::new(),
            tools: Tools::find().unwrap().paths,
            ticket: None,
        };
        let binary = Path::new(env!("CARGO_BIN_EXE_handoff"));
        let (job, _) = RemoteJob::start(&spec, binary, &Cancel::default()).unwrap();
        let daemon = Self { job: Some(job), root, programs: Programs::find().unwrap() };
        let context = daemon.root.path().join("context");
        let image = ImageSpec::new(&load_workload("typical").unwrap(), 16 << 20, None, "user").unwrap();
        image.write_context(&context).unwrap();
        let context = context.display().to_string();
        daemon.docker(&["buildx", "build", "--quiet", "-t", "users/own:1", &context]);
        daemon.docker(&["volume", "create", "users-volume"]);
        daemon.docker(&["create", "--name", "users-container", "--network=none", "users/own:1"]);
        daemon
    }

    fn docker(&self, args: &[&str]) -> String {
        let engine = self.root.path().join("e");
        let output = Command::new(self.programs.program("docker").unwrap())
            .args(args)
            .env_clear()
            .envs(self.programs.child_env())
            .env("DOCKER_HOST", format!("unix://{}", engine.join("docker.sock").display()))
            .env("DOCKER_CONFIG", engine.join("docker"))
            .env("BUILDX_CONFIG", engine.join("buildx"))
            .output()
            .unwrap();
        assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn state(&self) -> String {
        let questions: [&[&str]; 6] = [
            &["image", "ls", "--all", "--digests", "--format", "{{json .Repository}} {{.Tag}} {{.ID}}"],
            &["ps", "--all", "--format", "{{.Names}} {{.ID}} {{.Status}}"],
            &["volume", "ls", "--format", "{{.Name}}"],
            &["network", "ls", "--format", "{{.Name}}"],
            &["buildx", "ls", "--format", "{{.Name}} {{.DriverEndpoint}} {{.Status}}"],
            &["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"],
        ];
        questions.iter().map(|q| self.docker(q)).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = job.stop();
        }
        handoff_engine::leftovers::remove_cgroups(&format!("user-{}", std::process::id()));
    }
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
fn a_daemon_beside_the_run_and_the_users_configuration_stay_as_they_were() {
    let _machine = machine();
    let daemon = Daemon::start();
    let (before, files) = (daemon.state(), configuration());
    assert!(before.contains("users/own") && before.contains("users-container") && before.contains("users-volume"));
    let place = Place::new();
    let mut run = place.run(&["--sizes", "64MiB", "--rounds", "1", "--strategies", "local-cache,zstd-stream"]);
    // A user's shell points at that daemon: the run must not follow.
    run.env("DOCKER_HOST", format!("unix://{}", daemon.root.path().join("e/docker.sock").display()));
    expect(&mut run, 0);
    assert_eq!(daemon.state(), before);
    assert_eq!(configuration(), files);
    let (_, stderr) = expect(handoff(&["clean", "--remove", "--work-dir"]).arg(place.work.path()), 0);
    assert!(stderr.contains("nothing is left"), "{stderr}");
    assert_eq!(daemon.state(), before);
}
