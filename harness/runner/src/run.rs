//! A run: every trial of a plan that the journal does not hold yet, one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use handoff_docker::{Programs, namespace};
use handoff_machine::writeback::wait_for_writeback;
use handoff_machine::{Revision, available_memory, free_bytes, load_1m};
use handoff_model::{Failure, Outcome, Plan, Trial, UserImage};
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

/// Where a run works and writes.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The results folder.
    pub out: PathBuf,
    /// Where jobs live.
    pub work_dir: PathBuf,
    /// Go on with a run that is there.
    pub resume: bool,
    /// With `resume`: also on another machine, or by a program from other sources.
    pub mixed: bool,
    /// The sources that the running program was built from.
    pub revision: Revision,
    /// Image of `docker-container` builders, if one is named.
    pub buildkit_image: Option<String>,
    /// Image of an engine, for engines in containers.
    pub engine_image: String,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Something before the first trial, in words.
    Note(String),
    /// Something before the first trial that the rows will suffer from, in words.
    Warning(String),
    /// The plan's trials, and those that are left.
    Begin {
        /// All trials of the plan.
        total: usize,
        /// Trials to run now.
        todo: Vec<&'a Trial>,
    },
    /// A trial starts.
    Trial(&'a Trial),
    /// A part of it starts.
    TrialPhase(TrialPhase),
    /// A trial has ended and is in the journal.
    Done {
        /// The trial.
        trial: &'a Trial,
        /// Its row.
        row: &'a MeasurementRow,
        /// Time it took with all that is off the clock.
        took: Duration,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Trials with outcome completed, earlier ones of a resumed run included.
    pub completed: usize,
    /// All others, but for those that the plan left out.
    pub failed: usize,
}

/// Says that the machine is busy, where it is: more than half as much again as the cores can do leaves no time untouched.
fn busy(load: f64, cores: usize) -> Option<String> {
    (load > 1.5 * cores as f64).then(|| {
        format!(
            "load average {load:.1} on {cores} cores: something else works here, and every time will have it in it; \
             wait for its end, or take the rows for a try"
        )
    })
}

/// Runs what is missing of a plan.
pub fn run(
    config: &RunConfig,
    plan: &Plan,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, RunError> {
    let programs = Programs::find()?;
    let tools = Tools::find()?;
    for leftover in workspace::leftovers(&config.work_dir)? {
        progress(Progress::Note(format!("removing what a run that was cut off left in {}", leftover.dir.display())));
        if let Err(error) = workspace::remove(&leftover) {
            progress(Progress::Note(format!("it stays there for now: {error}")));
        }
    }
    let mut workspace = Workspace::create(
        Path::new(workspace::MACHINE_LOCK),
        &config.work_dir,
        &format!("r-{}", &plan.request.run_id[..8.min(plan.request.run_id.len())]),
    )?;
    // Before anything of this run works: its own load is no news.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if let Some(warning) = load_1m().and_then(|load| busy(load, cores)) {
        progress(Progress::Warning(warning));
    }
    let (store, store_kind) = service_store(plan, &mut workspace)?;
    progress(Progress::Note("checking the engine".to_owned()));
    let host_daemon = daemon::lend(plan, &config.engine_image, &workspace)?;
    let Checked { engine, buildkit } =
        preflight(&mut workspace, &tools, plan, config.buildkit_image.as_deref(), host_daemon.as_ref(), cancel)?;
    let mut environment = describe(&config.work_dir, store_kind, &programs, &tools, &engine, &config.revision)?;
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
                "this run goes on in another environment ({}) than it has used before: its rows are mixed from here on",
                environment.id
            )));
        }
        (journal, rows)
    } else {
        (Journal::create(&config.out, plan, std::slice::from_ref(&environment))?, Vec::new())
    };
    let user_image = plan.request.user_image.as_ref();
    let given = match user_image {
        Some(UserImage::Image { name, id, .. }) => {
            progress(Progress::Note(format!("taking {name} out of the daemon")));
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
            // A link is shaped by its service: another profile is another service, and the old one ends first.
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
                given: given.as_deref(),
                cancel,
                launch: namespace::command,
                wait_for_writeback,
            };
            trial::run(&mut context, trial, logs, &mut |part| progress(Progress::TrialPhase(part)))?
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
            // The plan said so: nothing went wrong.
            Outcome::Skipped if row.failed_span == Failure::PLAN => {}
            _ => self.failed += 1,
        }
    }
}

/// Where the service keeps blobs: in memory where there is plenty, because GitHub's storage does not share the runner's
/// disk; else on disk. The row's environment says which.
fn service_store(plan: &Plan, workspace: &mut Workspace) -> Result<(PathBuf, &'static str), RunError> {
    let largest = needs::sized_trials(plan).iter().map(needs::store_bytes).max().unwrap_or(0);
    let memory = Path::new("/dev/shm");
    // Where the machine does not tell how much is free, the disk serves.
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
    // A group of its own: Ctrl-C in the terminal is the runner's to handle.
    command.arg("service").arg("--store").arg(store).args(["--profile", profile]).process_group(0);
    Client::spawn(command).map_err(|e| RunError::Service(e.to_string()))
}

fn lacks_room(work_dir: &Path, store: &Path, trial: &Trial) -> Result<Option<Failure>, RunError> {
    let lacking = |dir: &Path, need: u64| {
        let free = free_bytes(dir)?;
        Ok((free < need).then(|| {
            let mib = |bytes: u64| bytes >> 20;
            let (need, free) = (mib(need), mib(free));
            Failure::new(
                "disk",
                format!(
                    "{need} MiB needed, {free} MiB free below {}: free some, or use a smaller image",
                    dir.display()
                ),
            )
        }))
    };
    match lacking(work_dir, needs::least_disk_bytes(trial))? {
        Some(failure) => Ok(Some(failure)),
        None => lacking(store, needs::least_store_bytes(trial)),
    }
}

#[cfg(test)]
mod tests {
    use super::busy;

    #[test]
    fn only_a_load_that_the_cores_cannot_carry_is_told() {
        assert_eq!((busy(0.0, 1), busy(3.0, 2)), (None, None));
        let told = busy(13.8, 2).unwrap();
        assert!(told.starts_with("load average 13.8 on 2 cores") && !told.contains('\n'), "{told}");
    }
}
