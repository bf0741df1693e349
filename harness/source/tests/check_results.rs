//! `scripts/check-results` passes what was measured from committed sources, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

use support::{Tree, commit, git};

/// A repository with sources and one results folder.
struct Repository {
    tree: Tree,
    head: String,
}

impl Repository {
    fn new() -> Self {
        let tree = Tree::new();
        let head = tree.commit();
        Self { tree, head }
    }

    fn results(&self) -> PathBuf {
        self.tree.path().join("results")
    }

    fn digest(&self) -> String {
        handoff_source::digest(self.tree.path()).unwrap()
    }

    /// Plants a results folder whose only environment says this of its sources.
    fn plant(&self, name: &str, digest: &str, commit: &str) {
        let sources = format!(r#""source_digest": "{digest}", "source_commit": "{commit}""#);
        self.plant_text(name, &format!(r#"[{{"id": "e0", "handoff": "0.1.0 (x)", {sources}}}]"#));
    }

    fn plant_text(&self, name: &str, environments: &str) {
        let folder = self.results().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("environments.json"), environments).unwrap();
    }

    fn except(&self, lines: &[&str]) {
        fs::create_dir_all(self.results()).unwrap();
        fs::write(self.results().join("exceptions.csv"), format!("folder,date,reason\n{}\n", lines.join("\n")))
            .unwrap();
    }

    fn check(&self) -> (i32, String) {
        self.check_with(&[])
    }

    fn check_with(&self, more: &[&OsStr]) -> (i32, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check-results");
        let mut command = Command::new("python3");
        command
            .arg(script)
            .arg("--results")
            .arg(self.results())
            .args(["--digest", env!("CARGO_BIN_EXE_source-digest")])
            .args(more);
        let output = command.output().expect("python3 is needed for scripts/check-results: install it");
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Checks, and expects one line with all of these parts.
    fn fails(&self, parts: &[&str]) {
        let (code, text) = self.check();
        assert_eq!((code, text.lines().count()), (1, 1), "{text}");
        for part in parts {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
    }
}

#[test]
fn folder_of_committed_sources_passes_also_after_later_commits() {
    let repository = Repository::new();
    repository.plant("good", &repository.digest(), &repository.head);
    assert_eq!(repository.check(), (0, String::new()));
    fs::write(repository.tree.path().join("harness/cli/main.rs"), "fn main() { later() }\n").unwrap();
    commit(repository.tree.path());
    assert_eq!(repository.check(), (0, String::new()));
}

#[test]
fn folder_without_a_source_digest_fails() {
    let repository = Repository::new();
    repository.plant_text("old", r#"[{"id": "e0", "handoff": "0.1.0 (36c79d11aed8)"}]"#);
    repository.fails(&["old: environment e0: no source_digest is recorded (handoff 0.1.0 (36c79d11aed8))"]);
}

#[test]
fn folder_of_changed_sources_fails() {
    let repository = Repository::new();
    repository.plant("dirty", &repository.digest(), &format!("changed since {}", repository.head));
    repository.fails(&["dirty: environment e0: measured from changed sources (source_commit `changed since"]);
}

#[test]
fn folder_measured_without_git_fails() {
    let repository = Repository::new();
    repository.plant("archive", &repository.digest(), "none");
    repository.fails(&["archive: ", "no commit holds its sources"]);
}

#[test]
fn folder_whose_digest_is_not_that_of_its_commit_fails() {
    let repository = Repository::new();
    fs::write(repository.tree.path().join("scripts/setup"), "changed\n").unwrap();
    let other = repository.digest();
    repository.plant("other", &other, &repository.head);
    git(repository.tree.path(), &["checkout", "--quiet", "scripts/setup"]);
    let committed = repository.digest();
    repository.fails(&[&other, &format!("commit {} has {committed}", repository.head)]);
}

#[test]
fn folder_of_an_unknown_commit_fails_with_the_command_that_fetches_it() {
    let repository = Repository::new();
    repository.plant("gone", &repository.digest(), &"0".repeat(40));
    repository.fails(&["is not in this repository", "git fetch --unshallow"]);
}

#[test]
fn folder_with_one_good_and_one_bad_environment_fails() {
    let repository = Repository::new();
    let good = format!(
        r#"{{"id": "e0", "source_digest": "{}", "source_commit": "{}"}}"#,
        repository.digest(),
        repository.head
    );
    repository.plant_text("mixed", &format!(r#"[{good}, {{"id": "e1", "handoff": "0.1.0"}}]"#));
    repository.fails(&["mixed: environment e1: no source_digest"]);
}

#[test]
fn folder_whose_environments_cannot_be_read_fails() {
    let repository = Repository::new();
    for text in ["[", "{}", "[]", "[1]"] {
        repository.plant_text("damaged", text);
        repository.fails(&["damaged: environments.json "]);
    }
}

#[test]
fn listed_exception_may_fail() {
    let repository = Repository::new();
    repository.plant("old", "", "");
    repository.except(&["old,2026-11-26,measured before digests"]);
    assert_eq!(repository.check(), (0, String::new()));
}

#[test]
fn exception_for_a_folder_that_passes_or_is_missing_fails() {
    let repository = Repository::new();
    repository.plant("good", &repository.digest(), &repository.head);
    repository.except(&["good,2026-11-26,no longer true"]);
    repository.fails(&["good: it passes, but is listed in exceptions.csv: remove its line"]);
    repository.except(&["nowhere,2026-11-26,a typo"]);
    repository.fails(&["no folder nowhere in", "remove its line"]);
}

#[test]
fn exception_without_date_or_reason_or_listed_twice_fails() {
    let repository = Repository::new();
    repository.plant("old", "", "");
    for (lines, part) in [
        (vec!["old,26.11.2026,why"], "exceptions.csv:2: date `26.11.2026` is no day"),
        (vec!["old,2026-11-26,"], "exceptions.csv:2: old has no reason"),
        (vec!["old,2026-11-26,why", "old,2026-11-26,why"], "exceptions.csv:3: old is listed twice"),
    ] {
        repository.except(&lines);
        repository.fails(&[part]);
    }
}

#[test]
fn folder_that_handoff_reads_with_a_warning_fails() {
    let repository = Repository::new();
    repository.plant("good", &repository.digest(), &repository.head);
    let (handoff, folder) = (repository.tree.path().join("handoff"), repository.results().join("good"));
    for (script, expected) in [
        ("exit 0", None),
        ("echo 'warning: good/spans.csv:2: torn' >&2", Some("warning: good/spans.csv:2: torn")),
        ("exit 5", Some("exit code 5")),
    ] {
        fs::write(&handoff, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&handoff, fs::Permissions::from_mode(0o755)).unwrap();
        let (code, text) = repository.check_with(&["--handoff".as_ref(), handoff.as_ref(), folder.as_ref()]);
        assert_eq!(code, i32::from(expected.is_some()), "{text}");
        assert!(text.contains(expected.unwrap_or_default()), "{text}");
    }
}
