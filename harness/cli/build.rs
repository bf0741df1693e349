//! Sets the revision of the sources as variables of the compiler, so that every run can record it.
//!
//! It stands in the crate of the program because that crate is built again after any change, and only then needs another
//! revision: the libraries below it are told the revision by their caller.

use std::path::Path;

use handoff_source::{revision, watched};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let revision = revision(&root).unwrap_or_else(|error| panic!("no revision of the sources: {error}"));
    for path in watched(&root) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let digest = &revision.digest;
    let commit = revision.commit();
    let short = |text: &str| text.chars().take(12).collect::<String>();
    let sources = short(digest.trim_start_matches("sha256:"));
    let words = revision.head.as_ref().map_or(commit.clone(), |head| commit.replace(head, &short(head)));
    let version = format!("{} (commit {words}, sources {sources})", env!("CARGO_PKG_VERSION"));
    println!("cargo::rustc-env=HANDOFF_SOURCE_DIGEST={digest}");
    println!("cargo::rustc-env=HANDOFF_SOURCE_COMMIT={commit}");
    println!("cargo::rustc-env=HANDOFF_VERSION={version}");
    if let Some(head) = &revision.head {
        println!("cargo::rustc-env=HANDOFF_HEAD={head}");
    }
}
