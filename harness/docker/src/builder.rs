//! A builder of the engine's own: a `BuildKit` container, as `docker/setup-buildx-action` makes it.

use std::collections::BTreeMap;

use handoff_model::EngineKind;
use handoff_model::environment::UNKNOWN;

use crate::buildkit::BuildkitImage;
use crate::{Engine, EngineError, capture, names};

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
        if self.kind() == EngineKind::Host {
            // A load or a pull could move a tag of the user's: the image must be there, and gets one more name.
            let missing = |_| EngineError::NoBuildkit { image: name.to_owned(), tar: image.tar.clone() };
            self.ask(&["image", "inspect", "--format={{.Id}}", name]).map_err(missing)?;
            return self.ask(&["tag", name, &self.builder_image()]).map(|_| ());
        }
        match &image.tar {
            Some(tar) => self.ask(&["load", "--quiet", "--input", &tar.display().to_string()])?,
            None => self.ask(&["pull", "--quiet", name])?,
        };
        self.ask(&["tag", name, &self.builder_image()]).map(|_| ())
    }

    /// The builder's name: the job's own where jobs share a daemon.
    pub fn builder_name(&self) -> String {
        match self.kind() {
            EngineKind::Host => names::builder_name(self.job()),
            EngineKind::Private | EngineKind::Container => BUILDER.to_owned(),
        }
    }

    fn builder_image(&self) -> String {
        match self.kind() {
            EngineKind::Host => names::builder_image(self.job()),
            EngineKind::Private | EngineKind::Container => LOCAL_NAME.to_owned(),
        }
    }

    /// The commands that create the builder and boot it.
    pub fn builder_commands(&self) -> [(&'static str, duct::Expression); 2] {
        let (name, image) = (self.builder_name(), format!("image={}", self.builder_image()));
        // buildx would put it into a cgroup of its own choice, which would outlive the job.
        let cgroup = self.cgroup_parent().map(|parent| format!("cgroup-parent={parent}/buildx"));
        let mut create = vec!["buildx", "create", "--name", &name, "--driver", "docker-container"];
        // The engine has no bridge, and the builder must reach the service.
        create.extend(["--driver-opt", "network=host", "--driver-opt", &image]);
        let allowed = "--allow-insecure-entitlement security.insecure --allow-insecure-entitlement network.host";
        create.extend(["--buildkitd-flags", allowed]);
        if let Some(cgroup) = &cgroup {
            create.extend(["--driver-opt", cgroup]);
        }
        let boot = ["buildx", "inspect", "--bootstrap", "--builder", &name];
        [("buildx-create", self.docker(create)), ("buildx-bootstrap", self.docker(boot))]
    }

    /// Boots the builder off every clock and says what it is: what cannot work is found out before the first trial.
    pub fn try_builder(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let mut said = String::new();
        for (what, command) in self.builder_commands() {
            said = capture(&command, what)?.map_err(|e| EngineError::BuildkitImage(format!("{what}: {e}")))?;
        }
        self.builder_has_booted();
        let line = |name: &str| said.lines().find_map(|l| l.trim().strip_prefix(name)).map_or(UNKNOWN, str::trim);
        Ok(BTreeMap::from([("buildkit (docker-container)".to_owned(), line("BuildKit version:").to_owned())]))
    }

    /// Writes the builder's image into a tar, from which other engines load it.
    pub fn save_buildkit(&self, image: &BuildkitImage, tar: &std::path::Path) -> Result<(), EngineError> {
        self.ask(&["save", "--output", &tar.display().to_string(), &image.reference]).map(|_| ())
    }

    /// Runs a docker command off every clock; its last line is the error.
    fn ask(&self, args: &[&str]) -> Result<String, EngineError> {
        capture(&self.docker(args), "docker")?.map_err(|said| {
            let last = said.lines().next_back().unwrap_or("no reason given").trim();
            EngineError::Api(format!("docker {}: {last}", args[0]))
        })
    }
}
