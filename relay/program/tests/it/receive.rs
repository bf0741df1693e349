//! `receive`: digests, files for others, waiting, deletion, Ctrl-C.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Lab, expect};

#[test]
fn received_image_is_printed_with_its_digest_and_written_to_outputs_summary_and_report() {
    let lab = Lab::new();
    let digest = lab.send("app", "me/app:1");
    let (summary, report) = (lab.path("summary"), lab.path("report.json"));
    let mut program = lab.program(&["receive", "--name", "app", "--outputs", "--import", "auto", "--digest", &digest]);
    let (stdout, stderr) = expect(program.arg("--summary").arg(&summary).arg("--report").arg(&report), 0);
    assert_eq!(stdout, format!("me/app:1 {digest}\n"));
    assert!(stderr.contains("the engine pulls the image: "), "a fallback has its reason: {stderr}");
    let outputs = lab.text("outputs");
    assert!(outputs.starts_with(&format!("outcome=success\nimage=me/app:1\ndigest={digest}\n")), "{outputs}");
    assert_eq!(lab.text("summary").lines().count(), 3);
    let report: serde_json::Value = serde_json::from_str(&lab.text("report.json")).unwrap();
    assert_eq!((&report["import"], &report["images"][0]["digest"]), (&"pull".into(), &digest.clone().into()));
    assert_eq!(report["client"]["name"], "handoff-relay");
    let kinds: Vec<_> = report["spans"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"load") && kinds.contains(&"resolve"), "{kinds:?}");
    // The temporary name is removed again.
    let calls = lab.text("calls");
    let pulled = calls.lines().find_map(|line| line.strip_prefix("pull --quiet ")).expect("a pull");
    assert!(calls.contains(&format!("tag {pulled} me/app:1\n")), "{calls}");
    assert!(calls.contains(&format!("rmi --no-prune {pulled}\n")), "{calls}");
}

#[test]
fn image_with_another_digest_is_refused_before_the_engine_is_asked_for_anything() {
    let lab = Lab::new();
    let digest = lab.send("app", "me/app:1");
    let other = format!("sha256:{}", "0".repeat(64));
    let (stdout, stderr) = expect(&mut lab.program(&["receive", "--name", "app", "--outputs", "--digest", &other]), 4);
    assert_eq!(stdout, "");
    assert!(stderr.contains(&digest) && stderr.contains(&other) && stderr.contains("nothing was fetched"), "{stderr}");
    assert!(lab.text("outputs").starts_with("outcome=failure\nreason="), "{}", lab.text("outputs"));
    assert!(!lab.text("calls").contains("pull"), "{}", lab.text("calls"));
}

#[test]
fn required_import_that_is_not_possible_fails_with_its_own_code_and_pulls_nothing() {
    let lab = Lab::new();
    lab.send("app", "me/app:1");
    let mut program = lab.program(&["receive", "--name", "app", "--import", "require"]);
    let (_, stderr) = expect(program.env("DOCKER_HOST", "tcp://127.0.0.1:1"), 3);
    assert!(stderr.contains("the engine is at tcp://127.0.0.1:1, not at a socket"), "{stderr}");
    assert!(!lab.text("calls").contains("pull"));
}

#[test]
fn failed_pull_has_the_engine_s_words_and_leaves_no_name() {
    let lab = Lab::new();
    lab.send("app", "me/app:1");
    lab.docker(
        "#!/bin/sh\necho \"$*\" >> \"$DOCKER_CALLS\"\n\
         case \"$1\" in pull) echo 'no space left on device' >&2; exit 1;; esac\necho 'Docker version 28.5.2'\n",
    );
    let (_, stderr) = expect(&mut lab.program(&["receive", "--name", "app", "--import", "never", "--outputs"]), 4);
    assert!(stderr.contains("no space left on device"), "{stderr}");
    assert!(lab.text("outputs").contains("no space left on device"));
    assert!(lab.text("calls").contains("rmi --no-prune"));
}

#[test]
fn name_that_docker_would_take_for_an_option_is_refused_unless_another_is_given() {
    let lab = Lab::new();
    lab.send("app", "--privileged");
    let (_, stderr) = expect(&mut lab.program(&["receive", "--name", "app"]), 4);
    assert!(stderr.contains("use --tag IMAGE"), "{stderr}");
    let (stdout, _) = expect(&mut lab.program(&["receive", "--name", "app", "--tag", "ok:1"]), 0);
    assert!(stdout.starts_with("ok:1 sha256:"), "{stdout}");
}

#[test]
fn deleted_transfer_cannot_be_received_again() {
    let lab = Lab::new();
    lab.send("app", "me/app:1");
    expect(&mut lab.program(&["receive", "--name", "app", "--delete"]), 0);
    let (_, stderr) = expect(&mut lab.program(&["receive", "--name", "app"]), 4);
    assert!(stderr.contains("nothing was sent under the name"), "{stderr}");
}

#[test]
fn wait_that_ends_has_its_own_code_and_outcome() {
    let lab = Lab::new();
    let mut program = lab.program(&["receive", "--name", "app", "--wait", "1s", "--producer", "build", "--outputs"]);
    let (_, stderr) = expect(&mut program, 124);
    assert!(stderr.contains("GITHUB_TOKEN is not set"), "{stderr}");
    assert!(lab.text("outputs").starts_with("outcome=timeout\n"), "{}", lab.text("outputs"));
}

#[test]
fn wait_receives_an_image_that_is_sent_later() {
    let lab = Lab::new();
    let mut waiting = lab.program(&["receive", "--name", "app", "--wait", "10m"]);
    let child = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let digest = lab.send("app", "me/app:1");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("me/app:1 {digest}\n"));
}

#[test]
fn interrupted_pull_ends_docker_removes_the_name_and_tells_the_outcome() {
    let lab = Lab::new();
    lab.send("app", "me/app:1");
    lab.docker(
        "#!/bin/sh\necho \"$*\" >> \"$DOCKER_CALLS\"\n\
         case \"$1\" in pull) trap 'echo ended >> \"$DOCKER_CALLS\"; exit 1' TERM; while :; do sleep 0.05; done;; esac\n\
         echo 'Docker version 28.5.2'\n",
    );
    let mut program = lab.program(&["receive", "--name", "app", "--import", "never", "--outputs"]);
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_mins(1);
    while !lab.text("calls").contains("pull --quiet") {
        assert!(Instant::now() < patience, "{}", lab.text("calls"));
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(lab.text("outputs").starts_with("outcome=failure\nreason=cancelled"), "{}", lab.text("outputs"));
    assert!(lab.text("calls").contains("rmi --no-prune"), "{}", lab.text("calls"));
    while !lab.text("calls").contains("ended") {
        assert!(Instant::now() < patience, "docker was left running: {}", lab.text("calls"));
        std::thread::sleep(Duration::from_millis(20));
    }
}
