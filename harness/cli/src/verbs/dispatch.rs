//! `handoff dispatch`: starts the workflow on GitHub, shows how it goes, and fetches its rows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use handoff_github::remote::{JobState, Remote, Run};
use handoff_github::rest::{Api, RestError};
use handoff_model::shell;
use handoff_records::PLAN;

use super::collect;
use crate::exit::{self, bad_input};
use crate::out;

/// Seconds between two looks at a run.
const LOOK_S: u64 = 20;

/// Options of `dispatch`: where, and what the form of the workflow asks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository, as owner/name
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// Branch or tag whose workflow is run [default: the repository's default branch]
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// Sizes of the image, with commas
    #[arg(long, value_name = "SIZE,...")]
    sizes: Option<String>,
    /// Strategies with their options, or `all`
    #[arg(long, value_name = "NAME[:OPTION=VALUE,...],...")]
    strategies: Option<String>,
    /// Rounds
    #[arg(long, value_name = "N")]
    rounds: Option<String>,
    /// Workloads, with commas
    #[arg(long, alias = "workloads", value_name = "NAME,...")]
    workload: Option<String>,
    /// Consumer jobs of each trial
    #[arg(long, value_name = "N")]
    consumers: Option<String>,
    /// Label of the runners, or a JSON list of labels
    #[arg(long, value_name = "LABEL")]
    runner: Option<String>,
    /// What runs BuildKit: docker-container, docker
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
    /// Where the runners' engines keep images: overlay2, containerd
    #[arg(long, value_name = "STORE")]
    image_store: Option<String>,
    /// What caches hold at the start
    #[arg(long, value_name = "STATE")]
    cache_state: Option<String>,
    /// Seed of the order and of the image's content
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Days for which results are kept
    #[arg(long, value_name = "DAYS")]
    retention: Option<String>,
    /// Branch that the results are committed to
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Start only what the results folder lacks: the rest of its plan, with its own inputs
    #[arg(long, requires = "out")]
    outstanding: bool,
    /// Do not wait: print the run's number, for `handoff collect --run-id`
    #[arg(long)]
    no_wait: bool,
    /// Results folder [default: results/github-RUN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    /// The inputs of the workflow.
    fn inputs(&self) -> BTreeMap<String, String> {
        let named = [
            ("sizes", &self.sizes),
            ("strategies", &self.strategies),
            ("rounds", &self.rounds),
            ("workload", &self.workload),
            ("consumers", &self.consumers),
            ("runner", &self.runner),
            ("builder", &self.builder),
            ("image_store", &self.image_store),
            ("cache_state", &self.cache_state),
            ("seed", &self.seed),
            ("retention", &self.retention),
            ("branch", &self.branch),
        ];
        named.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value).clone()?))).collect()
    }

    /// The inputs that make the plan of a results folder again, for what it lacks.
    fn missing(&self) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        let out =
            self.out.clone().ok_or_else(|| bad_input("--outstanding needs --out DIR: the folder with the plan"))?;
        if !out.join(PLAN).exists() {
            return Err(bad_input(format!("{} holds no plan: leave --outstanding out", out.display())));
        }
        let journal = collect::open(&out)?;
        let only: Vec<String> = journal.remaining().map(|t| t.id.clone()).collect();
        if only.is_empty() {
            return Ok(None);
        }
        let mut inputs = handoff_experiment::workflow_inputs(&journal.plan().request);
        inputs.insert("only".to_owned(), only.join(","));
        inputs.extend(self.inputs());
        Ok(Some(inputs))
    }

    /// Starts the run, and unless told otherwise waits and collects.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.out.as_deref().map_or(Ok(()), crate::paths::check_out)?;
        let inputs = if self.outstanding { self.missing()? } else { Some(self.inputs()) };
        let Some(inputs) = inputs else {
            out::talk("nothing is outstanding: every trial of the plan has a row");
            return Ok(ExitCode::from(exit::OK));
        };
        let api = collect::api()?;
        let remote = Remote { api: &api, repository: collect::repository(&self.repo)? };
        let git_ref = match &self.git_ref {
            Some(git_ref) => git_ref.clone(),
            None => remote.default_branch().map_err(collect::failed)?,
        };
        let run = remote.dispatch(&git_ref, &inputs).map_err(collect::failed)?;
        out::data(&run.id.to_string());
        out::talk(&format!("started {}", run.url));
        let out = self.out.unwrap_or_else(|| PathBuf::from(format!("results/github-{}", run.id)));
        let go_on = format!(
            "handoff collect --repo {} --run-id {} --out {}",
            shell::quote(&self.repo),
            run.id,
            shell::quote(&out.to_string_lossy())
        );
        out::talk(&format!("closing this ends nothing: {go_on}"));
        if self.no_wait {
            return Ok(ExitCode::from(exit::OK));
        }
        watch(&remote, &api, run.id).map_err(|e| {
            out::talk(&format!("the run goes on without this: {go_on}"));
            collect::failed(e)
        })?;
        collect::of_run(&remote, run.id, &out)
    }
}

/// Waits until a run has ended, and says whenever a job has changed.
pub fn watch(remote: &Remote, api: &Api, id: u64) -> Result<Run, RestError> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let run = remote.run(id)?;
        let jobs = remote.jobs(id)?;
        let progress = progress(&jobs, jiff::Timestamp::now());
        for job in &jobs {
            let state = if job.conclusion.is_empty() { &job.status } else { &job.conclusion };
            if told.insert(job.name.clone(), state.clone()).as_ref() != Some(state) {
                out::talk(&format!("{state:<12} {} ({progress})", job.name));
            }
        }
        if run.status == "completed" {
            out::talk(&format!("run {id} ended: {}, {progress}", run.conclusion));
            return Ok(run);
        }
        api.sleep(LOOK_S);
    }
}

/// How far a run is: jobs that have ended, and when the rest will have if they go as these did.
fn progress(jobs: &[JobState], now: jiff::Timestamp) -> String {
    let ended = jobs.iter().filter(|j| j.status == "completed").count();
    let said = format!("{ended} of {} jobs", jobs.len());
    let began = jobs.iter().filter_map(|j| j.created_at.parse::<jiff::Timestamp>().ok()).min();
    let Some(seconds) = began.map(|b| (now.as_second() - b.as_second()).max(0)) else { return said };
    // What comes later in the run is not known yet, so that this is a least.
    let left = jobs.len() - ended;
    if ended == 0 || left == 0 {
        return said;
    }
    let left_s = seconds as f64 / ended as f64 * left as f64;
    format!("{said}, at least {:.0} min left", (left_s / 60.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_what_is_left_of_what_is_known() {
        let job = |status: &str| JobState {
            name: "t".to_owned(),
            status: status.to_owned(),
            conclusion: String::new(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            started_at: String::new(),
            steps: Vec::new(),
        };
        let at = |jobs: &[&str], time: &str| {
            progress(&jobs.iter().map(|j| job(j)).collect::<Vec<_>>(), time.parse().unwrap())
        };
        assert_eq!(at(&["queued", "queued"], "2026-01-01T00:05:00Z"), "0 of 2 jobs");
        let half = ["completed", "completed", "in_progress", "queued"];
        assert_eq!(at(&half, "2026-01-01T00:05:00Z"), "2 of 4 jobs, at least 5 min left");
        assert_eq!(at(&["completed"], "2026-01-01T00:05:00Z"), "1 of 1 jobs");
        // A clock that is behind the server's.
        assert_eq!(at(&half, "2025-12-31T23:59:00Z"), "2 of 4 jobs, at least 0 min left");
    }
}
