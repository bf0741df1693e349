//! `send` and `receive` between two daemons, as two jobs of a workflow use them.

use std::path::Path;
use std::process::Command;

use handoff_fixtures::{ImageSpec, load_workload};
use handoff_link::profile::Profile;
use handoff_model::ImageStore;
use handoff_services::{Service, ServiceConfig, TokenSpec};

use crate::daemon::Daemon;
use crate::kit::{expect, handoff, machine, tools};

/// A service, a job that has built an image, and one that needs it.
pub struct Lab {
    pub service: Service,
    pub sender: Daemon,
    pub receiver: Daemon,
    /// The service's own folder.
    pub store: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self::with(Profile::default())
    }

    /// Behind such a link.
    pub fn with(profile: Profile) -> Self {
        let store = tempfile::tempdir().unwrap();
        let config = ServiceConfig { profile, ..ServiceConfig::new(store.path()) };
        let service = Service::start_blocking(config).unwrap();
        let (sender, receiver) =
            (Daemon::start("send", ImageStore::Containerd), Daemon::start("recv", ImageStore::Containerd));
        let context = sender.root.path().join("context");
        let image = ImageSpec::new(&load_workload("typical").unwrap(), 64 << 20, None, "sent").unwrap();
        image.write_context(&context).unwrap();
        sender.docker(&["buildx", "build", "--quiet", "-t", "team/app:1", &context.display().to_string()]);
        Self { service, sender, receiver, store }
    }
}

/// Index and layers of the image in an engine.
pub fn identity(daemon: &Daemon) -> String {
    daemon.docker(&["image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", "team/app:1"])
}

/// `handoff` as a step of a job sees the world: its engine, the service, a token.
pub fn step(daemon: &Daemon, service: &Service, args: &[&str]) -> Command {
    step_with(daemon, service, &service.mint(TokenSpec::default()), args)
}

/// The same with a token whose requests are of interest.
pub fn step_with(daemon: &Daemon, service: &Service, token: &str, args: &[&str]) -> Command {
    let mut command = handoff(args);
    let docker = daemon.command(&[]);
    command.envs(docker.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(service.client_env(token));
    command
}

#[test]
fn image_is_sent_and_received_byte_for_byte() {
    let _machine = machine();
    let Lab { service, sender, receiver, store: _store } = Lab::new();
    let before = sender.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
    for store in ["artifact", "cache"] {
        let at = |args: &[&str]| args.iter().copied().chain(["--store", store]).map(str::to_owned).collect::<Vec<_>>();
        let run = |daemon: &Daemon, args: &[&str], code: i32| {
            let args = at(args);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            expect(&mut step(daemon, &service, &args), code)
        };
        let (_, output) = run(&receiver, &["receive"], 4);
        assert!(output.contains("handoff send IMAGE"), "{output}");
        let (_, output) = run(&sender, &["send", "no/such:image"], 2);
        assert!(output.contains("the daemon has no image no/such:image"), "{output}");
        run(&sender, &["send", "team/app:1"], 0);
        assert_eq!(sender.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]), before);
        let (line, _) = run(&receiver, &["receive"], 0);
        assert!(line.starts_with("team/app:1 sha256:"), "{line}");
        assert_eq!(identity(&sender), identity(&receiver), "index and layers");
        receiver.docker(&["run", "--rm", "--network=none", "team/app:1"]);
        assert_eq!(receiver.docker(&["image", "ls", "--format", "{{.Repository}}"]).trim(), "team/app");
        receiver.docker(&["rmi", "team/app:1"]);
        let (_, output) = run(&sender, &["send", "team/app:1"], 4);
        assert!(output.contains("--name") || output.contains("already exists"), "{output}");
    }
}

/// A step of a job that is the action in that folder of the repository, as the runner starts it.
fn action(daemon: &Daemon, service: &Service, folder: &str, inputs: &[(&str, &str)]) -> Command {
    let handoff = step(daemon, service, &[]);
    let relay = Path::new(handoff.get_program()).with_file_name("handoff-relay");
    assert!(relay.exists(), "no program beside handoff: cargo build -p handoff-relay");
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join("main.js");
    let mut command = Command::new(tools().paths.node);
    command.arg(main).envs(handoff.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("INPUT_HANDOFF-RELAY", relay).env("INPUT_DIGEST", "any");
    command.envs(inputs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), *value)));
    command
}

