//! `handoff run`.

use std::path::{Path, PathBuf};

use handoff_model::{Plan, UserImage, shell};
use handoff_records::{Results, difference, same_sources};
use handoff_runner::{Cancel, RunConfig, workspace};

use crate::args::{BuildkitArgs, PlanArgs};
use crate::exit::{self, bad_input, bail_input};
use crate::progress::Display;
use crate::{out, paths, revision, user_image, verbs};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    buildkit: BuildkitArgs,
    /// Results folder: a new one, or with --resume that of the run [default: results/TIME-local]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue an interrupted run: only trials without a row run
    #[arg(long)]
    resume: bool,
    /// With --resume: continue although the machine, its programs or the sources of handoff differ; each row names its environment
    #[arg(long, requires = "resume")]
    mixed: bool,
    /// Folder for the engines' data during a trial: a short path, on disk
    #[arg(long, value_name = "DIR", env = "HANDOFF_WORK_DIR", default_value = workspace::DEFAULT_WORK_DIR)]
    work_dir: PathBuf,
    /// Image for `--engine container`, which the daemon must have: nothing is pulled
    #[arg(long, value_name = "IMAGE", default_value = handoff_docker::DEFAULT_ENGINE_IMAGE)]
    engine_image: String,
}

impl Args {
    /// Runs the trials that have no row, then prints the table and the paths of the files.
    ///
    /// # Errors
    /// A plan that cannot run here, or a machine that lacks something. A failed trial is no error.
    pub fn run(self) -> anyhow::Result<u8> {
        // Jobs run in folders of their own: a path that is relative would mean another place there.
        let named = self.out_dir();
        let out = std::path::absolute(&named).map_err(bad_input)?;
        let work_dir = std::path::absolute(&self.work_dir).map_err(bad_input)?;
        paths::check_environment()?;
        paths::check_text("--out", &out)?;
        paths::check_work_dir(&work_dir)?;
        let stored = self.stored(&out)?;
        self.plan.tell_overrides()?;
        let plan = self.plan.plan(stored.as_ref().map(|r| &r.plan.request))?;
        if let Some(stored) = stored {
            same(&stored.plan, &plan, &out)?;
            if !self.mixed {
                same_sources(&out, &stored.environments, &revision::revision().source_digest)?;
            }
            // A run that is complete builds nothing any more.
            if stored.measurements.len() < plan.trials.len() {
                user_image::check_values(&plan.request, &named)?;
            }
        }
        verbs::plan::check_disk(&plan, &work_dir)?;
        crate::args::tell_declared(&plan);
        let cancel = Cancel::default();
        end_on_signal(&cancel)?;
        let Self { resume, mixed, engine_image, buildkit: BuildkitArgs { buildkit_image }, .. } = self;
        let (folder, revision) = (out.clone(), revision::revision());
        let config = RunConfig { out: folder, work_dir, resume, mixed, revision, buildkit_image, engine_image };
        let mut display = Display::new(plan.request.user_image.clone());
        let summary = handoff_runner::run(&config, &plan, &cancel, &mut |event| display.show(&event));
        display.finish(summary.is_ok());
        if let Err(handoff_runner::RunError::Cancelled) = &summary {
            let asked = plan.request.user_image.as_ref().map(UserImage::build_arg_names).unwrap_or_default();
            let asked = asked.iter().map(|name| format!(" --build-arg {name}=VALUE")).collect::<Vec<_>>().concat();
            let folder = shell::quote(&named.to_string_lossy());
            out::talk(&format!("go on with: handoff run --resume --out {folder}{asked}"));
        }
        let summary = summary?;
        let options = crate::analysed::VerdictArgs::default().options()?;
        let files = verbs::report::show(verbs::report::read(std::slice::from_ref(&named), &options)?, &named)?;
        for file in ["measurements.csv", "consumers.csv", "spans.csv", "environments.json", "plan.json"] {
            out::data(&out.join(file).display().to_string());
        }
        for file in files {
            out::data(&file.display().to_string());
        }
        if summary.failed == 0 {
            return Ok(exit::OK);
        }
        let (failed, all, logs) = (summary.failed, summary.failed + summary.completed, out.join("logs"));
        out::talk(&format!("{failed} of {all} trials are not completed; logs: {}", logs.display()));
        Ok(exit::TRIALS_FAILED)
    }

    fn out_dir(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%d-%H%M%S").to_string();
            PathBuf::from("results").join(format!("{now}-local"))
        })
    }

    fn stored(&self, out: &Path) -> anyhow::Result<Option<Results>> {
        if !self.resume {
            return Ok(None);
        }
        if self.out.is_none() {
            return Err(bad_input("--resume needs --out DIR: name the folder of the run"));
        }
        if !out.join("plan.json").exists() {
            bail_input!("{} holds no run to resume: name another folder, or leave --resume out", out.display());
        }
        Ok(Some(Results::read(out)?))
    }
}

/// Checks that what is asked is what the folder holds.
fn same(stored: &Plan, asked: &Plan, out: &Path) -> anyhow::Result<()> {
    let dir = out.display();
    if let Some((option, held, given)) = difference(&stored.request, &asked.request) {
        bail_input!(
            "{dir} holds another plan: {option} {held}, not {given}: leave {option} out to go on with it, or use another --out"
        );
    }
    if stored.hash != asked.hash {
        bail_input!(
            "{dir} holds a plan that this version of handoff would lay out otherwise: use the version that made it, or another --out"
        );
    }
    Ok(())
}

/// Ctrl-C, a closed terminal and a plain kill end the run cleanly. A second Ctrl-C changes nothing: the end takes seconds.
pub(super) fn end_on_signal(cancel: &Cancel) -> anyhow::Result<()> {
    let cancel = cancel.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
                // A signal that cannot be listened for ends the process, as it does by default; the next run removes what that leaves.
                let Ok(mut signal) = signal(kind) else { continue };
                let cancel = cancel.clone();
                tokio::spawn(async move {
                    while signal.recv().await.is_some() {
                        out::talk(if cancel.is_cancelled() {
                            "already ending; what is left is removed within seconds"
                        } else {
                            "ending: the trial under way is given up, finished ones are kept"
                        });
                        cancel.cancel();
                    }
                });
            }
            std::future::pending::<()>().await;
        });
    });
    Ok(())
}
