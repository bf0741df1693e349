//! Preflight: boots every kind of engine and builder of the plan before the first trial. It fails before the run writes
//! files, and collects the versions for the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use handoff_docker::buildkit::{self, BuildkitImage};
use handoff_docker::disk_limit::BlockController;
use handoff_docker::identity;
use handoff_docker::user::{HostDaemon, OwnedResources};
use handoff_model::environment::UNKNOWN;
use handoff_model::list::{commas, unique};
use handoff_model::{
    Builder, Conditions, DiskLimit, DiskMeasurement, EngineKind, EngineVersion, ImageStore, Plan, StrategySpec,
};

use crate::environment::by_engine_version;
use crate::needs::job_conditions;
use crate::protocol::{BUILDKIT_TAR, EngineFacts, JobSpec};
use crate::remote::{NoAnswer, RemoteJob};
use crate::tools::Tools;
use crate::workspace::Workspace;
use crate::{Cancel, RunError};

/// Result of the preflight.
pub struct Checked {
    /// Properties of the engines and builders.
    pub engine: EngineFacts,
    /// Builder's image that any engine can load; none if no trial needs one.
    pub buildkit: Option<BuildkitImage>,
    /// Limits of the jobs' disk, and what holds them.
    pub disk_limits: String,
}

/// Boots every kind of engine and builder of the plan; `buildkit_image` names the builder's image.
///
/// # Errors
/// The jobs' disk cannot be limited, an engine or builder does not boot, or the run is cancelled.
pub fn preflight(
    workspace: &mut Workspace,
    tools: &Tools,
    plan: &Plan,
    buildkit_image: Option<&str>,
    host_daemon: Option<&HostDaemon>,
    cancel: &Cancel,
) -> Result<Checked, RunError> {
    let conditions = unique(plan.trials.iter().map(|trial| job_conditions(&trial.cell)));
    let wanted = conditions.iter().any(|c| c.builder == Builder::DockerContainer);
    let limits = unique(conditions.iter().map(|c| c.disk_limit).filter(|limit| !limit.is_none()));
    // One limit shows that the controller works.
    let limit = limits.first().copied().unwrap_or_default();
    let disk_limits = match limit {
        DiskLimit::NONE => limit.to_string(),
        _ => format!("{} by {}", commas(&limits), BlockController::find()?.name()),
    };
    let buildkit = wanted.then(|| buildkit::choose(buildkit_image));
    let mut checked = Checked { engine: EngineFacts::default(), buildkit, disk_limits };
    let kinds: BTreeSet<(EngineKind, EngineVersion, ImageStore, Builder)> =
        conditions.iter().map(|c| (c.engine, c.engine_version, c.image_store, c.builder)).collect();
    let mut versions: BTreeMap<EngineVersion, BTreeMap<String, String>> = BTreeMap::new();
    let name = format!("{}-check", &plan.hash[..8]);
    for (engine, engine_version, image_store, builder) in kinds {
        let resources = host_daemon.map(|host_daemon| OwnedResources::of_job(engine, host_daemon, &name, ""));
        let root = workspace.add_job(&name, resources)?;
        let buildkit = checked.buildkit.clone().filter(|_| builder == Builder::DockerContainer);
        // Any strategy will do, because no role runs.
        let strategy = StrategySpec::plain(handoff_strategies::ALL[0].facts().name);
        let disk_limit = if engine == EngineKind::Private { limit } else { DiskLimit::NONE };
        let conditions =
            Conditions { engine, engine_version, image_store, builder, disk_limit, ..Conditions::default() };
        let spec = JobSpec::new(&name, &root, strategy, conditions, &tools.paths, host_daemon);
        let found = boot(&spec, buildkit.as_ref(), tools, checked.engine.disk_speed.is_none(), cancel);
        let kept = match (&found, buildkit) {
            (Ok(_), Some(image)) if image.tar.is_none() && engine != EngineKind::Host => {
                // One pull serves the whole run, which removes its folder at the end.
                let (from, to) = (root.join(BUILDKIT_TAR), workspace.dir().join(BUILDKIT_TAR));
                let moved = fs::rename(&from, &to).map_err(RunError::io("keep", &from));
                checked.buildkit = Some(BuildkitImage { tar: Some(to), ..image });
                moved
            }
            _ => Ok(()),
        };
        workspace.remove_job(&name)?;
        let facts = found?;
        versions.entry(engine_version).or_default().extend(facts.versions);
        checked.engine.disk_speed = checked.engine.disk_speed.take().or(facts.disk_speed);
        kept?;
    }
    checked.engine.versions = by_engine_version(&versions);
    if let Some(BuildkitImage { reference, tar: Some(tar) }) = &checked.buildkit {
        let digest = identity::of_tar(tar)?.config.unwrap_or_else(|| UNKNOWN.to_owned());
        checked.engine.versions.insert("buildkit image".to_owned(), format!("{reference} {digest}"));
    }
    Ok(checked)
}

/// Boots an engine, and a builder if there is an image for one. The first job of a run measures the disk.
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
            let log = fs::read_to_string(spec.logs.join("job.log")).unwrap_or_default();
            RunError::Job(format!("the engine does not start: {failure}: {}", log.trim()))
        }
    };
    let (mut job, mut facts) = RemoteJob::start(spec, &tools.paths.handoff, cancel).map_err(no_engine)?;
    let versions = buildkit.map(|image| {
        job.try_builder(image, cancel).map_err(|no_answer| match no_answer {
            NoAnswer::Run(error) => error,
            NoAnswer::Trial(_, failure) => RunError::Missing(no_builder(image, &failure.error)),
        })
    });
    // The disk comes last, when the builder is idle.
    let disk = measures_disk.then(|| job.measure_disk(cancel));
    job.stop()?;
    facts.versions.extend(versions.transpose()?.unwrap_or_default());
    facts.disk_speed = match disk {
        Some(Ok(measurement)) => Some(measurement),
        Some(Err(NoAnswer::Run(error))) => return Err(error),
        Some(Err(NoAnswer::Trial(_, failure))) => Some(DiskMeasurement::not_measured(failure.error)),
        None => None,
    };
    Ok(facts)
}

/// Error line with the command that provides a builder.
fn no_builder(image: &BuildkitImage, error: &str) -> String {
    let error = error.trim();
    let (name, make) = (&image.reference, buildkit::MAKE_COMMAND);
    if image.tar.is_some() {
        return format!(
            "--builder docker-container: no builder boots from {name}: {error}: name another image with --buildkit-image"
        );
    }
    format!(
        "--builder docker-container: no builder from {name}: {error}: build an image here with `{make}`, or name another with --buildkit-image"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_that_cannot_be_pulled_is_reported_with_the_fix() {
        let image = BuildkitImage { reference: "moby/buildkit:x".to_owned(), tar: None };
        let line = no_builder(&image, "docker pull: no such host\n");
        assert!(line.contains("docker pull: no such host: build") && line.contains(buildkit::MAKE_COMMAND), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