#[test]
fn actions_transfer_an_image_and_fail_without_one() {
    let _machine = machine();
    let Lab { service, sender, receiver, store: _store } = Lab::new();
    let outputs = tempfile::NamedTempFile::new().unwrap();
    let output = |name: &str| {
        let text = std::fs::read_to_string(outputs.path()).unwrap();
        let value = |line: &str| line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned);
        text.lines().filter_map(value).next_back().unwrap_or_default()
    };
    let receive = |inputs: &[(&str, &str)]| {
        let mut command = action(&receiver, &service, "receive", inputs);
        command.env("GITHUB_OUTPUT", outputs.path());
        command
    };
    let (stdout, stderr) = expect(&mut receive(&[]), 4);
    assert!(stdout.contains("::error::handoff receive: ") && stderr.contains("send IMAGE"), "{stdout}{stderr}");
    assert_eq!(output("outcome"), "failure");
    assert!(output("reason").contains("send IMAGE"), "{}", output("reason"));
    // A workflow that goes on is told so.
    let (stdout, _) = expect(&mut receive(&[("continue-on-failure", "true")]), 0);
    assert!(stdout.contains("::warning::handoff receive: ") && output("outcome") == "failure", "{stdout}");
    let (stdout, _) = expect(&mut action(&sender, &service, "send", &[]), 2);
    assert!(stdout.contains("the input `image` is empty"), "{stdout}");
    let mut send = action(&sender, &service, "send", &[("image", "team/app:1"), ("name", "app")]);
    expect(send.env("GITHUB_OUTPUT", outputs.path()), 0);
    let digest = output("digest");
    assert!(digest.starts_with("sha256:") && output("outcome") == "success", "{digest}");
    let other = format!("sha256:{}", "0".repeat(64));
    let (stdout, _) = expect(&mut receive(&[("name", "app"), ("digest", &other)]), 4);
    assert!(stdout.contains(&other), "{stdout}");
    assert!(!receiver.docker(&["image", "ls"]).contains("team/app"), "an image with another digest was received");
    expect(&mut receive(&[("name", "app"), ("digest", &digest)]), 0);
    assert_eq!((output("image"), output("digest"), output("reason")), ("team/app:1".to_owned(), digest, String::new()));
    assert_eq!(identity(&sender), identity(&receiver), "index and layers");
}

#[test]
fn image_is_sent_while_it_is_built() {
    let _machine = machine();
    let Lab { service, sender, receiver, store: _store } = Lab::new();
    let context = sender.root.path().join("context").display().to_string();
    let layers = |daemon: &Daemon| daemon.docker(&["image", "inspect", "--format", "{{.RootFS.Layers}}", "team/app:1"]);
    let built = layers(&sender);
    let (_, output) = expect(&mut step(&sender, &service, &["send", "team/app:1", "--context", "no/such"]), 2);
    assert!(output.contains("--context no/such: ") && output.contains("holds the Dockerfile"), "{output}");
    let flight = [("name", "app"), ("connections", "0"), ("part", "1")];
    let build = [("image", "team/app:1"), ("context", context.as_str()), ("compression", "zstd")];
    let wrong = [&build[..], &flight, &[("level", "23")]].concat();
    let (_, output) = expect(&mut action(&sender, &service, "send", &wrong), 2);
    assert!(output.contains("23 is out of range: use 0 to 22"), "{output}");
    let sent = [&build[..], &flight, &[("level", "0")]].concat();
    expect(&mut action(&sender, &service, "send", &sent), 0);
    expect(&mut action(&receiver, &service, "receive", &flight), 0);
    receiver.docker(&["run", "--rm", "--network=none", "team/app:1"]);
    assert_eq!(layers(&receiver), built, "the layers of the same build");
    // A build that fails says so, and nothing can be received.
    std::fs::write(sender.root.path().join("broken"), "FROM scratch\nCOPY nothing /\n").unwrap();
    let broken = sender.root.path().join("broken").display().to_string();
    let args = ["send", "app:2", "--name", "broken", "--context", &context, "--file", &broken];
    let (_, output) = expect(&mut step(&sender, &service, &args), 4);
    let last = output.lines().last().unwrap_or_default();
    assert!(
        last.contains("COPY nothing /: ") && last.contains("not found") && !output.contains("network=host"),
        "{output}"
    );
    std::fs::write(&broken, "FROM scratch\nRUN [\"/nothing\"]\n").unwrap();
    let again = ["send", "app:2", "--name", "broken-again", "--context", &context, "--file", &broken];
    let (_, output) = expect(&mut step(&sender, &service, &again), 4);
    let last = output.lines().last().unwrap_or_default();
    assert!(last.contains("RUN [") && !output.contains("network=host"), "{output}");
    expect(&mut step(&receiver, &service, &["receive", "--name", "broken"]), 4);
}
