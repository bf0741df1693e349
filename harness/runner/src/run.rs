//! Run of a plan: every trial that the journal lacks, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handoff_docker::{Programs, namespace};
use handoff_machine::writeback::wait_for_writeback;
use handoff_machine::{Revision, available_memory, free_bytes, load_1m};
use handoff_model::{EngineVersion, Failure, Outcome, Plan, Trial, UserImage};
use handoff_records::{Journal, MeasurementRow};
use handoff_services::control::Client;

use crate::daemon;
use crate::environment::describe;
use crate::needs;
use crate::preflight::{Checked, preflight};
use crate::tools::Tools;
use crate::trial::{self, RunContext, TrialPhase};
use crate::workspace::{self, Workspace};
use crate::{Cancel, RunError, user_daemon};

/// Configuration of a run.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Results folder.
    pub out: PathBuf,
    /// Folder of the jobs.
    pub work_dir: PathBuf,
    /// Whether to continue an existing run.
    pub resume: bool,
    /// Whether to continue on another machine, or with a program from other sources.
    pub mixed: bool,
    /// Sources of the running program.
    pub revision: Revision,
    /// Image of `docker-container` builders, if one is named.
    pub buildkit_image: Option<String>,
    /// Image of engines in containers.
    pub engine_image: String,
}

/// Progress of a run.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Message before the first trial.
    Note(String),
    /// Warning before the first trial that affects the rows.
    Warning(String),
    /// Start of the trials.
    Begin {
        /// Number of the plan's trials.
        total: usize,
        /// Trials to run now.
        todo: Vec<&'a Trial>,
    },
    /// Start of a trial.
    Trial(&'a Trial),
    /// Start of a trial's phase.
    TrialPhase(TrialPhase),
    /// End of a trial, whose row is in the journal.
    Done {
        /// Trial.
        trial: &'a Trial,
        /// Row of the trial.
        row: &'a MeasurementRow,
        /// Time of the trial, including everything off the clock.
        took: Duration,
    },
}

/// Numbers of completed and failed trials at the end of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Completed trials, including earlier ones of a resumed run.
    pub completed: usize,
    /// Other trials, except those that the plan skipped.
    pub failed: usize,
}

/// Warning about a busy machine, whose load exceeds one and a half times its cores.
fn load_warning(load: f64, cores: usize) -> Option<String> {
    (load > 1.5 * cores as f64).then(|| {
        format!(
            "load average {load:.1} on {cores} cores: another program slows this run down and distorts every time; \
             wait for its end, or use the rows only as a trial run"
        )
    })
}

/// Runs the trials of a plan that the results folder lacks.
///
/// # Errors
/// A program is missing, preflight fails, the results folder cannot be used, or the run is cancelled.
pub fn run(
    config: &RunConfig,
    plan: &Plan,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, RunError> {
    let versions: BTreeSet<EngineVersion> = plan.request.conditions.iter().map(|c| c.engine_version).collect();
    let programs = versions.into_iter().map(|version| Ok((version, Programs::of_version(version)?)));
    let programs: BTreeMap<_, _> = programs.collect::<Result<_, RunError>>()?;
    let tools = Tools::find()?;
    for leftover in workspace::leftovers(&config.work_dir)? {
        progress(Progress::Note(format!("removing leftovers of an interrupted run in {}", leftover.dir.display())));
        if let Err(error) = workspace::remove(&leftover) {
            progress(Progress::Note(format!("leftovers stay for now: {error}")));
        }
    }
    let mut workspace = Workspace::create(
        Path::new(workspace::MACHINE_LOCK),
        &config.work_dir,
        &format!("r-{}", &plan.request.run_id[..8.min(plan.request.run_id.len())]),
    )?;
    // The load is read before this run adds to it.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if let Some(warning) = load_1m().and_then(|load| load_warning(load, cores)) {
        progress(Progress::Warning(warning));
    }
    let (store, store_kind) = service_store(plan, &mut workspace)?;
    progress(Progress::Note("checking the engine".to_owned()));
    let host_daemon = daemon::find(plan, &config.engine_image, &workspace)?;
    let Checked { engine, buildkit, disk_limits } =
        preflight(&mut workspace, &tools, plan, config.buildkit_image.as_deref(), host_daemon.as_ref(), cancel)?;
    let mut environment = describe(&config.work_dir, store_kind, &programs, &tools, &engine, &config.revision)?;
    environment.disk_limits = disk_limits;
    let (mut journal, rows) = if config.resume && config.out.join("plan.json").exists() {
        let (mut journal, rows) = Journal::open(&config.out)?;
        journal.same_plan(&plan.request)?;
        for repair in journal.repairs() {
            progress(Progress::Note(repair.clone()));
        }
        let known = journal.environments().len();
        environment.id = journal.go_on_in(&environment, config.mixed)?;
        if journal.environments().len() > known {
            progress(Progress::Warning(format!(
                "this run continues in environment {}, which is new to it: later rows are mixed with those of others",
                environment.id
            )));
        }
        (journal, rows)
    } else {
        (Journal::create(&config.out, plan, std::slice::from_ref(&environment))?, Vec::new())
    };
    let user_image = plan.request.user_image.as_ref();
    let image_tar = match user_image {
        Some(UserImage::Image { name, id, .. }) => {
            progress(Progress::Note(format!("saving {name} from the daemon")));
            let path = workspace.dir().join("own-image.tar");
            user_daemon::save(name, id, &path)?;
            Some(path)
        }
        _ => None,
    };
    let mut summary = Summary::default();
    for row in &rows {
        summary.count(row);
    }
    let todo: Vec<&Trial> = plan.trials.iter().filter(|t| !rows.iter().any(|r| r.trial == t.id)).collect();
    progress(Progress::Begin { total: plan.trials.len(), todo: todo.clone() });
    let mut running: Option<(&str, Client)> = None;
    for trial in todo {
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        progress(Progress::Trial(trial));
        let started = Instant::now();
        let logs = journal.log_dir(&trial.id)?;
        let rows = if let Some(reason) = needs::lacks_sources(user_image, &trial.cell.strategy) {
            trial::skipped(trial, &environment.id, plan.request.seed, Failure::new(Failure::PLAN, reason))
        } else if let Some(refused) = lacks_room(&config.work_dir, &store, &needs::sized(trial, user_image))? {
            trial::skipped(trial, &environment.id, plan.request.seed, refused)
        } else {
            let profile = trial.cell.conditions.profile.as_str();
            // The service shapes the link, so that another profile needs another service.
            if running.as_ref().is_none_or(|(name, _)| *name != profile) {
                running = None;
            }
            let (_, service) = match &mut running {
                Some(running) => running,
                none => none.insert((profile, start_service(&tools.paths.handoff, &store, profile)?)),
            };
            let mut context = RunContext {
                workspace: &mut workspace,
                service,
                tools: &tools.paths,
                buildkit: buildkit.as_ref(),
                host_daemon: host_daemon.as_ref(),
                environment: &environment.id,
                timeout: Duration::from_secs(plan.request.timeout_s),
                seed: plan.request.seed,
                cores: environment.cores,
                user_image,
                image_tar: image_tar.as_deref(),
                cancel,
                launch: namespace::command,
                wait_for_writeback,
            };
            trial::run(&mut context, trial, logs, &mut |phase| progress(Progress::TrialPhase(phase)))?
        };
        let row = &rows.measurement;
        journal.append(&rows.consumers, &rows.spans, row)?;
        summary.count(row);
        progress(Progress::Done { trial, row, took: started.elapsed() });
    }
    Ok(summary)
}

