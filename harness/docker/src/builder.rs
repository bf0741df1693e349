//! Builder in a `BuildKit` container, set up as by `docker/setup-buildx-action`.

use std::collections::BTreeMap;

use handoff_model::EngineKind;
use handoff_model::environment::UNKNOWN;

use crate::buildkit::BuildkitImage;
use crate::{Engine, EngineError, capture, names};

/// Name of the builder in the job's private `BUILDX_CONFIG`.
pub const BUILDER: &str = "handoff";

/// Name of the builder's image in the engine.
///
/// buildx pulls the image whenever it creates a builder, and uses the local one only if the pull fails. Nothing listens at
/// this address, so that the pull fails at once and no registry is contacted while a clock runs.
const LOCAL_NAME: &str = "localhost:1/handoff/buildkit:builder";

impl Engine {
    /// Loads a builder's image into the engine from its tar, or pulls it.
    ///
    /// # Errors
    /// The image cannot be loaded, pulled or tagged; or the user's daemon lacks it.
    pub fn provide_buildkit(&self, image: &BuildkitImage) -> Result<(), EngineError> {
        let name = image.reference.as_str();
        if self.kind() == EngineKind::Host {
            // A load or pull could move a tag of the user, so the image must exist and gets an additional name.
            let missing = |_| EngineError::NoBuildkit { image: name.to_owned(), tar: image.tar.clone() };
            self.run_docker(&["image", "inspect", "--format={{.Id}}", name]).map_err(missing)?;
        } else if let Some(tar) = &image.tar {
            self.run_docker(&["load", "--quiet", "--input", &tar.display().to_string()])?;
        } else {
            self.run_docker(&["pull", "--quiet", name])?;
        }
        self.run_docker(&["tag", name, &self.builder_image()])
    }

    /// Name of the builder, unique to the job if jobs share a daemon.
    pub fn builder_name(&self) -> String {
        if self.kind() == EngineKind::Host { names::of_job(self.job()) } else { BUILDER.to_owned() }
    }

    fn builder_image(&self) -> String {
        if self.kind() == EngineKind::Host { names::builder_image(self.job()) } else { LOCAL_NAME.to_owned() }
    }

    /// Commands that create and boot the builder, with their step names.
    pub fn builder_commands(&self) -> [(&'static str, duct::Expression); 2] {
        let (name, image) = (self.builder_name(), format!("image={}", self.builder_image()));
        // The default cgroup of buildx would outlive the job.
        let cgroup = self.cgroup_parent().map(|parent| format!("cgroup-parent={parent}/buildx"));
        let mut create = vec!["buildx", "create", "--name", &name, "--driver", "docker-container"];
        // The engine has no bridge network, and the builder must reach the service.
        create.extend(["--driver-opt", "network=host", "--driver-opt", &image]);
        let allowed = "--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host";
        create.extend(["--buildkitd-flags", allowed]);
        if let Some(cgroup) = &cgroup {
            create.extend(["--driver-opt", cgroup]);
        }
        let boot = ["buildx", "inspect", "--bootstrap", "--builder", &name];
        [("buildx-create", self.docker(create)), ("buildx-bootstrap", self.docker(boot))]
    }

    /// Boots the builder off every clock, so that preflight fails before the first trial. Returns its version by name.
    ///
    /// # Errors
    /// The builder cannot be created or does not boot.
    pub fn try_builder(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let mut output = String::new();
        for (step, command) in self.builder_commands() {
            output = capture(&command, step).map_err(|e| EngineError::BuildkitImage(e.to_string()))?;
        }
        self.builder_has_booted();
        Ok(BTreeMap::from([("buildkit (docker-container)".to_owned(), buildkit_version(&output))]))
    }

    /// Writes the builder's image into a tar that other engines load.
    ///
    /// # Errors
    /// `docker save` fails.
    pub fn save_buildkit(&self, image: &BuildkitImage, tar: &std::path::Path) -> Result<(), EngineError> {
        self.run_docker(&["save", "--output", &tar.display().to_string(), &image.reference])
    }

    /// Runs a docker command off every clock.
    fn run_docker(&self, args: &[&str]) -> Result<(), EngineError> {
        capture(&self.docker(args), &format!("docker {}", args[0])).map(drop)
    }
}

/// Version of `BuildKit` in the output of `docker buildx inspect`.
pub fn buildkit_version(inspected: &str) -> String {
    let version = inspected.lines().find_map(|l| l.trim().strip_prefix("BuildKit version:"));
    version.map_or(UNKNOWN, str::trim).to_owned()
}
