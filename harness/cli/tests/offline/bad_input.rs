//! Bad input: one line with the fix, the documented exit code, and no half-written file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::{RunFolders, SampleRuns, expect, handoff, request, seconds};

/// The one line of an error.
fn line(args: &[&str], code: i32) -> String {
    let (_, stderr) = expect(&mut handoff(args), code);
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{args:?}: {stderr}");
    errors[0].to_owned()
}

#[test]
fn typo_is_named_with_the_nearest_known_word() {
    assert!(line(&["plan", "--strategies", "artefact"], 2).contains("did you mean `artifact`"));
    assert!(line(&["plan", "--strategies", "artifact:levle=6"], 2).contains("did you mean `level`"));
    assert!(line(&["plan", "--strategies", "artifact:level=11"], 2).contains("0 to 9"));
    assert!(line(&["plan", "--workload", "typicl"], 2).contains("typical"));
    assert!(line(&["plan", "--profile", "lopback"], 2).contains("loopback"));
    assert!(line(&["plan", "--profile", "github-hostd"], 2).contains("did you mean `github-hosted`?"));
    assert!(line(&["plan", "--profile", "./none.toml"], 2).contains("./none.toml"));
    assert!(line(&["serve", "--profile", "far"], 2).contains("github-far"));
    assert!(line(&["receive"], 3).contains("ACTIONS_RESULTS_URL"));
    assert!(line(&["plan", "--image-store", "overlay"], 2).contains("overlay2"));
    let twice = line(&["plan", "--strategies", "artifact,rebuild,artifact"], 2);
    assert!(twice.contains("`--control` runs the first strategy twice a round"), "{twice}");
    assert!(line(&["plan", "--cache-state", "one-layr"], 2).contains("did you mean `one-layer`"));
    assert!(line(&["plan", "--consumer-concurrency", "0"], 2).contains("use 1 or more"));
}

#[test]
fn wrong_command_line_is_one_line_that_names_the_help() {
    let whole = |args: &[&str]| {
        let (_, stderr) = expect(&mut handoff(args), 2);
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        stderr
    };
    let typo = whole(&["plan", "--size", "1GiB"]);
    assert!(typo.contains("'--sizes'") && typo.contains("`handoff plan --help`"), "{typo}");
    assert!(whole(&["plna"]).contains("'plan'"));
    assert!(whole(&["recommend", "x"]).contains("--consumers <N> --pushes-per-day <N> --image-size <SIZE>"));
    assert!(whole(&["plan", "--format", "xml"]).contains("[possible values: text, json]"));
    assert!(whole(&["plan", "--context", "/nowhere"]).contains("name the folder that holds the Dockerfile"));
    let (help, _) = expect(&mut handoff(&["plan", "--help"]), 0);
    assert!(help.lines().count() > 20, "{help}");
}

#[test]
fn missing_reference_or_plan_is_refused() {
    let samples = SampleRuns::new();
    let results = &samples.run("run", request("artifact,rebuild", &["1GiB"], 1), 2, seconds);
    for format in ["markdown", "json"] {
        let error = line(&["report", results, "--format", format, "--reference", "rebuld"], 2);
        assert!(error.contains("--reference rebuld has no row here") && error.contains("rebuild"), "{error}");
    }
    assert!(line(&["report", "/nowhere"], 2).contains("`handoff run --out DIR` makes one"));
    assert!(line(&["collect", "--plan", "/nowhere/plan.json"], 2).contains("--run-id"));
    assert!(line(&["profiles", "--check-log", results], 2).contains("--profile github-hosted"));
}

