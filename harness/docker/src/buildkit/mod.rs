//! The image from which a `docker-container` builder boots: pulled, or made on this machine from Go modules and the
//! engine's own runc, for machines that cannot pull.

mod docker_tar;
mod make;

pub(crate) use docker_tar::header;

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use make::make;

use crate::programs::home;

/// The image that `docker/setup-buildx-action` takes unless told otherwise.
pub const DEFAULT_IMAGE: &str = "moby/buildkit:buildx-stable-1";
/// The command that makes an image here.
pub const MAKE_COMMAND: &str = "handoff doctor --build-buildkit-image";

/// The Go module that pins `BuildKit` and all that it is made of.
const GO_MOD: &str = include_str!("../../buildkit/go.mod");
const GO_SUM: &str = include_str!("../../buildkit/go.sum");
/// Goes up when [`make`] lays out the image in another way.
const LAYOUT: u32 = 1;

/// An image for a builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildkitImage {
    /// Its name: what is pulled, or what the tar holds.
    pub reference: String,
    /// The docker tar that is loaded; none if it is to be pulled.
    pub tar: Option<PathBuf>,
}

/// What is noted beside an image that was made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildkitBuild {
    /// Its name.
    pub reference: String,
    /// Version of `BuildKit`.
    pub version: String,
    /// Version of the runc in it.
    pub runc: String,
    /// The Go that built it.
    pub go: String,
    /// `sha256:` digest of its config.
    pub digest: String,
    /// Digest of what it was made from: another recipe makes another image.
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

/// The version of `BuildKit` that is made here.
pub fn pinned_version() -> &'static str {
    let line = GO_MOD.lines().find_map(|l| l.trim().strip_prefix("github.com/moby/buildkit "));
    line.and_then(|l| l.split_whitespace().next()).unwrap_or("unknown")
}

fn recipe() -> String {
    hex::encode(Sha256::digest(format!("{LAYOUT}\n{GO_MOD}\n{GO_SUM}")))
}

/// The image that was made here, if one is there and is what this version would make.
pub fn made() -> Option<BuildkitBuild> {
    let made: BuildkitBuild = serde_json::from_slice(&fs::read(note_path()).ok()?).ok()?;
    (made.recipe == recipe() && tar_path().is_file()).then_some(made)
}

/// The image to use for `--buildkit-image`: the one that was made here where nothing or its name is asked, else what
/// is asked, pulled.
pub fn choose(asked: Option<&str>) -> BuildkitImage {
    match made().filter(|made| asked.is_none_or(|name| made.reference == name)) {
        Some(made) => BuildkitImage { reference: made.reference, tar: Some(tar_path()) },
        None => BuildkitImage { reference: asked.unwrap_or(DEFAULT_IMAGE).to_owned(), tar: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pin_is_a_version_and_every_module_has_a_digest() {
        assert!(pinned_version().starts_with("v0."), "{}", pinned_version());
        let line = format!("github.com/moby/buildkit {} h1:", pinned_version());
        assert!(GO_SUM.contains(&line));
    }

    #[test]
    fn a_name_that_is_not_the_made_one_is_pulled() {
        let image = choose(Some("example/buildkit:1"));
        assert_eq!(image, BuildkitImage { reference: "example/buildkit:1".to_owned(), tar: None });
    }
}
