//! Image of a `docker-container` builder: pulled, or built here from pinned Go modules and the engine's runc, for machines
//! that cannot pull.

mod docker_tar;
mod make;

pub(crate) use docker_tar::header;

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use make::make;

use crate::programs::home;

/// Default image of `docker/setup-buildx-action`.
pub const DEFAULT_IMAGE: &str = "moby/buildkit:buildx-stable-1";
/// Command that builds an image here.
pub const MAKE_COMMAND: &str = "handoff doctor --build-buildkit-image";

/// Go module that pins `BuildKit` and its dependencies.
const GO_MOD: &str = include_str!("../../buildkit/go.mod");
const GO_SUM: &str = include_str!("../../buildkit/go.sum");
/// Version of the layout of [`make`]'s image.
const LAYOUT: u32 = 1;

/// Image of a builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildkitImage {
    /// Image reference.
    pub reference: String,
    /// Docker tar to load; none if the image is to be pulled.
    pub tar: Option<PathBuf>,
}

/// Record of an image that was built here, in a file beside the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildkitBuild {
    /// Image reference.
    pub reference: String,
    /// Version of `BuildKit`.
    pub version: String,
    /// Version of its runc.
    pub runc: String,
    /// Version of the Go toolchain.
    pub go: String,
    /// `sha256:` digest of the config.
    pub digest: String,
    /// Digest of the inputs: other inputs need a new build.
    recipe: String,
}

fn folder() -> PathBuf {
    home().join("buildkit")
}

fn tar_path() -> PathBuf {
    folder().join("image.tar")
}

fn note_path() -> PathBuf {
    folder().join("manifest.json")
}

/// Version of `BuildKit` that [`make`] builds.
pub fn pinned_version() -> &'static str {
    let line = GO_MOD.lines().find_map(|l| l.trim().strip_prefix("github.com/moby/buildkit "));
    line.and_then(|l| l.split_whitespace().next()).unwrap_or("unknown")
}

fn recipe() -> String {
    hex::encode(Sha256::digest(format!("{LAYOUT}\n{GO_MOD}\n{GO_SUM}")))
}

/// Record of the image that was built here; none without one, or if it was built from other inputs.
pub fn existing_build() -> Option<BuildkitBuild> {
    let build: BuildkitBuild = serde_json::from_slice(&fs::read(note_path()).ok()?).ok()?;
    (build.recipe == recipe() && tar_path().is_file()).then_some(build)
}

/// Image for `--buildkit-image`: the one built here by default or by its name, else the requested one, pulled.
pub fn choose(requested: Option<&str>) -> BuildkitImage {
    match existing_build().filter(|build| requested.is_none_or(|name| build.reference == name)) {
        Some(build) => BuildkitImage { reference: build.reference, tar: Some(tar_path()) },
        None => BuildkitImage { reference: requested.unwrap_or(DEFAULT_IMAGE).to_owned(), tar: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_version_has_a_digest_in_go_sum() {
        assert!(pinned_version().starts_with("v0."), "{}", pinned_version());
        let line = format!("github.com/moby/buildkit {} h1:", pinned_version());
        assert!(GO_SUM.contains(&line));
    }

    #[test]
    fn image_of_another_name_is_pulled() {
        let image = choose(Some("example/buildkit:1"));
        assert_eq!(image, BuildkitImage { reference: "example/buildkit:1".to_owned(), tar: None });
    }
}