#[test]
fn contradicting_options_are_refused_by_plan() {
    let plan = |strategies: &str| line(&["plan", "--strategies", strategies], 2);
    assert!(plan("artifact:archive=false,level=6").contains("leave level out"));
    assert!(plan("zstd-stream:client=lhotari").contains("needs dir=DIR"));
    assert!(plan("zstd-stream:client=lhotari,dir=/nowhere").contains("/nowhere/dist/index.js does not exist"));
    assert!(plan("zstd-stream:dir=/nowhere").contains("client=lhotari"));
    let overlay2 = ["plan", "--image-store", "overlay2", "--strategies", "zstd-stream:source=output"];
    assert!(line(&overlay2, 2).contains("use source=save"));
}

#[test]
fn impossible_size_is_refused_before_anything_runs() {
    assert!(line(&["plan", "--sizes", "big"], 2).contains("64MiB"));
    assert!(line(&["plan", "--sizes", "0"], 2).contains("16"));
    assert!(line(&["plan", "--sizes", "11GiB"], 2).contains("an image of 11GiB: use a size from 16MiB to 10GiB"));
    assert!(line(&["plan", "--rounds", "0"], 2).contains("--rounds"));
}

#[test]
fn negative_number_is_refused_by_its_options_own_range() {
    for (args, says) in [
        (&["plan", "--rounds", "-1"][..], "use 1 to 1000, or auto"),
        (&["plan", "--consumers", "-1"], "-1 consumers are out of range: use 1 to 256"),
        (&["plan", "--sizes", "-1GiB"], "64MiB"),
        (&["plan", "--seed", "-1"], "use a whole number from 0 on"),
        (&["plan", "--timeout", "-1"], "use a whole number from 0 on"),
        (&["send", "app:1", "--connections", "-1"], "-1 is out of range: use 0 to 64"),
        (&["serve", "--ttl", "-1"], "use a whole number from 0 on"),
        (&["report", "/nowhere", "--smallest-seconds", "-1"], "--smallest-seconds -1 is out of range"),
    ] {
        let error = line(args, 2);
        assert!(error.contains(says) && !error.contains("tip:") && !error.contains("unexpected"), "{args:?}: {error}");
    }
}

#[test]
fn plan_for_github_takes_no_folder_that_run_refuses() {
    let command = |verb: &[&str]| {
        let mut command = handoff(verb);
        command.arg("--out").arg(OsStr::from_bytes(b"/tmp/x\xff"));
        command
    };
    for verb in [
        &["plan", "--github"][..],
        &["run"],
        &["github", "calibrate"],
        &["dispatch", "--repo", "a/b"],
        &["collect"],
        &["report", "/nowhere"],
    ] {
        let (_, output) = expect(&mut command(verb), 2);
        assert!(output.contains("--out /tmp/x") && output.contains("is not UTF-8"), "{verb:?}: {output}");
    }
}

#[test]
fn run_that_declares_no_comparison_takes_no_options_of_comparisons() {
    for purpose in ["screening", "trend"] {
        let pairs = line(&["plan", "--purpose", purpose, "--compare", "pairs"], 2);
        assert!(pairs.contains("leave --compare out, or use --purpose decision"), "{pairs}");
        let auto = line(&["plan", "--purpose", purpose, "--rounds", "auto"], 2);
        assert!(auto.contains("give a number of rounds, or use --purpose decision"), "{auto}");
    }
    assert!(line(&["plan", "spike", "--purpose", "trend"], 2).contains("give a number of rounds"));
}

#[test]
fn name_of_an_image_or_a_report_is_checked_before_anything_is_sent() {
    assert!(line(&["send", "Team/App"], 2).contains("no capitals: write `team` for `Team`"));
    assert!(line(&["send", ""], 2).contains("is empty"));
    assert!(line(&["send", "repo:<none>"], 2).contains("IMAGE ID"));
    assert!(line(&["receive", "--tag", "a b"], 2).contains("no space"));
    for verb in [&["relay", "sender", "--name", "x"][..], &["stream", "upload", "x"]] {
        let error = line(&[verb, &["--report", "/nope/x"]].concat(), 2);
        assert!(error.contains("--report /nope/x cannot be written"), "{error}");
    }
}

