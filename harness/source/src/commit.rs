//! Commit of the sources, and whether they differ from it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::SOURCES;

/// Variables by which a git hook names another repository or another index than the one that the sources are in.
const FOREIGN: [&str; 5] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];

/// Repository whose top folder is the root of the sources.
#[derive(Debug, Clone)]
pub struct Git {
    root: PathBuf,
    /// Hash of the commit that is checked out.
    pub head: String,
}

impl Git {
    /// Repository of the sources below `root`. None without git, without a commit, or where the sources are a part of another
    /// project's repository, whose commit would say nothing about them.
    pub fn of(root: &Path) -> Option<Self> {
        let root = root.canonicalize().ok()?;
        let top = output(&root, &["rev-parse", "--show-toplevel"])?;
        if Path::new(&top).canonicalize().ok()? != root {
            return None;
        }
        let head = output(&root, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?;
        Some(Self { root, head })
    }

    /// Whether the source trees are those of the commit: nothing changed, nothing added.
    pub fn is_clean(&self) -> bool {
        // `diff` takes paths that do not exist only behind `--`.
        let diff = ["diff", "--quiet", "--no-ext-diff", "HEAD", "--"].into_iter().chain(SOURCES);
        // The tree's .gitignore alone, as the digest has it: an ignore file of the user's is in no commit.
        let list = ["ls-files", "--others", "--exclude-per-directory=.gitignore", "--"].into_iter().chain(SOURCES);
        let unchanged = git(&self.root, diff).status().is_ok_and(|s| s.success());
        unchanged && output(&self.root, &list.collect::<Vec<_>>()).is_some_and(|added| added.is_empty())
    }

    /// Files that git writes when another commit is checked out.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        let path = |name: &str| output(&self.root, &["rev-parse", "--git-path", name]).map(|p| self.root.join(p));
        let log = path("logs/HEAD").filter(|p| p.exists());
        // A repository without this log moves one of its refs instead.
        let refs = if log.is_none() { [path("refs/heads"), path("packed-refs")] } else { [None, None] };
        [path("HEAD"), log].into_iter().chain(refs).flatten().collect()
    }
}

fn git<'a>(root: &Path, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root);
    // A build as root in a user's checkout: git refuses folders of other users unless they are named.
    command.arg("-c").arg(format!("safe.directory={}", root.display()));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

fn output(root: &Path, args: &[&str]) -> Option<String> {
    let mut command = git(root, args.iter().copied());
    let output = command.stdout(Stdio::piped()).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
