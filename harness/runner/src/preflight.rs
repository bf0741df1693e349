//! Before the first trial: one engine for each store, and one builder where trials want a container for it. What cannot
//! work is told before anything is written, and what engine and builder say of themselves goes into the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use handoff_docker::buildkit::{self, BuildkitImage};
use handoff_docker::identity;
use handoff_docker::user::{HostDaemon, OwnedResources};
use handoff_model::environment::UNKNOWN;
use handoff_model::{Builder, Conditions, DiskMeasurement, EngineKind, ImageStore, Plan, Role, Sources, StrategySpec};

use crate::protocol::{BUILDKIT_TAR, EngineFacts, JobSpec};
use crate::remote::{NoAnswer, RemoteJob};
use crate::tools::Tools;
use crate::workspace::Workspace;
use crate::{Cancel, RunError};

/// What was found.
pub struct Checked {
    /// What the engines and builders said.
    pub engine: EngineFacts,
    /// The builder's image, ready to be loaded into any engine; none if no trial wants it.
    pub buildkit: Option<BuildkitImage>,
}

/// Boots what the plan's trials will boot.
pub fn preflight(
    workspace: &mut Workspace,
    tools: &Tools,
    plan: &Plan,
    asked: Option<&str>,
    host_daemon: Option<&HostDaemon>,
    cancel: &Cancel,
) -> Result<Checked, RunError> {
    let conditions = &plan.request.conditions;
    let wanted = conditions.iter().any(|c| c.builder == Builder::DockerContainer);
    let mut checked = Checked { engine: EngineFacts::default(), buildkit: wanted.then(|| buildkit::choose(asked)) };
    let kinds: BTreeSet<(EngineKind, ImageStore, Builder)> =
        conditions.iter().map(|c| (c.engine, c.image_store, c.builder)).collect();
    for (engine, image_store, builder) in kinds {
        let conditions = Conditions { engine, image_store, builder, ..Conditions::default() };
        check_one(
            workspace,
            tools,
            &format!("{}-check", &plan.hash[..8]),
            conditions,
            host_daemon,
            &mut checked,
            cancel,
        )?;
    }
    if let Some(BuildkitImage { reference, tar: Some(tar) }) = &checked.buildkit {
        let digest = identity::of_tar(tar)?.config.unwrap_or_else(|| UNKNOWN.to_owned());
        checked.engine.versions.insert("buildkit image".to_owned(), format!("{reference} {digest}"));
    }
    Ok(checked)
}

fn check_one(
    workspace: &mut Workspace,
    tools: &Tools,
    name: &str,
    conditions: Conditions,
    host_daemon: Option<&HostDaemon>,
    checked: &mut Checked,
    cancel: &Cancel,
) -> Result<(), RunError> {
    let made = host_daemon.map(|host_daemon| OwnedResources::by(conditions.engine, host_daemon, name, ""));
    let root = workspace.add_job(name, made)?;
    let shared = conditions.engine == EngineKind::Host;
    let buildkit = checked.buildkit.clone().filter(|_| conditions.builder == Builder::DockerContainer);
    let spec = JobSpec {
        job: name.to_owned(),
        role: Role::Producer,
        logs: root.join("logs"),
        root: root.clone(),
        private_disk: true,
        buildkit: None,
        // No side of it is run: any strategy will do.
        strategy: StrategySpec::plain(handoff_strategies::ALL[0].facts().name),
        conditions,
        name: String::new(),
        commit: None,
        image: String::new(),
        answer: String::new(),
        sources: Sources::default(),
        others: Vec::new(),
        probe: None,
        given: None,
        digest_command: Vec::new(),
        service_env: BTreeMap::new(),
        tools: tools.paths.clone(),
        host_daemon: host_daemon.cloned(),
        ticket: None,
    };
    let found = boot(&spec, buildkit.as_ref(), tools, checked.engine.disk_speed.is_none(), cancel);
    let kept = match (&found, buildkit) {
        (Ok(_), Some(image)) if image.tar.is_none() && !shared => {
            // Pulled once for the whole run. The run's folder goes when it ends.
            let (from, to) = (root.join(BUILDKIT_TAR), workspace.dir().join(BUILDKIT_TAR));
            let moved = fs::rename(&from, &to).map_err(RunError::io("keep", &from));
            checked.buildkit = Some(BuildkitImage { tar: Some(to), ..image });
            moved
        }
        _ => Ok(()),
    };
    workspace.remove_job(name)?;
    let facts = found?;
    checked.engine.versions.extend(facts.versions);
    checked.engine.disk_speed = checked.engine.disk_speed.take().or(facts.disk_speed);
    kept
}

/// One engine, and its builder if there is an image for one. The first job of a run measures the disk.
fn boot(
    spec: &JobSpec,
    buildkit: Option<&BuildkitImage>,
    tools: &Tools,
    measures_disk: bool,
    cancel: &Cancel,
) -> Result<EngineFacts, RunError> {
    let no_engine = |no_answer: NoAnswer| match no_answer {
        NoAnswer::Run(error) => error,
        NoAnswer::Trial(_, failure) => {
            // Part of an error that is reported anyway.
            let log = fs::read_to_string(spec.logs.join("job.log")).unwrap_or_default();
            RunError::Job(format!("no engine here: {failure}: {}", log.trim()))
        }
    };
    let (mut job, mut facts) = RemoteJob::start(spec, &tools.paths.handoff, cancel).map_err(no_engine)?;
    let said = buildkit.map(|image| {
        job.try_builder(image, cancel).map_err(|no_answer| match no_answer {
            NoAnswer::Run(error) => error,
            NoAnswer::Trial(_, failure) => RunError::Missing(no_builder(image, &failure.error)),
        })
    });
    // Behind the builder: nothing of it works any more, and what is measured is the disk alone.
    let disk = measures_disk.then(|| job.measure_disk(cancel));
    job.stop()?;
    facts.versions.extend(said.transpose()?.unwrap_or_default());
    facts.disk_speed = match disk {
        Some(Ok(measurement)) => Some(measurement),
        Some(Err(NoAnswer::Run(error))) => return Err(error),
        Some(Err(NoAnswer::Trial(_, failure))) => Some(DiskMeasurement::not_measured(failure.error)),
        None => None,
    };
    Ok(facts)
}

/// One line with the command that provides a builder.
fn no_builder(image: &BuildkitImage, error: &str) -> String {
    let error = error.trim();
    let (name, make) = (&image.reference, buildkit::MAKE_COMMAND);
    if image.tar.is_some() {
        return format!("--builder docker-container: no builder boots from {name}: {error}");
    }
    format!(
        "--builder docker-container: no builder from {name}: {error}: make an image here with `{make}`, or name another with --buildkit-image"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_cannot_be_pulled_has_a_mend() {
        let image = BuildkitImage { reference: "moby/buildkit:x".to_owned(), tar: None };
        let line = no_builder(&image, "docker pull: no such host\n");
        assert!(line.contains("docker pull: no such host: make") && line.contains(buildkit::MAKE_COMMAND), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
