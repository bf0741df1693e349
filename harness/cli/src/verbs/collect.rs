//! `handoff collect`: the rows of a run on GitHub.

use std::path::{Path, PathBuf};

use handoff_github::collect::{of_files, of_run};
use handoff_github::{GithubError, remote::Remote, rest::Api, rows::Collected, watch::until_ended};

use crate::exit::{self, bad_input};
use crate::out;

/// Options of `collect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait for this run on GitHub and fetch it
    #[arg(long, value_name = "N", conflicts_with_all = ["plan", "marks"])]
    run_id: Option<u64>,
    /// Repository of the run, as owner/name
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY")]
    repo: Option<String>,
    /// Plan of a run whose files are here, beside its `cells.json`
    #[arg(long, value_name = "FILE", default_value = "handoff-plan/plan.json")]
    plan: PathBuf,
    /// Folder with the marks that its jobs left
    #[arg(long, value_name = "DIR", alias = "sides", default_value = "handoff-marks")]
    marks: PathBuf,
    /// Results folder; rows are added to that of the same plan [default: handoff-results, or results/github-RUN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    /// Collects the rows of a run from folders or from GitHub.
    ///
    /// # Errors
    /// A run or folder without a plan, or an API that refuses.
    pub fn run(self) -> anyhow::Result<u8> {
        self.out.as_deref().map_or(Ok(()), |out| crate::paths::check_text("--out", out))?;
        if let Some(id) = self.run_id {
            let repo = self.repo.ok_or_else(|| bad_input("--run-id needs --repo OWNER/NAME: add it"))?;
            let remote = Remote::new(Api::of_user().map_err(GithubError::from)?, &repo)?;
            until_ended(&remote, id, &mut out::talk)?;
            let out = self.out.unwrap_or_else(|| folder(id));
            return Ok(report(of_run(&remote, id, &out, &mut out::warn)?, &out));
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from("handoff-results"));
        let collected = of_files(&self.plan, &self.marks, &out, self.repo.as_deref(), &mut out::warn)?;
        Ok(report(collected, &out))
    }
}

/// The folder of a run for which none is named.
pub fn folder(run: u64) -> PathBuf {
    PathBuf::from(format!("results/github-{run}"))
}

/// Prints the numbers of collected trials and returns the exit code.
pub fn report(collected: Collected, out: &Path) -> u8 {
    let Collected { completed, failed, outstanding } = collected;
    out::talk(&format!("{completed} trials completed, {failed} failed, {outstanding} not started: {}", out.display()));
    if failed == 0 { exit::OK } else { exit::TRIALS_FAILED }
}
