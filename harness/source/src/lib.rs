//! Revision of the sources that make the `handoff` binary: a digest of source trees, and the commit that holds them.
//!
//! The build script of `handoff` and `scripts/check-results` (through the program `source-digest`) both use this crate,
//! so that a results folder and its check mean the same digest.
//!
//! ```no_run
//! let revision = handoff_source::revision(std::path::Path::new("."))?;
//! println!("{} {}", revision.digest, revision.commit());
//! # Ok::<(), handoff_source::SourceError>(())
//! ```

mod build_script;
mod commit;
mod digest;

use std::io;
use std::path::{Path, PathBuf};

pub use build_script::tell_compiler;
pub use commit::Git;
pub use digest::{digest, files};

/// Files and folders at the root that can change what is measured: program, clients, fixtures, workflows, scripts, and how
/// they are built. Left out are results, documents, the workflows in `.github` (rendered from `workflows`), and the
/// settings of linters. A name that a tree lacks is no error: `relay` is a folder of `harness` in some revisions.
pub const SOURCES: [&str; 16] = [
    ".cargo",
    // Decides which files of the others count.
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "Makefile",
    "action.yml",
    "fixtures",
    "harness",
    "receive",
    "relay",
    "rust-toolchain",
    "rust-toolchain.toml",
    "scripts",
    "send",
    "strategies",
    "workflows",
];

/// A source tree cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The folder is not the root of the sources.
    #[error("{0} has no Cargo.toml and no harness/: name the root folder of Handoff's sources")]
    NotSources(PathBuf),
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}: make it readable, or remove it")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Walking the tree fails.
    #[error("cannot list the sources below {root}: {source}")]
    Walk {
        /// The root folder.
        root: PathBuf,
        /// The cause.
        source: ignore::Error,
    },
    /// A socket, a pipe or a device among the sources.
    #[error("{0} is neither file, folder nor symbolic link: remove it, or name it in .gitignore")]
    SpecialFile(PathBuf),
}

/// Revision of a source tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Digest of the source trees, with its algorithm as a prefix (`sha256:`).
    pub digest: String,
    /// Commit that is checked out; none without git.
    pub head: Option<String>,
    /// Whether the sources are exactly those of `head`.
    pub clean: bool,
}

impl Revision {
    /// Commit in words: its hash, `changed since HASH` for sources that differ from it, or `none` without git.
    pub fn commit(&self) -> String {
        match &self.head {
            Some(head) if self.clean => head.clone(),
            Some(head) => format!("changed since {head}"),
            None => "none".to_owned(),
        }
    }
}

/// Revision of the sources below `root`, with files that git does not know yet and without those that `.gitignore` names.
///
/// # Errors
/// [`SourceError`] for a folder that is not the root of the sources, or that cannot be read. A missing git, or sources that
/// no repository holds, are no error: then [`Revision::head`] is none.
pub fn revision(root: &Path) -> Result<Revision, SourceError> {
    let digest = digest(root)?;
    let git = Git::of(root);
    let clean = git.as_ref().is_some_and(Git::is_clean);
    Ok(Revision { digest, head: git.map(|g| g.head), clean })
}

/// Paths whose change may change the revision: the source trees, and git's notes of what is checked out.
///
/// A folder stands for everything below it. A path that does not exist is left out, because cargo takes a missing path for
/// a change.
pub fn watched(root: &Path) -> Vec<PathBuf> {
    let sources = SOURCES.iter().map(|name| root.join(name));
    let git = Git::of(root).map(|g| g.watched()).unwrap_or_default();
    sources.chain(git).filter(|path| path.exists()).collect()
}
