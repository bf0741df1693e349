//! What the digest of a source tree follows, and what it leaves out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use handoff_source::{SourceError, digest, files, revision, watched};

mod support;

use support::{Tree, git};

/// The digests before and after a change of a tree.
fn around(change: impl Fn(&Path)) -> (String, String) {
    let tree = Tree::new();
    let before = digest(tree.path()).unwrap();
    change(tree.path());
    (before, digest(tree.path()).unwrap())
}

fn changes(what: &str, change: impl Fn(&Path)) {
    let (before, after) = around(change);
    assert_ne!(before, after, "{what}");
}

fn keeps(what: &str, change: impl Fn(&Path)) {
    let (before, after) = around(change);
    assert_eq!(before, after, "{what}");
}

#[test]
fn changed_source_file_changes_the_digest() {
    changes("one byte", |root| fs::write(root.join("harness/cli/main.rs"), "fn main() { }\n").unwrap());
    changes("a script", |root| fs::write(root.join("scripts/setup"), "#!/bin/bash\n").unwrap());
    changes("a lockfile", |root| fs::write(root.join("Cargo.lock"), "# other\n").unwrap());
    changes("a new file that git does not know", |root| fs::write(root.join("strategies/new.rs"), "").unwrap());
    changes("a new tree", |root| {
        fs::create_dir(root.join("relay")).unwrap();
        fs::write(root.join("relay/lib.rs"), "").unwrap();
    });
    changes("a removed file", |root| fs::remove_file(root.join("harness/cli/main.rs")).unwrap());
    changes("a renamed file", |root| {
        fs::rename(root.join("harness/cli/main.rs"), root.join("harness/cli/main2.rs")).unwrap();
    });
    changes("what is ignored", |root| fs::write(root.join(".gitignore"), "scripts\n").unwrap());
    changes("a link to another place", |root| {
        fs::remove_file(root.join("fixtures/link")).unwrap();
        symlink("elsewhere", root.join("fixtures/link")).unwrap();
    });
    changes("a file with the text of a link", |root| {
        fs::remove_file(root.join("fixtures/link")).unwrap();
        fs::write(root.join("fixtures/link"), "../harness").unwrap();
    });
}

#[test]
fn results_documents_and_ignored_files_keep_the_digest() {
    keeps("a document", |root| fs::write(root.join("README.md"), "other").unwrap());
    keeps("a result", |root| {
        fs::create_dir_all(root.join("results/a")).unwrap();
        fs::write(root.join("results/a/plan.json"), "{}").unwrap();
    });
    keeps("what builds and npm leave", |root| {
        for folder in ["target/debug", "strategies/clients/node_modules/a", "fixtures/probe/target"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("file"), "x").unwrap();
        }
        fs::write(root.join("harness/run.log"), "x").unwrap();
    });
    keeps("another time", |root| {
        let text = fs::read(root.join("harness/cli/main.rs")).unwrap();
        fs::write(root.join("harness/cli/main.rs"), text).unwrap();
    });
}

#[test]
fn digest_is_the_same_in_any_place_and_without_git() {
    let (one, two) = (Tree::new(), Tree::new());
    one.commit();
    assert_eq!(digest(one.path()).unwrap(), digest(two.path()).unwrap());
    let relative = files(one.path()).unwrap();
    assert_eq!(relative, files(two.path()).unwrap());
    let names: Vec<String> = relative.iter().map(|p| p.display().to_string()).collect();
    assert_eq!(
        names,
        [
            ".gitignore",
            "Cargo.lock",
            "Cargo.toml",
            "fixtures/link",
            "harness/cli/main.rs",
            "scripts/setup",
            "strategies/a.rs"
        ]
    );
}

#[test]
fn digest_of_a_known_tree_is_stable() {
    // Another value means that every results folder measured before fails scripts/check-results: is that intended?
    let text = "sha256:98c30f833986f3a026945a5625a436c7b52a531103f8c25fcf2c237fbedd6bb7";
    assert_eq!(digest(Tree::new().path()).unwrap(), text);
}

