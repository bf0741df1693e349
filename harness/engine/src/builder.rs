//! A builder of the engine's own: a `BuildKit` container, as `docker/setup-buildx-action` makes it.

use std::collections::BTreeMap;

use crate::buildkit::BuildkitImage;
use crate::leftovers::cgroup_name;
use crate::{Engine, EngineError};

/// The builder's name. Its record lies in the job's own `BUILDX_CONFIG`.
pub const BUILDER: &str = "handoff";

/// The name under which the builder's image is known to the engine.
///
/// buildx pulls a builder's image each time it creates one, and takes the local one only if that fails. Nobody listens at
/// this address: the attempt ends at once, and no registry is asked while a clock runs.
const LOCAL_NAME: &str = "localhost:1/handoff/buildkit:builder";

impl Engine {
    /// Gets a builder's image into the engine: by loading its tar, or by pulling it.
    pub fn provide_buildkit(&self, image: &BuildkitImage) -> Result<(), EngineError> {
        let name = image.reference.as_str();
        match &image.tar {
            Some(tar) => {
                let tar = tar.display().to_string();
                self.ask(&["load", "--quiet", "--input", &tar])?;
            }
            None => {
                self.ask(&["pull", "--quiet", name])?;
            }
        }
        self.ask(&["tag", name, LOCAL_NAME]).map(|_| ())
    }

    /// The commands that create the builder and boot it.
    pub fn builder_commands(&self) -> [(&'static str, duct::Expression); 2] {
        let image = format!("image={LOCAL_NAME}");
        // buildx would put it into a cgroup of its own choice, which would outlive the job.
        let cgroup = format!("cgroup-parent=/{}/buildx", cgroup_name(self.job()));
        let create = [
            "buildx",
            "create",
            "--name",
            BUILDER,
            "--driver",
            "docker-container",
            // The engine has no bridge, and the builder must reach the service.
            "--driver-opt",
            "network=host",
            "--driver-opt",
            &image,
            "--driver-opt",
            &cgroup,
            "--buildkitd-flags",
            "--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host",
        ];
        let boot = ["buildx", "inspect", "--bootstrap", "--builder", BUILDER];
        [("buildx-create", self.docker(create)), ("buildx-bootstrap", self.docker(boot))]
    }

    /// Boots the builder off every clock and says what it is: what cannot work is found out before the first trial.
    pub fn try_builder(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let mut said = String::new();
        for (what, command) in self.builder_commands() {
            let out = command.stdin_null().stdout_capture().stderr_capture().unchecked().run();
            let out = out.map_err(EngineError::io("run", what))?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            if !out.status.success() {
                return Err(EngineError::BuildkitImage(format!("{what}: {}", text(&out.stderr))));
            }
            said = text(&out.stdout);
        }
        self.builder_has_booted();
        let line = |name: &str| said.lines().find_map(|l| l.trim().strip_prefix(name)).unwrap_or_default().trim();
        Ok(BTreeMap::from([("buildkit (docker-container)".to_owned(), line("BuildKit version:").to_owned())]))
    }

    /// Writes the builder's image into a tar, from which other engines load it.
    pub fn save_buildkit(&self, image: &BuildkitImage, tar: &std::path::Path) -> Result<(), EngineError> {
        self.ask(&["save", "--output", &tar.display().to_string(), &image.reference]).map(|_| ())
    }

    /// Runs a docker command off every clock; its last line is the error.
    fn ask(&self, args: &[&str]) -> Result<String, EngineError> {
        let out = self.docker(args).stdin_null().stdout_capture().stderr_capture().unchecked().run();
        let out = out.map_err(EngineError::io("run", "docker"))?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let last = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no reason given").trim().to_owned();
        Err(EngineError::Api(format!("docker {}: {last}", args[0])))
    }
}
