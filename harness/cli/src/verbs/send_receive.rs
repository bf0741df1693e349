//! `handoff send` and `handoff receive`: an image from one job's engine to another's, through a relay.

use std::path::{Path, PathBuf};

use handoff_build::push_output;
use handoff_docker::command::{self, CommandOutput};
use handoff_model::{image_name, shell};
use handoff_registry::{Error, PullRegistry, PushRegistry, Settings, StoreKind, session};
use handoff_runner::user_daemon;
use handoff_storage::{FORBIDDEN_IN_NAMES, ServiceEndpoint};
use handoff_strategies::PUSH_LEVEL;
use handoff_strategies::buildx::Compression;
use handoff_strategies::options::named;

use crate::exit::{self, bad_input, bail_input};
use crate::{out, user_image};

mod build;

/// Concurrency and part size of a transfer, shared with `relay`.
#[derive(Debug, clap::Args)]
pub(super) struct TransferArgs {
    /// Concurrent requests; 0 adapts the number to the bandwidth, up to 32 [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    connections: Option<u16>,
    /// MiB of an uploaded block or a downloaded range; each concurrent request holds one in memory [default: 4]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=16))]
    part: Option<u16>,
}

impl TransferArgs {
    pub(super) fn settings(&self) -> Settings {
        let connections = self.connections.filter(|n| *n > 0).map(usize::from);
        let part_bytes = self.part.map(|mib| usize::from(mib) << 20);
        Settings { connections, part_bytes, ..Settings::default() }
    }
}

/// Options of both `send` and `receive`.
#[derive(Debug, clap::Args)]
struct Common {
    /// Name that the image is sent under; receivers use the same [default: image]
    #[arg(long, default_value = "image", hide_default_value = true)]
    name: String,
    /// Service that stores the image: artifact (for this run), or cache (later runs reuse its layers)
    #[arg(long, value_name = "STORE", default_value = "artifact")]
    store: StoreKind,
    #[command(flatten)]
    flight: TransferArgs,
}

/// Options of `send`.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// Image reference, as in `docker image ls`; with --context, the name that receivers give it
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Build the image from this folder; the builder sends each layer when it is built, and does not load the image here
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Dockerfile of --context [default: DIR/Dockerfile]
    #[arg(long, value_name = "FILE", requires = "context")]
    file: Option<PathBuf>,
    /// Compression of the layers of --context: zstd, gzip, uncompressed [default: zstd]
    #[arg(long, value_name = "WORD", requires = "context", value_parser = ["zstd", "gzip", "uncompressed"])]
    compression: Option<String>,
    /// Level of zstd for --context; 0 is the builder's default [default: 1]
    #[arg(long, value_name = "LEVEL", requires = "context", value_parser = clap::value_parser!(u8).range(0..=22))]
    level: Option<u8>,
    #[command(flatten)]
    common: Common,
}

/// Options of `receive`.
#[derive(Debug, clap::Args)]
pub struct ReceiveArgs {
    #[command(flatten)]
    common: Common,
    /// Name of the received image [default: the name that it was sent from]
    #[arg(long, value_name = "IMAGE")]
    tag: Option<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands an error over by value")]
fn does_not_start(error: std::io::Error) -> anyhow::Error {
    bad_input(format!("docker does not start: {error}; install it, or add it to PATH"))
}

/// Runs docker with the user's engine and configuration; its output goes to stderr.
fn docker(args: &[&str]) -> anyhow::Result<()> {
    let run = duct::cmd("docker", args).stdin_null().stdout_to_stderr().unchecked().run();
    let status = run.map_err(does_not_start)?.status;
    anyhow::ensure!(status.success(), "docker {} ended with {status}; read its output above", args.join(" "));
    Ok(())
}

/// Removes a name of an image, which stays under its other name. A name that cannot be removed costs nothing.
fn untag(reference: &str) {
    let _ = ask(&["rmi", "--no-prune", reference]);
}

/// Origin of the image that is sent.
enum Source {
    /// Image of the engine.
    Engine { image: String },
    /// Build of a folder, perhaps with a Dockerfile elsewhere, pushed by the option `output`.
    Builder { context: PathBuf, file: Option<PathBuf>, output: String },
}

impl Source {
    /// Pushes the image under that name of a registry on loopback.
    fn push(&self, reference: &str) -> anyhow::Result<()> {
        match self {
            Self::Engine { image } => {
                docker(&["tag", image, reference])?;
                let pushed = docker(&["push", "--quiet", reference]);
                untag(reference);
                pushed
            }
            Self::Builder { context, file, output } => build::run(reference, output, context, file.as_deref()),
        }
    }
}

/// Refuses a name that no image can have, before docker answers with something else.
fn check_name(option: &str, name: &str) -> anyhow::Result<()> {
    image_name::check(name).map_err(|e| bad_input(format!("{option} {}: {e}", shell::quote(name))))
}

/// Refuses a name that no store accepts.
///
/// # Errors
/// The character at fault.
pub(super) fn check_sent_name(name: &str) -> anyhow::Result<()> {
    if name.is_empty() {
        return Err(bad_input("--name '' is empty: give a name, or leave --name out"));
    }
    let Some(bad) = name.chars().find(|c| c.is_control() || FORBIDDEN_IN_NAMES.contains(c)) else { return Ok(()) };
    Err(bad_input(format!(
        "--name {}: the service takes no {} in a name: use none of \" : < > | * ? \\ / and no control character",
        shell::quote(name),
        image_name::described(bad)
    )))
}

/// Output of `docker` with arguments; an error where it does not start.
fn ask(args: &[&str]) -> anyhow::Result<CommandOutput> {
    command::run(&duct::cmd("docker", args)).map_err(does_not_start)
}

/// Refuses podman under the name of docker: it pushes to a registry on loopback by TLS alone, and has no BuildKit.
fn refuse_podman() -> anyhow::Result<()> {
    let CommandOutput { stdout: version, stderr, .. } = ask(&["--version"])?;
    if format!("{version} {stderr}").to_lowercase().contains("podman") {
        bail_input!(
            "`docker` is podman here ({}), which does not work with relay: install Docker's own client and put it first on the PATH",
            shell::escaped(&version)
        );
    }
    Ok(())
}

/// An image that the engine has, or why it cannot be sent.
fn in_engine(image: &str) -> anyhow::Result<Source> {
    let found = ask(&["image", "inspect", "--format", "{{.Id}}", "--", image])?;
    if found.success {
        return Ok(Source::Engine { image: image.to_owned() });
    }
    let why = user_daemon::explained(image, &found.stderr.lines().collect::<Vec<_>>().join("; "));
    let build = "; a build leaves it there with --load, or let --context DIR build it";
    Err(bad_input(format!("{why}{}", if why.contains("has no image") { build } else { "" })))
}

impl SendArgs {
    /// Pushes the image to an end of our own, which stores it for receivers.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let source = self.source()?;
        let (common, image) = (self.common, self.image);
        let sent = session::runtime()?.block_on(async {
            let endpoint = ServiceEndpoint::from_env()?;
            let sender = PushRegistry::start(common.store, endpoint, &common.name, &common.flight.settings()).await?;
            let reference = format!("{}/{}", sender.registry(), repository(&image));
            let pushing = tokio::task::spawn_blocking(move || source.push(&reference));
            let (ready, pushed) = tokio::join!(sender.ready(), pushing);
            // What the service says of it is the reason why a push was refused.
            ready?;
            pushed??;
            let tag = sender.tags().pop().unwrap_or_default();
            Ok::<_, anyhow::Error>(sender.commit(&[(&image, &tag)]).await?)
        })?;
        let (received, reused) = (mib(sent.received), mib(sent.reused));
        let (name, blobs) = (common.name, sent.blobs);
        out::talk(&format!("sent {image} as {name:?}: {received} in {blobs} blobs, {reused} there already"));
        Ok(exit::OK)
    }