impl Summary {
    fn count(&mut self, row: &MeasurementRow) {
        match row.outcome {
            Outcome::Completed => self.completed += 1,
            // The plan itself skips these trials.
            Outcome::Skipped if row.failed_span == Failure::PLAN => {}
            _ => self.failed += 1,
        }
    }
}

/// Folder and kind of the service's blob store: memory if there is plenty, because GitHub's storage does not share the
/// runner's disk; else disk. The environment records the kind.
fn service_store(plan: &Plan, workspace: &mut Workspace) -> Result<(PathBuf, &'static str), RunError> {
    let largest = needs::sized_trials(plan).iter().map(needs::store_bytes).max().unwrap_or(0);
    let memory = Path::new("/dev/shm");
    let roomy = memory.is_dir()
        && free_bytes(memory).is_ok_and(|free| free > largest)
        && available_memory().is_some_and(|free| free > largest * 3 + (4 << 30));
    if roomy {
        let name = workspace.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let dir = memory.join(format!("handoff-{name}"));
        workspace.add_folder(&dir)?;
        Ok((dir, "tmpfs"))
    } else {
        let dir = workspace.dir().join("store");
        fs::create_dir_all(&dir).map_err(RunError::io("create", &dir))?;
        Ok((dir, "disk"))
    }
}

fn start_service(handoff: &Path, store: &Path, profile: &str) -> Result<Client, RunError> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(handoff);
    // In another process group, so that Ctrl-C in the terminal reaches the runner only.
    command.arg("service").arg("--store").arg(store).args(["--profile", profile]).process_group(0);
    Client::spawn(command).map_err(RunError::service)
}

fn lacks_room(work_dir: &Path, store: &Path, trial: &Trial) -> Result<Option<Failure>, RunError> {
    let lacking = |dir: &Path, need: u64| {
        let free = free_bytes(dir)?;
        Ok((free < need).then(|| {
            let (need_mib, free_mib, dir) = (need >> 20, free >> 20, dir.display());
            let fix = "free disk space, or use a smaller image";
            Failure::new("disk", format!("{need_mib} MiB needed, {free_mib} MiB free below {dir}: {fix}"))
        }))
    };
    match lacking(work_dir, needs::least_disk_bytes(trial))? {
        Some(failure) => Ok(Some(failure)),
        None => lacking(store, needs::least_store_bytes(trial)),
    }
}

#[cfg(test)]
mod tests {
    use super::load_warning;

    #[test]
    fn load_above_one_and_a_half_times_the_cores_is_a_warning() {
        assert_eq!((load_warning(0.0, 1), load_warning(3.0, 2)), (None, None));
        let warning = load_warning(13.8, 2).unwrap();
        assert!(warning.starts_with("load average 13.8 on 2 cores") && !warning.contains('\n'), "{warning}");
    }
}