/// `handoff send app:1` where `docker` is a script.
fn send_by(script: &str) -> String {
    send_with(script, &[])
}

/// Error of `handoff send app:1` with more options, where `docker` is a script.
fn send_with(script: &str, options: &[&OsStr]) -> String {
    let bin = tempfile::tempdir().unwrap();
    let docker = bin.path().join("docker");
    std::fs::write(&docker, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    expect(handoff(&["send", "app:1"]).args(options).env("PATH", bin.path()), 2).1
}

#[test]
fn send_with_context_needs_buildx_before_anything_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let version = r#"if [ "$1" = --version ]; then echo "Docker version 28.1.0, build x"; exit; fi"#;
    let options = [OsStr::new("--context"), dir.path().as_os_str()];
    let none = send_with(&format!("{version}; echo 'docker: unknown command: docker buildx' >&2; exit 1"), &options);
    assert!(none.contains("unknown command") && none.contains("apt-get install docker-buildx"), "{none}");
    assert!(!none.contains("network"), "{none}");
    let old = send_with(&format!("{version}; echo 'github.com/docker/buildx v0.11.2 9872040'"), &options);
    assert!(old.contains("0.13 or newer"), "{old}");
}

#[test]
fn options_of_send_and_receive_are_checked_before_a_program_is_started() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let folder = dir.path().display().to_string();
    let file = dir.path().join("Dockerfile").display().to_string();
    let no_program = "echo started >&2; exit 9";
    let send = |options: &[&str]| {
        let options: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        let error = send_with(no_program, &options);
        assert!(!error.contains("started"), "{error}");
        error
    };
    for (name, what) in [("n\nx", "line break"), ("a/b", "`/`"), ("q\"", "`\"`"), ("", "is empty")] {
        for error in [
            send(&["--name", name]),
            send(&["--context", &folder, "--name", name]),
            line(&["receive", "--name", name], 2),
            line(&["relay", "sender", "--name", name], 2),
            line(&["relay", "receiver", "--name", name], 2),
        ] {
            assert!(error.contains("--name") && error.contains(what), "{name:?}: {error}");
        }
    }
    for compression in ["gzip", "uncompressed"] {
        let error = send(&["--context", &folder, "--compression", compression, "--level", "3"]);
        assert!(error.contains("--level 3 has no effect") && error.contains("leave --level out"), "{error}");
    }
    let no_folder = send(&["--context", &file]);
    assert!(no_folder.contains(&format!("--context {file}: it is not a folder")), "{no_folder}");
    let odd = OsStr::from_bytes(b"/tmp/a\xff");
    let error = send_with(no_program, &[OsStr::new("--context"), odd]);
    assert!(error.contains("--context /tmp/a") && error.contains("rename it"), "{error}");
    let error = send_with(no_program, &[OsStr::new("--context"), dir.path().as_os_str(), OsStr::new("--file"), odd]);
    assert!(error.contains("--file /tmp/a") && error.contains("rename it"), "{error}");
}

#[test]
fn send_names_a_missing_daemon_and_podman_called_docker() {
    let version = r#"if [ "$1" = --version ]; then echo "Docker version 28.1.0, build x"; exit; fi"#;
    let absent = send_by(&format!(
        "{version}; echo 'Cannot connect to the Docker daemon at unix:///x. Is it running?' >&2; exit 1"
    ));
    assert!(absent.contains("no Docker daemon answers") && absent.contains("set DOCKER_HOST"), "{absent}");
    assert!(!absent.contains("--load"), "{absent}");
    let missing = send_by(&format!("{version}; echo 'Error: No such image: app:1' >&2; exit 1"));
    assert!(missing.contains("has no image app:1") && missing.contains("--load"), "{missing}");
    let podman = send_by("echo 'Emulate Docker CLI using podman.' >&2; echo 'podman version 5.4.0'");
    assert!(podman.contains("`docker` is podman here (podman version 5.4.0)"), "{podman}");
}