    /// Source of the image, checked before anything starts: first the options, then what docker answers.
    fn source(&self) -> anyhow::Result<Source> {
        check_name("IMAGE", &self.image)?;
        check_sent_name(&self.common.name)?;
        let output = self.output()?;
        let file = self.file.as_deref().map(|file| user_image::named_dockerfile(file, "--file")).transpose()?;
        let context = self.context.as_deref().map(user_image::context_dir).transpose()?;
        if let Some(dir) = context.as_ref().filter(|_| file.is_none()) {
            user_image::check_dockerfile(&user_image::default_dockerfile(dir), "--file")?;
        }
        refuse_podman()?;
        let Some(context) = context else { return in_engine(&self.image) };
        build::check_buildx()?;
        Ok(Source::Builder { context, file, output })
    }

    /// The option by which the builder pushes, or why the options contradict each other.
    fn output(&self) -> anyhow::Result<String> {
        let compression = self.compression.as_deref().and_then(named).unwrap_or(Compression::Zstd);
        if let Some(level) = self.level.filter(|_| compression != Compression::Zstd) {
            bail_input!(
                "--level {level} has no effect with --compression {}: leave --level out, or use --compression zstd",
                compression.as_str()
            );
        }
        Ok(push_output(compression.as_str(), self.level.map_or(PUSH_LEVEL, u32::from)))
    }
}

impl ReceiveArgs {
    /// Pulls the image from an end of our own, which fetches what was sent.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let (common, tag) = (self.common, self.tag);
        check_sent_name(&common.name)?;
        if let Some(tag) = &tag {
            check_name("--tag", tag)?;
        }
        let received = session::runtime()?.block_on(async {
            let endpoint = ServiceEndpoint::from_env()?;
            refuse_podman()?;
            let receiver = PullRegistry::start(common.store, endpoint, &common.name, &common.flight.settings()).await?;
            let (sent_as, remote_tag) = receiver.sent_as();
            let remote_tag = remote_tag.ok_or(Error::NothingPushed)?;
            let image = tag.unwrap_or_else(|| sent_as.to_owned());
            let reference = format!("{}/received:{remote_tag}", receiver.registry());
            let pulled = tokio::task::spawn_blocking({
                let image = image.clone();
                move || {
                    docker(&["pull", "--quiet", &reference])?;
                    let tagged = docker(&["tag", &reference, &image]);
                    untag(&reference);
                    tagged
                }
            })
            .await;
            let received = receiver.stop();
            // The end knows better than docker why a blob was cut short.
            if let Some(broken) = received.broken {
                anyhow::bail!("{broken}");
            }
            pulled??;
            Ok::<_, anyhow::Error>((image, received.given))
        })?;
        out::talk(&format!("received {}: {} fetched", received.0, mib(received.1)));
        out::data(&received.0);
        Ok(exit::OK)
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// A repository and tag that any registry takes: the last part of the image's name.
fn repository(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    let name = Path::new(name).file_name().map_or_else(|| "image".into(), |n| n.to_string_lossy().into_owned());
    if name.contains(':') { name } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_maps_to_a_valid_repository_name() {
        assert_eq!(repository("app"), "app:latest");
        assert_eq!(repository("example.org:5000/team/app:1.2"), "app:1.2");
        assert_eq!(repository("app@sha256:00"), "app:latest");
    }
}
