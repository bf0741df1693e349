//! Switch of the store of a real engine with overlay2, and back.

mod front;
mod rig;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use handoff_relay::store_switch::{ErrorKind, RestoreStoreArgs, Root, Step, StoreSwitchArgs, Switched};
use rig::Rig;

#[test]
fn switched_engine_has_its_images_and_daemon_json_again_after_restore() {
    crate::in_namespaces("store_switch::on_an_engine");
}

#[test]
#[ignore = "the test above runs it in namespaces"]
fn on_an_engine() {
    assert_eq!(std::process::id(), 1, "run the other test");
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::start(dir.path());
    refusals_change_nothing(&rig);
    old_images_are_hidden_and_come_back(&rig);
    failing_restart_is_rolled_back(&rig);
    edited_file_is_kept(&rig);
    two_at_once_switch_once(&rig);
    killed_switch_that_left_the_engine_down_is_switched_again(&rig);
    killed_at_each_step(&rig);
    rig.stop_daemon();
}

/// Process that is killed at a step, see [`killed_at_each_step`].
#[test]
#[ignore = "a check runs it"]
fn child_that_is_killed() {
    let var = |name| std::env::var(name).unwrap();
    let root = var("RIG");
    let step = Step::ALL.into_iter().find(|step| format!("{step:?}") == var("STEP")).unwrap();
    let kill = |at| {
        if at == step {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        }
    };
    let rig = Rig::of(Path::new(&root));
    match var("COMMAND").as_str() {
        "switch" => drop(rig.root(&kill).switch(&rig.switch_args("restart")).unwrap()),
        _ => drop(rig.root(&kill).restore(&RestoreStoreArgs::default()).unwrap()),
    }
}

fn refusals_change_nothing(rig: &Rig) {
    let refused = |args, why: &str| {
        let before = rig.state();
        let error = rig.root(&|_| {}).switch(&args).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Refused, 3), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(rig.state(), before);
    };
    let args = rig.switch_args("restart");
    refused(StoreSwitchArgs { restart_command: None, ..args.clone() }, "docker.service");
    let other = StoreSwitchArgs { daemon_config: Some("/etc/passwd".into()), ..args.clone() };
    refused(other, "dockerd reads");
    let remote = StoreSwitchArgs { endpoint: "tcp://127.0.0.1:1".into(), ..args.clone() };
    refused(remote, "tcp://127.0.0.1:1");
    rig.docker(&["run", "-d", "--name", "service", "--network=none", "--stop-signal=KILL", "old:1", "/bin/work"]);
    refused(args.clone(), "the running container service; stop it first");
    rig.docker(&["rm", "-f", "service"]);
    let name = "buildx_buildkit_b0";
    rig.docker(&["tag", "old:1", "moby/buildkit:x"]);
    rig.docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--network=none",
        "--stop-signal=KILL",
        "moby/buildkit:x",
        "/bin/buildkitd",
    ]);
    rig.docker(&["exec", "-d", name, "/bin/buildctl"]);
    refused(args.clone(), "a build in buildx_buildkit_b0");
    // An idle builder is no obstacle, and is there again afterwards.
    rig.docker(&["restart", name]);
    assert!(matches!(rig.root(&|_| {}).switch(&args).unwrap(), Switched::Now { .. }));
    rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    rig.docker(&["start", name]);
    rig.docker(&["rm", "-f", name]);
    rig.docker(&["rmi", "moby/buildkit:x"]);
}

fn old_images_are_hidden_and_come_back(rig: &Rig) {
    rig.docker(&["create", "--name", "kept", "old:1", "/bin/work"]);
    let before = rig.state();
    let Switched::Now { restart_seconds } = rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap() else {
        panic!("the engine had the containerd store");
    };
    let version = rig.docker(&["version", "--format", "{{.Server.Version}}"]);
    println!("Docker {}: restarted into the containerd store in {restart_seconds:.2} s", version.trim());
    assert_eq!(rig.docker(&["info", "--format", "{{.Driver}}"]).trim(), "overlayfs");
    assert!(!rig.docker(&["images", "--format", "{{.Repository}}"]).contains("old"));
    assert_eq!(rig.docker(&["ps", "-aq"]), "");
    rig.import("new:1");
    assert_eq!(rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap(), Switched::Already);
    rig.docker(&["run", "-d", "--name", "later", "--network=none", "--stop-signal=KILL", "new:1", "/bin/work"]);
    let restored = rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    assert_eq!(
        (restored.configs.as_slice(), restored.stopped.as_slice()),
        (&[rig.config()][..], &["later".to_owned()][..])
    );
    assert_eq!(rig.state(), before);
    rig.docker(&["start", "kept"]);
    rig.docker(&["rm", "-f", "kept"]);
    let again = rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    assert_eq!(again.to_string(), "no store was switched: nothing to undo");
}

