//! Build script of a program that carries its revision.

use std::path::Path;

use crate::{revision, watched};

/// Sets `HANDOFF_VERSION`, `HANDOFF_SOURCE_DIGEST`, `HANDOFF_SOURCE_COMMIT` and, with git, `HANDOFF_HEAD` for the compiler of a
/// program with this version, whose sources are below `root`.
///
/// # Panics
/// When the sources cannot be read: a build without a revision would be taken for another.
#[expect(clippy::print_stdout, reason = "cargo reads the output of build scripts")]
pub fn tell_compiler(root: &Path, version: &str) {
    let revision = revision(root).unwrap_or_else(|error| panic!("no revision of the sources: {error}"));
    for path in watched(root) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let digest = &revision.digest;
    let commit = revision.commit();
    let short = |text: &str| text.chars().take(12).collect::<String>();
    let sources = short(digest.trim_start_matches("sha256:"));
    let words = revision.head.as_ref().map_or(commit.clone(), |head| commit.replace(head, &short(head)));
    println!("cargo::rustc-env=HANDOFF_SOURCE_DIGEST={digest}");
    println!("cargo::rustc-env=HANDOFF_SOURCE_COMMIT={commit}");
    println!("cargo::rustc-env=HANDOFF_VERSION={version} (commit {words}, sources {sources})");
    if let Some(head) = &revision.head {
        println!("cargo::rustc-env=HANDOFF_HEAD={head}");
    }
}
