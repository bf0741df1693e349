//! Start of the part with root, which a script plays here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use handoff_relay::store_switch::{ErrorKind, SwitchError, SwitchOptions, Switched, switch};

fn script(dir: &Path, text: &str) -> PathBuf {
    let program = dir.join("program");
    fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn run(program: PathBuf, allowed: bool) -> Result<Switched, SwitchError> {
    let options = SwitchOptions {
        program,
        endpoint: "unix:///nowhere/docker.sock".to_owned(),
        allowed,
        daemon_config: Some("/a/daemon.json".into()),
        restart_command: Some("--help".to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(switch(&options))
}

#[test]
fn part_with_root_gets_its_arguments_and_no_environment() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let text = format!("{{ env; printf '%s\\n' \"$@\"; }} >{}; echo '{{\"switched\":\"already\"}}'", seen.display());
    assert_eq!(run(script(dir.path(), &text), true).unwrap(), Switched::Already);
    let seen = fs::read_to_string(seen).unwrap();
    let args = [
        "store-switch",
        "--endpoint",
        "unix:///nowhere/docker.sock",
        "--daemon-config=/a/daemon.json",
        "--restart-command=--help",
    ];
    assert!(seen.ends_with(&format!("{}\n", args.join("\n"))), "{seen}");
    let variables = seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    // The shell sets PWD and the like itself.
    let strange: Vec<&str> =
        variables.filter(|n| !n.starts_with('-') && !["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(n)).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn failures_of_the_part_with_root_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(script(dir.path(), r#"echo '{"error":{"kind":"rolled-back","message":"why"}}'; exit 4"#), true);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::RolledBack, "why"));
    for text in [
        "echo 'sudo: broken' >&2; exit 1",
        "kill -9 $$",
        "echo {}",
        "echo '{\"restored\":{\"configs\":[],\"gone\":[],\"stopped\":[]}}'",
    ] {
        let error = run(script(dir.path(), text), true).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Unfinished, 4), "{text}: {error}");
        assert!(error.to_string().contains("restore-store"), "{error}");
    }
}

#[test]
fn other_machines_than_hosted_runners_need_force() {
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let error = run(script(dir.path(), &format!("touch {}", ran.display())), false).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Refused, 3));
    assert!(error.to_string().contains("--store-switch=force"), "{error}");
    assert!(!ran.exists());
}
