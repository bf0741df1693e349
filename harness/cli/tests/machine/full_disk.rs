//! A disk that is full: what does not fit is named, and no half of a file stays. Mounting a small disk needs root.

use std::process::{Command, Output};

use crate::support::{SampleRuns, error, request, seconds};

/// Runs the binary with a folder that is a disk of 64 KiB, nearly full. `setup` may use `$0`, the folder.
fn on_a_full_disk(setup: &str, args: &[&str], check: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k none \"$0\" && {{ {setup}; }} && head -c 1m /dev/zero > \"$0/fill\" 2> /dev/null
        \"$@\"; code=$?; {{ {check}; }} || exit 99; exit $code"
    );
    let args: Vec<String> = args.iter().map(|a| a.replace("{full}", &dir.path().display().to_string())).collect();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(dir.path()).arg(env!("CARGO_BIN_EXE_handoff")).args(args);
    command.output().unwrap()
}

#[test]
fn file_that_does_not_fit_on_the_disk_is_named_and_the_old_one_is_kept() {
    let samples = SampleRuns::new();
    let run = samples.run("run", request("artifact,rebuild", &["1GiB"], 2), 2, seconds);
    let pins = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/pins.toml");
    let old = "echo old > \"$0/report.md\"; mkdir \"$0/plots\"";
    let kept = "grep -qx old \"$0/report.md\" && ! ls -A \"$0\" | grep -q part";
    let sync = format!("mkdir \"$0/workflows\" && cp {pins} \"$0/workflows\"");
    let cases: [(&str, &[&str], &str, &str); 6] = [
        (old, &["report", &run, "--out", "{full}"], kept, "/report.md: No space left"),
        ("true", &["report", &run, "--out", "{full}"], "! ls -A \"$0\" | grep -q part", "/report.md: No space left"),
        (&sync, &["workflows", "sync", "--root", "{full}"], "true", ".yml: No space left"),
        (
            "true",
            &["image", "--size", "16MiB", "--probe", "{full}/probe"],
            "! ls \"$0/probe\" 2>&-",
            "/probe: No space",
        ),
        ("true", &["image", "--size", "16MiB", "--tree", "{full}/tree"], "true", "No space left"),
        ("true", &["image", "--size", "16MiB", "--context", "{full}/context"], "true", "No space left"),
    ];
    for (setup, args, check, part) in cases {
        let output = on_a_full_disk(setup, args, check);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{args:?}: {stderr}");
        assert!(error(&args.join(" "), &output).contains(part), "{args:?}: {stderr}");
    }
}
