//! The user's own daemon as a job's engine: nothing is started, and what is made in it bears the job's name.

use crate::EngineError;
use crate::config::EngineConfig;
use crate::user::{self, HostDaemon};

/// A job's use of the user's daemon.
#[derive(Debug)]
pub(crate) struct HostEngine {
    run: String,
    job: String,
    /// Whether cgroups are plain folders, which can be named; systemd's are units.
    pub(crate) plain_cgroups: bool,
}

impl HostEngine {
    /// Checks that the daemon answers and keeps images where the job expects it.
    pub(crate) fn begin(config: &EngineConfig, host_daemon: &HostDaemon) -> Result<Self, EngineError> {
        let facts = user::facts(&host_daemon.socket)?;
        if facts.store != config.store {
            return Err(EngineError::OtherStore { asked: config.store, has: facts.store });
        }
        Ok(Self { run: host_daemon.run.clone(), job: config.job.clone(), plain_cgroups: facts.plain_cgroups })
    }

    /// Options by which a container of the job is found again.
    pub(crate) fn run_options(&self) -> Vec<String> {
        let labels = user::labels(&self.run, &self.job);
        labels.into_iter().flat_map(|(k, v)| ["--label".to_owned(), format!("{k}={v}")]).collect()
    }
}
