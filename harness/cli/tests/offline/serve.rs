//! `handoff serve`, which people and other tests leave running.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::support::{expect, handoff};

fn serve(tmp: &Path) -> Child {
    let mut serve =
        handoff(&["serve"]).env("TMPDIR", tmp).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(serve.stderr.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.contains("serving on"), "{line}");
    serve
}

fn names(tmp: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(tmp).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn folder_of_a_killed_server_is_removed_by_the_next_one_alone() {
    let tmp = tempfile::tempdir().unwrap();
    std::fs::create_dir(tmp.path().join("handoff-serve-mine")).unwrap();
    let mut lives = serve(tmp.path());
    let mut killed = serve(tmp.path());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let of = |child: &Child| format!("handoff-serve-{}", child.id());
    assert!(names(tmp.path()).contains(&of(&killed)), "{:?}", names(tmp.path()));
    let mut next = serve(tmp.path());
    let left = names(tmp.path());
    assert!(!left.iter().any(|n| n.starts_with(&of(&killed))), "{left:?}");
    assert!(left.contains(&of(&lives)) && left.contains(&of(&next)), "{left:?}");
    for child in [&mut lives, &mut next] {
        duct::cmd("kill", ["-TERM", &child.id().to_string()]).run().unwrap();
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(names(tmp.path()), ["handoff-serve-mine"]);
}

#[test]
fn address_that_others_reach_is_warned_about() {
    let tmp = tempfile::tempdir().unwrap();
    let mut serve = handoff(&["serve", "--bind", "0.0.0.0:0"])
        .env("TMPDIR", tmp.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stderr.take().unwrap()).lines();
    let warning = lines.next().unwrap().unwrap();
    assert!(warning.starts_with("warning: ") && warning.contains("every address of this machine"), "{warning}");
    assert!(warning.contains("--bind 127.0.0.1:0"), "{warning}");
    assert!(lines.next().unwrap().unwrap().contains("serving on"));
    duct::cmd("kill", ["-TERM", &serve.id().to_string()]).run().unwrap();
    assert!(serve.wait().unwrap().success());
}

#[test]
fn empty_run_or_ref_is_refused_at_the_start() {
    for option in ["--run-name", "--git-ref"] {
        let (_, error) = expect(&mut handoff(&["serve", option, ""]), 2);
        assert!(error.contains(option) && error.contains("is empty"), "{error}");
    }
}
