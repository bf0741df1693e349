//! `handoff produce` and `handoff consume`: one side of one trial, against the service that the environment names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_docker::buildkit;
use handoff_fixtures::{ImageSpec, PROBE_PATH};
use handoff_model::{Builder, ByteSize, Conditions, Failure, ImageIdentity, Role, Sources, StrategySpec, Ticket};
use handoff_runner::protocol::JobSpec;
use handoff_runner::remote::{NoAnswer, RemoteJob};
use handoff_runner::tools::Tools;
use handoff_runner::workspace::{self, Workspace};
use handoff_runner::{Cancel, RunError};
use handoff_strategies::MoreBuilds;
use serde::{Deserialize, Serialize};

use crate::args::BuildkitArgs;
use crate::exit::{self, bad_input, bail_input};
use crate::{files, out, paths};

/// Options of `produce`.
#[derive(Debug, clap::Args)]
pub struct ProduceArgs {
    #[command(flatten)]
    role: RoleArgs,
    /// Size of the image
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    size: String,
    /// Workload of the image
    #[arg(long, value_name = "NAME", default_value = "typical")]
    workload: String,
    /// Seed of the image's content
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Text that changes the content of every layer, so that no cache knows it [default: random]
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
}

/// Options of `consume`.
#[derive(Debug, clap::Args)]
pub struct ConsumeArgs {
    #[command(flatten)]
    role: RoleArgs,
}

#[derive(Debug, clap::Args)]
struct RoleArgs {
    /// Strategy with its options
    #[arg(long, value_name = "NAME[:OPTION=VALUE,...]")]
    strategy: String,
    /// Ticket, which the producer writes and consumers read
    #[arg(long, value_name = "FILE", default_value = "ticket.json")]
    ticket: PathBuf,
    /// Image store of the engine: containerd, overlay2
    #[arg(long, value_name = "STORE", default_value = "containerd")]
    image_store: String,
    /// Builder: docker, docker-container
    #[arg(long, value_name = "BUILDER", default_value = "docker")]
    builder: String,
    #[command(flatten)]
    buildkit: BuildkitArgs,
    /// Folder for logs
    #[arg(long, value_name = "DIR", default_value = "logs")]
    logs: PathBuf,
    /// Time limit, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    timeout: u64,
    /// Folder for the engine's data
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
}

/// File that the producer writes for consumers: the ticket, and the image's parameters and identity.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketFile {
    strategy: StrategySpec,
    workload: String,
    size_bytes: u64,
    seed: u64,
    nonce: String,
    ticket: Ticket,
    built: ImageIdentity,
}

impl ProduceArgs {
    /// Runs the producer and writes the ticket.
    ///
    /// # Errors
    /// A strategy or ticket that cannot be used, or a trial that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let size: ByteSize = self.size.parse().map_err(bad_input)?;
        let nonce = self.nonce.map_or_else(crate::random_id::random_id, Ok)?;
        let strategy: StrategySpec = self.role.strategy.parse().map_err(bad_input)?;
        let (workload, size_bytes, seed) = (self.workload, size.bytes(), self.seed);
        let (ticket, built) = (Ticket::default(), ImageIdentity::default());
        let planned = TicketFile { strategy, workload, size_bytes, seed, nonce, ticket, built };
        let (ticket, built, json) = self.role.run(Role::Producer, &planned)?;
        let file = TicketFile { ticket, built, ..planned };
        files::write(&self.role.ticket, &serde_json::to_vec_pretty(&file)?)?;
        out::data(&serde_json::to_string_pretty(&json)?);
        Ok(exit::OK)
    }
}

impl ConsumeArgs {
    /// Runs a consumer and verifies the image.
    ///
    /// # Errors
    /// A strategy or ticket that cannot be used, or a trial that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let read = |path: &Path| std::fs::read(path).map_err(RunError::io("read", path));
        let file: TicketFile = serde_json::from_slice(&read(&self.role.ticket)?).map_err(|e| {
            bad_input(format!("{}: {e}: name the ticket that `handoff produce` wrote", self.role.ticket.display()))
        })?;
        let (_, arrived, json) = self.role.run(Role::Consumer, &file)?;
        let strategy = handoff_strategies::find(&file.strategy).map_err(bad_input)?;
        let content = Some(image(&file)?.content_digest()?);
        let check = handoff_model::IdentityCheck::compare(&ImageIdentity { content, ..file.built }, &arrived);
        let refused = check.refused(strategy.facts().moves_image);
        out::data(&serde_json::to_string_pretty(&serde_json::json!({ "side": json, "identity": check }))?);
        if refused.is_empty() {
            return Ok(exit::OK);
        }
        out::talk(&format!("error: identity: {} not proven equal", refused.join(", ")));
        Ok(exit::TRIALS_FAILED)
    }
}