#[test]
fn line_break_after_a_token_is_named_with_its_variable() {
    let mut receive = handoff(&["receive"]);
    receive.env("ACTIONS_RESULTS_URL", "http://127.0.0.1:1/").env("ACTIONS_RUNTIME_TOKEN", "secret\n");
    let (_, stderr) = expect(&mut receive, 2);
    assert!(stderr.contains("ACTIONS_RUNTIME_TOKEN has a line break") && !stderr.contains("secret"), "{stderr}");
}

#[test]
fn resume_without_a_folder_names_the_missing_option() {
    assert!(line(&["run", "--resume"], 2).contains("--out"));
}

#[test]
fn machine_without_an_engine_is_refused_with_make_setup() {
    let folders = RunFolders::new();
    let empty = tempfile::tempdir().unwrap();
    let bare = |command: &mut std::process::Command| {
        command.env("PATH", empty.path()).env("HANDOFF_HOME", empty.path()).env_remove("HANDOFF_ENGINE_PREFIX");
    };
    let mut command = folders.run(&["--sizes", "16MiB"]);
    bare(&mut command);
    // A machine that has an engine installed in the system's own folders is not bare.
    if std::path::Path::new("/usr/sbin/dockerd").exists() || std::path::Path::new("/usr/bin/dockerd").exists() {
        return;
    }
    let (_, stderr) = expect(&mut command, 3);
    assert!(stderr.contains("make setup"), "{stderr}");
    assert!(!folders.out.exists());
    let mut doctor = handoff(&["doctor"]);
    bare(&mut doctor);
    let (stdout, _) = expect(&mut doctor, 3);
    assert!(stdout.contains("MISSING") && stdout.contains("make setup"), "{stdout}");
}

#[test]
fn too_old_program_is_named_with_the_needed_version() {
    let folders = RunFolders::new();
    let prefix = tempfile::tempdir().unwrap();
    let program = |path: &str, says: &str| {
        let path = prefix.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("usr/sbin/dockerd", "Docker version 28.1.0, build x");
    program("usr/bin/docker", "Docker version 28.1.0, build x");
    program("usr/bin/containerd", "containerd github.com/containerd/containerd 1.7.2");
    program("usr/bin/containerd-shim-runc-v2", "");
    program("usr/bin/runc", "runc version 1.1.5");
    program("usr/libexec/docker/cli-plugins/docker-buildx", "github.com/docker/buildx 0.12.1 x");
    let mut run = folders.run(&["--sizes", "16MiB"]);
    let (_, stderr) = expect(run.env("HANDOFF_ENGINE_PREFIX", prefix.path()), 3);
    assert!(stderr.contains("0.12.1") && stderr.contains("0.21") && stderr.contains("make setup"), "{stderr}");
    assert!(!folders.out.exists());
}

#[test]
fn taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(line(&["serve", "--bind", &address], 2).contains(&address));
}

#[test]
fn corrupt_row_is_named_by_file_and_line() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../records/tests/golden");
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &std::path::Path| {
        for entry in std::fs::read_dir(from).unwrap().flatten().filter(|e| e.path().is_file()) {
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    };
    copy(&results_below(golden.as_ref()));
    let file = dir.path().join("measurements.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = lines[1].replacen("1,", "1,,,nonsense", 1);
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    let (_, stderr) = expect(&mut handoff(&["report", &dir.path().display().to_string()]), 5);
    assert!(stderr.contains("/measurements.csv:2: the row has "), "{stderr}");
}

/// The first folder below that holds a plan.
fn results_below(dir: &std::path::Path) -> std::path::PathBuf {
    if dir.join("plan.json").exists() {
        return dir.to_owned();
    }
    let folders = std::fs::read_dir(dir).unwrap().flatten().map(|e| e.path()).filter(|p| p.is_dir());
    folders.map(|d| results_below(&d)).next().expect("a folder with plan.json")
}
