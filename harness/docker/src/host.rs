//! The user's daemon as a job's engine: no daemon is started, and every created object bears the job's name.

use crate::EngineError;
use crate::config::EngineConfig;
use crate::user::{self, HostDaemon};

/// A job's use of the user's daemon.
#[derive(Debug)]
pub(crate) struct HostEngine {
    run: String,
    job: String,
    /// Whether cgroups are plain folders, which a job can name, and not units of systemd.
    pub(crate) plain_cgroups: bool,
}

impl HostEngine {
    /// Checks that the daemon answers and has the expected image store.
    pub(crate) fn begin(config: &EngineConfig, host_daemon: &HostDaemon) -> Result<Self, EngineError> {
        let facts = user::facts(&host_daemon.socket)?;
        if facts.store != config.store {
            return Err(EngineError::OtherStore { asked: config.store, has: facts.store });
        }
        Ok(Self { run: host_daemon.run.clone(), job: config.job.clone(), plain_cgroups: facts.plain_cgroups })
    }

    /// Options of `docker run` that label a container with the job's name.
    pub(crate) fn run_options(&self) -> Vec<String> {
        let labels = user::labels(&self.run, &self.job);
        labels.into_iter().flat_map(|(k, v)| ["--label".to_owned(), format!("{k}={v}")]).collect()
    }
}
