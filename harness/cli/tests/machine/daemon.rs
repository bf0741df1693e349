//! A Docker daemon beside the runs: the user's own, or one to try images in.

use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_docker::Programs;
use handoff_model::{Conditions, ImageStore, StrategySpec};
use handoff_runner::remote::RemoteJob;
use handoff_runner::{Cancel, protocol::JobSpec};

use crate::kit::tools;

/// A daemon as a user would have one. It runs in namespaces like a job's, but no run knows of it.
pub struct Daemon {
    job: Option<RemoteJob>,
    pub root: tempfile::TempDir,
    programs: Programs,
    name: String,
}

impl Daemon {
    pub fn start(name: &str, store: ImageStore) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let root = tempfile::Builder::new().prefix("hd").tempdir_in("/var/tmp").unwrap();
        let (conditions, tools) = (Conditions { image_store: store, ..Conditions::default() }, tools());
        let spec = JobSpec::new(&name, root.path(), StrategySpec::plain("rebuild"), conditions, &tools.paths, None);
        // The tests look at the daemon's files.
        let spec = JobSpec { private_disk: false, ..spec };
        let binary = Path::new(env!("CARGO_BIN_EXE_handoff"));
        let (job, _) = RemoteJob::start(&spec, binary, &Cancel::default()).unwrap();
        Self { job: Some(job), root, programs: Programs::find().unwrap(), name }
    }

    pub fn socket(&self) -> PathBuf {
        self.root.path().join("d/e/docker.sock")
    }

    /// A program of the engine's packages.
    pub fn beside(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.program(program).unwrap());
        command.env_clear().envs(self.programs.child_env());
        command
    }

    /// A docker command against it.
    pub fn command(&self, args: &[&str]) -> Command {
        let engine = self.root.path().join("d/e");
        let mut command = self.beside("docker");
        command.args(args);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command.env("DOCKER_CONFIG", engine.join("docker")).env("BUILDX_CONFIG", engine.join("buildx"));
        command
    }

    /// Runs a docker command to its end and returns what it printed.
    pub fn docker(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = job.stop();
        }
        handoff_docker::leftovers::remove_cgroups(&self.name);
    }
}