fn failing_restart_is_rolled_back(rig: &Rig) {
    let before = rig.state();
    for (command, why) in [("fails", "exit status: 7): cannot restart"), ("only-old-store", "exit status: 8")] {
        let error = rig.root(&|_| {}).switch(&rig.switch_args(command)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RolledBack, "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(rig.state(), before, "{command}");
    }
    // A user who may run this part by sudo is not to become root by it.
    let nobody = Root { caller: Some((65534, 65534)), ..rig.root(&|_| {}) };
    let args = StoreSwitchArgs { restart_command: Some("id -u; exit 9".to_owned()), ..rig.switch_args("restart") };
    let error = nobody.switch(&args).unwrap_err();
    assert!(error.to_string().contains("(exit status: 9): 65534"), "{error}");
    assert_eq!(rig.state(), before);
    fs::write(rig.config(), r#"{"storage-driver":"overlay2","nonsense":1}"#).unwrap();
    let error = rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap_err();
    assert!(error.kind() == ErrorKind::RolledBack && error.to_string().contains("nonsense"), "{error}");
    fs::write(rig.config(), &before.config).unwrap();
    assert_eq!(rig.state(), before);
}

fn edited_file_is_kept(rig: &Rig) {
    let before = rig.state();
    rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap();
    let ours = fs::read(rig.config()).unwrap();
    fs::write(rig.config(), r#"{"features":{"containerd-snapshotter":true},"debug":true}"#).unwrap();
    let error = rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
    assert_eq!(rig.docker(&["info", "--format", "{{.Driver}}"]).trim(), "overlayfs");
    fs::write(rig.config(), ours).unwrap();
    rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    assert_eq!(rig.state(), before);
}

fn two_at_once_switch_once(rig: &Rig) {
    let before = rig.state();
    let results = std::thread::scope(|scope| {
        let switch = || rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap();
        [scope.spawn(switch), scope.spawn(switch)].map(|thread| thread.join().unwrap())
    });
    let switched = results.iter().filter(|result| matches!(result, Switched::Now { .. })).count();
    assert_eq!(switched, 1, "{results:?}");
    rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    assert_eq!(rig.state(), before);
}

fn killed_switch_that_left_the_engine_down_is_switched_again(rig: &Rig) {
    let before = rig.state();
    assert!(killed(rig, "switch", Step::NewFileInPlace));
    rig.stop_daemon();
    assert!(matches!(rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap(), Switched::Now { .. }));
    rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
    assert_eq!(rig.state(), before);
}

/// Whether a child process was killed at the step.
fn killed(rig: &Rig, command: &str, step: Step) -> bool {
    let own = std::env::current_exe().unwrap();
    let args = ["--ignored", "--exact", "store_switch::child_that_is_killed"];
    let child = duct::cmd(own, args).env("RIG", rig.path()).env("COMMAND", command).env("STEP", format!("{step:?}"));
    let output = child.stderr_to_stdout().stdout_capture().unchecked().run().unwrap();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    output.status.signal() == Some(9)
}

fn killed_at_each_step(rig: &Rig) {
    let before = rig.state();
    let mut points = [0, 0];
    for step in Step::ALL {
        points[0] += usize::from(killed(rig, "switch", step));
        rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
        assert_eq!(rig.state(), before, "switch killed at {step:?}");
    }
    for step in Step::ALL {
        rig.root(&|_| {}).switch(&rig.switch_args("restart")).unwrap();
        points[1] += usize::from(killed(rig, "restore", step));
        rig.root(&|_| {}).restore(&RestoreStoreArgs::default()).unwrap();
        assert_eq!(rig.state(), before, "restore killed at {step:?}");
    }
    assert_eq!(points, [6, 5], "a step is not reached any more");
}
