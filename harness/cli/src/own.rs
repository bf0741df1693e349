//! `--context` and `--image`: the user's own image, found and checked before anything runs. It is only ever read.

use std::path::{Path, PathBuf};

use handoff_driver::user_daemon;
use handoff_model::{CacheState, Conditions, OwnImage};

use crate::exit::bad_input;

/// A build context.
pub fn context(dir: &Path, dockerfile: Option<&Path>, build_args: &[String]) -> anyhow::Result<OwnImage> {
    let real = |option: &str, path: &Path, mend: &str| -> anyhow::Result<PathBuf> {
        path.canonicalize().map_err(|e| bad_input(format!("{option} {}: {e}: {mend}", path.display())))
    };
    let found = real("--context", dir, "name the folder that holds the Dockerfile")?;
    if !found.is_dir() {
        return Err(bad_input(format!(
            "--context {}: it is no folder: name the one that holds the Dockerfile",
            dir.display()
        )));
    }
    let dockerfile = dockerfile
        .map(|file| real("--dockerfile", file, "name the Dockerfile, seen from where you are"))
        .transpose()?;
    let used = dockerfile.clone().unwrap_or_else(|| found.join("Dockerfile"));
    if !used.is_file() {
        return Err(bad_input(format!("{} is not there: name the Dockerfile with --dockerfile FILE", used.display())));
    }
    for arg in build_args {
        if arg.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
            return Err(bad_input(format!(
                "--build-arg {arg}: write KEY=VALUE (nothing is taken from the environment)"
            )));
        }
    }
    Ok(OwnImage::Context { dir: found, dockerfile, build_args: build_args.to_vec() })
}

/// An image of the user's daemon.
pub fn image(name: &str) -> anyhow::Result<OwnImage> {
    let id = user_daemon::identifier(name).map_err(bad_input)?;
    Ok(OwnImage::Image { name: name.to_owned(), id })
}

/// Refuses what would need a change of the user's Dockerfile.
pub fn check_states(own: Option<&OwnImage>, conditions: &[Conditions]) -> anyhow::Result<()> {
    let changed =
        conditions.iter().map(|c| c.cache_state).find(|s| matches!(s, CacheState::OneLayer | CacheState::BaseLayer));
    match (own, changed) {
        (Some(own), Some(state)) => Err(bad_input(format!(
            "--cache-state {state} changes a layer of the image, and {own} is only read: use cold or warm"
        ))),
        _ => Ok(()),
    }
}