fn image(file: &TicketFile) -> anyhow::Result<ImageSpec> {
    let workload = handoff_fixtures::load_workload(&file.workload)?;
    Ok(ImageSpec::new(&workload, file.size_bytes, Some(file.seed), &file.nonce)?)
}

impl RoleArgs {
    fn run(&self, role: Role, file: &TicketFile) -> anyhow::Result<(Ticket, ImageIdentity, serde_json::Value)> {
        let given: StrategySpec = self.strategy.parse().map_err(bad_input)?;
        let strategy = handoff_strategies::find(&given).map_err(bad_input)?;
        if given != file.strategy {
            bail_input!("--strategy {given}: the ticket is of another strategy: use --strategy {}", file.strategy);
        }
        let conditions = Conditions {
            image_store: self.image_store.parse().map_err(bad_input)?,
            builder: self.builder.parse().map_err(bad_input)?,
            ..Conditions::default()
        };
        if let Some(reason) = strategy.refused(&conditions) {
            bail_input!("{given}: {reason}");
        }
        let conditions = strategy.conditions(&conditions);
        if strategy.more_builds() != MoreBuilds::default() {
            bail_input!("{given}: images beside the trial's own are built by `handoff run` only");
        }
        let work_dir = std::path::absolute(&self.work_dir).map_err(bad_input)?;
        let logs = std::path::absolute(&self.logs).map_err(bad_input)?;
        paths::check_environment()?;
        paths::check_work_dir(&work_dir)?;
        paths::check_text("--logs", &logs)?;
        let service_env = service_env(strategy.facts().has_producer)?;
        let image = image(file)?;
        let tools = Tools::find()?;
        let run = crate::random_id::random_id()?;
        let mut workspace =
            Workspace::create(Path::new(workspace::MACHINE_LOCK), &work_dir, &format!("s-{}", &run[..8]))?;
        let job = format!("{}-{role}", &run[..8]);
        let root = workspace.add_job(&job, None)?;
        let context = root.join("sources");
        image.write_context(&context)?;
        let spec = JobSpec {
            role,
            logs,
            buildkit: (conditions.builder == Builder::DockerContainer && strategy.builds(role))
                .then(|| buildkit::choose(self.buildkit.buildkit_image.as_deref())),
            name: format!("handoff-{}", file.nonce),
            image: format!("handoff/trial:{}", file.nonce.to_lowercase()),
            answer: image.answer(),
            sources: Sources { context, ..Sources::default() },
            digest_command: vec![PROBE_PATH.to_owned(), "digest".to_owned()],
            service_env,
            ticket: (role == Role::Consumer).then(|| file.ticket.clone()),
            ..JobSpec::new(&job, &root, given, conditions, &tools.paths, None)
        };
        let result = self.course(&spec, &tools);
        workspace.remove_job(&job)?;
        result
    }

    fn course(&self, spec: &JobSpec, tools: &Tools) -> anyhow::Result<(Ticket, ImageIdentity, serde_json::Value)> {
        let cancel = Cancel::default();
        let (mut job, facts) = RemoteJob::start(spec, &tools.paths.handoff, &cancel).map_err(trial_error)?;
        out::talk(&format!("engine ready; {} of {} starts", spec.role, spec.strategy));
        let finished = job.run(Duration::from_secs(self.timeout), &cancel).map_err(trial_error)?;
        if let Some(failure) = &finished.failure {
            anyhow::bail!("{failure} (logs: {})", spec.logs.display());
        }
        let identity = job.identify(&cancel).map_err(trial_error)?;
        job.stop()?;
        let json = serde_json::json!({
            "strategy": spec.strategy, "side": spec.role, "engine": facts, "wall_ns": finished.wall_ns,
            "spans": finished.spans, "usage": finished.usage, "facts": finished.facts, "identity": identity,
        });
        Ok((finished.ticket.clone(), identity, json))
    }
}

fn trial_error(no_answer: NoAnswer) -> anyhow::Error {
    match no_answer {
        NoAnswer::Trial(_, Failure { span, error }) => anyhow::anyhow!("{span}: {error}"),
        NoAnswer::Run(error) => error.into(),
    }
}

/// The variables that a runner gives to actions, as `handoff serve` prints them.
fn service_env(needed: bool) -> anyhow::Result<BTreeMap<String, String>> {
    let env: BTreeMap<String, String> =
        std::env::vars().filter(|(k, _)| k.starts_with("ACTIONS_") || k == "GITHUB_SERVER_URL").collect();
    for name in ["ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN"] {
        if let Some(c) = env.get(name).and_then(|v| v.chars().find(|c| c.is_whitespace() || c.is_control())) {
            let bad = handoff_model::image_name::described(c);
            bail_input!("{name} has a {bad} in it: set it again without it");
        }
        if needed && !env.contains_key(name) {
            bail_input!("{name} is not set: take it from `handoff serve`, or from a step of an action");
        }
    }
    Ok(env)
}
