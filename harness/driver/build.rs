//! Tells the program which revision it was built from, so that every run can record it.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    println!("cargo::rerun-if-changed=src");
    // A commit moves one of these; an unpacked archive has neither.
    if let Some(dir) = git(&["rev-parse", "--absolute-git-dir"]) {
        println!("cargo::rerun-if-changed={dir}/HEAD");
        println!("cargo::rerun-if-changed={dir}/logs/HEAD");
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=HANDOFF_COMMIT={commit}");
    }
    let Some(revision) = git(&["rev-parse", "--short=12", "HEAD"]) else { return };
    // Results and documents do not change what is measured.
    let code = ["status", "--porcelain", "--", ":/harness", ":/strategies", ":/fixtures", ":/Cargo.lock"];
    let changed = git(&code).is_some_and(|s| !s.is_empty());
    println!("cargo::rustc-env=HANDOFF_REVISION={revision}{}", if changed { ", changed" } else { "" });
}