#[test]
fn folder_that_is_not_the_root_of_the_sources_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = digest(dir.path()).unwrap_err();
    assert!(matches!(error, SourceError::NotSources(_)), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn commit_is_named_only_for_sources_that_it_holds() {
    let tree = Tree::new();
    let without_git = revision(tree.path()).unwrap();
    assert_eq!((without_git.commit().as_str(), without_git.head.clone()), ("none", None));
    let head = tree.commit();
    let clean = revision(tree.path()).unwrap();
    assert_eq!((clean.commit(), &clean.digest), (head.clone(), &without_git.digest));
    // Neither changes what the commit says of the sources.
    fs::write(tree.path().join("README.md"), "other").unwrap();
    fs::create_dir_all(tree.path().join("strategies/clients/node_modules")).unwrap();
    fs::write(tree.path().join("strategies/clients/node_modules/x"), "").unwrap();
    assert_eq!(revision(tree.path()).unwrap(), clean);
    let changed = format!("changed since {head}");
    let added = tree.path().join("strategies/new.rs");
    fs::write(&added, "").unwrap();
    assert_eq!(revision(tree.path()).unwrap().commit(), changed);
    fs::remove_file(&added).unwrap();
    assert_eq!(revision(tree.path()).unwrap(), clean);
    fs::write(tree.path().join("scripts/setup"), "other\n").unwrap();
    assert_eq!(revision(tree.path()).unwrap().commit(), changed);
    git(tree.path(), &["add", "scripts/setup"]);
    assert_eq!(revision(tree.path()).unwrap().commit(), changed, "staged");
}

#[test]
fn file_ignored_only_privately_is_a_change() {
    let tree = Tree::new();
    tree.commit();
    fs::write(tree.path().join(".git/info/exclude"), "mine.rs\n").unwrap();
    fs::write(tree.path().join("strategies/mine.rs"), "").unwrap();
    assert!(revision(tree.path()).unwrap().commit().starts_with("changed since "));
}

#[test]
fn commit_of_a_surrounding_repository_is_ignored() {
    let outer = tempfile::tempdir().unwrap();
    let tree = Tree::in_folder(&outer.path().join("vendor"));
    support::init_and_commit(outer.path());
    assert_eq!(revision(tree.path()).unwrap().commit(), "none");
}

#[test]
fn every_tree_and_the_checked_out_commit_are_watched() {
    let tree = Tree::new();
    tree.commit();
    let root = tree.path();
    let found: BTreeSet<PathBuf> = watched(root).into_iter().map(|p| p.canonicalize().unwrap()).collect();
    let names = [
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "fixtures",
        "harness",
        "scripts",
        "strategies",
        ".git/HEAD",
        ".git/logs/HEAD",
    ];
    assert_eq!(found, names.iter().map(|name| root.join(name).canonicalize().unwrap()).collect());
    for path in files(root).unwrap() {
        let first = root.join(path.components().next().unwrap()).canonicalize().unwrap();
        assert!(found.contains(&first), "{} is not watched", path.display());
    }
}

#[test]
fn sources_of_this_repository_are_those_that_git_lists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    if handoff_source::Git::of(&root).is_none() {
        // A source archive: there is nothing to compare with.
        return;
    }
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-per-directory=.gitignore", "--"];
    let listed = git(&root, &args.into_iter().chain(handoff_source::SOURCES).collect::<Vec<_>>());
    let listed: BTreeSet<PathBuf> = listed.split('\0').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
    // A file that is removed but not yet committed is listed still.
    let there = listed.into_iter().filter(|p| root.join(p).symlink_metadata().is_ok()).collect::<BTreeSet<_>>();
    assert_eq!(files(&root).unwrap().into_iter().collect::<BTreeSet<_>>(), there);
}
