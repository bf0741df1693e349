//! A tiny source tree, and git.
#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Runs git in a folder, and gives what it prints.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=test", "-c", "user.email=test@example.org"]);
    command.args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]).args(["-c", "safe.directory=*"]);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
        command.env_remove(name);
    }
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a folder a repository with one commit of all that is in it; its hash.
pub fn init_and_commit(dir: &Path) -> String {
    git(dir, &["init", "--quiet"]);
    commit(dir)
}

/// Commits all that is in a repository; the hash.
pub fn commit(dir: &Path) -> String {
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--message", "test"]);
    git(dir, &["rev-parse", "HEAD"]).trim().to_owned()
}

/// A source tree of a few files.
pub struct Tree {
    root: PathBuf,
    _temporary: Option<TempDir>,
}

impl Tree {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let tree = Self::in_folder(&temporary.path().join("sources"));
        Self { _temporary: Some(temporary), ..tree }
    }

    pub fn in_folder(root: &Path) -> Self {
        for folder in ["harness/cli", "scripts", "strategies", "fixtures", "docs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (name, text) in [
            (".gitignore", "/target\nnode_modules\n/fixtures/probe/target\n*.log\n"),
            ("Cargo.toml", "[workspace]\n"),
            ("Cargo.lock", "version = 4\n"),
            ("README.md", "text\n"),
            ("docs/format.md", "text\n"),
            ("harness/cli/main.rs", "fn main() {}\n"),
            ("scripts/setup", "#!/bin/sh\n"),
            ("strategies/a.rs", "\n"),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        symlink("../harness", root.join("fixtures/link")).unwrap();
        Self { root: root.to_owned(), _temporary: None }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Makes the tree a repository with one commit; its hash.
    pub fn commit(&self) -> String {
        init_and_commit(&self.root)
    }
}
