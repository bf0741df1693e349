//! Other clients of registries than docker and buildx, which every run of the strategy uses: containerd's own and skopeo.

use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_link::profile::Profile;
use handoff_services::TokenSpec;

use crate::daemon::Daemon;
use crate::kit::machine;
use crate::relay::{Lab, identity};
use crate::relay_ends::End;

fn skopeo() -> PathBuf {
    let unpacked = std::env::var_os("HANDOFF_HOME").map(|home| Path::new(&home).join("skopeo/skopeo"));
    let path = std::env::var("PATH").unwrap();
    let found = unpacked.filter(|path| path.exists()).or_else(|| handoff_docker::programs::on_path(&path, "skopeo"));
    found.expect("there is no skopeo: run scripts/setup-skopeo, and the tests with scripts/with-env")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `ctr` of the engine's packages, against the containerd below a daemon.
fn ctr(daemon: &Daemon, args: &[&str]) {
    let socket = daemon.socket().with_file_name("containerd.sock");
    let mut command = daemon.beside("ctr");
    run(command.arg("--address").arg(socket).args(["--namespace", "moby", "images"]).args(args));
}

#[test]
fn image_pushed_by_one_client_is_pulled_by_all_others() {
    let _machine = machine();
    let Lab { service, sender, receiver, .. } = &Lab::with(Profile::default());
    let token = || service.mint(TokenSpec::default());
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("image.tar");
    sender.docker(&["save", "--output", tar.to_str().unwrap(), "team/app:1"]);

    for client in ["ctr", "skopeo", "docker"] {
        let push_registry = End::start(service, sender, &token(), &["sender", "--name", client]);
        let remote = format!("{}/team/app:1", push_registry.registry);
        match client {
            "ctr" => ctr(sender, &["push", "--plain-http", &remote, "docker.io/team/app:1"]),
            "skopeo" => {
                let (from, to) = (format!("docker-archive:{}", tar.display()), format!("docker://{remote}"));
                let args = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", &from, &to];
                run(Command::new(skopeo()).args(args));
            }
            _ => {
                sender.docker(&["tag", "team/app:1", &remote]);
                sender.docker(&["push", "--quiet", &remote]);
                sender.docker(&["rmi", "--no-prune", &remote]);
            }
        }
        push_registry.commit();

        let pull_registry = End::start(service, receiver, &token(), &["receiver", "--name", client]);
        let remote = format!("{}/team/app:1", pull_registry.registry);
        let (from, to) = (format!("docker://{remote}"), format!("dir:{}", folder.path().join(client).display()));
        run(Command::new(skopeo()).args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            &from,
            &to,
        ]));
        let layers =
            |daemon: &Daemon, name: &str| daemon.docker(&["image", "inspect", "--format", "{{.RootFS.Layers}}", name]);
        receiver.docker(&["pull", "--quiet", &remote]);
        assert_eq!(layers(receiver, &remote), layers(sender, "team/app:1"), "docker has what {client} pushed");
        receiver.docker(&["rmi", &remote]);
        ctr(receiver, &["pull", "--plain-http", &remote]);
        assert_eq!(layers(receiver, &remote), layers(sender, "team/app:1"), "ctr has what {client} pushed");
        if client != "skopeo" {
            // Packed out of a tar it has other manifests; pushed by the engine's own store, not.
            receiver.docker(&["tag", &remote, "team/app:1"]);
            assert_eq!(identity(sender), identity(receiver), "{client}");
            receiver.docker(&["rmi", "team/app:1"]);
        }
        receiver.docker(&["rmi", &remote]);
    }
}
