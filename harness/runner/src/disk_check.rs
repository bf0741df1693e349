//! Check of the disk limit: jobs as in trials, each with a limit, measure their own disk.

use std::path::Path;

use handoff_docker::disk_check::DiskCheck;
use handoff_model::{Conditions, DiskLimit, StrategySpec};

use crate::protocol::JobSpec;
use crate::remote::{NoAnswer, RemoteJob};
use crate::tools::Tools;
use crate::workspace::{self, Workspace};
use crate::{Cancel, RunError};

/// Job whose disk is measured, without a role.
#[derive(Debug)]
pub struct DiskChecker {
    workspace: Workspace,
    tools: Tools,
}

impl DiskChecker {
    /// Takes the lock of the machine, and removes what interrupted runs left below the work folder.
    ///
    /// # Errors
    /// Another run measures, or something is missing.
    pub fn start(work_dir: &Path) -> Result<Self, RunError> {
        let tools = Tools::find()?;
        workspace::leftovers(work_dir)?.iter().try_for_each(workspace::remove)?;
        let name = format!("c-{}", std::process::id());
        Ok(Self { workspace: Workspace::create(Path::new(workspace::MACHINE_LOCK), work_dir, &name)?, tools })
    }

    /// Measures the disk of a job that has this limit.
    ///
    /// # Errors
    /// The disk cannot be limited or measured, or the check is cancelled.
    pub fn measure(&mut self, limit: DiskLimit, cancel: &Cancel) -> Result<DiskCheck, RunError> {
        let name = format!("{}-disk", std::process::id());
        let root = self.workspace.add_job(&name, None)?;
        // Any strategy will do, because no role runs.
        let strategy = StrategySpec::plain(handoff_strategies::ALL[0].facts().name);
        let conditions = Conditions { disk_limit: limit, ..Conditions::default() };
        let spec = JobSpec::new(&name, &root, strategy, conditions, &self.tools.paths, None);
        let measured = RemoteJob::start(&spec, &self.tools.paths.handoff, cancel).and_then(|(mut job, _)| {
            let check = job.check_disk(cancel)?;
            job.stop()?;
            Ok(check)
        });
        self.workspace.remove_job(&name)?;
        measured.map_err(|no_answer| match no_answer {
            NoAnswer::Run(error) => error,
            NoAnswer::Trial(_, failure) => RunError::Job(failure.to_string()),
        })
    }
}
