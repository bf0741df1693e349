//! Runs of a repository's workflow: start, jobs and artifacts.

use std::collections::BTreeMap;
use std::time::Duration;

use handoff_workflows::run;
use serde_json::{Value, json};

use crate::rest::{self, Api, RestError};
use crate::timeouts::DISPATCH_POLL_S;
use crate::{GithubError, Result};

const READ: &str = "`actions: read`";
const WRITE: &str = "`actions: write` (and the workflow file on the default branch)";
/// Number of look-ups of a dispatched run.
const DISPATCH_LOOKUPS: u32 = 30;

/// Run of the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Number.
    pub id: u64,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `failure`, `cancelled`, and so on; empty before the end.
    pub conclusion: String,
    /// Address of its page.
    pub url: String,
}

/// Job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Name, prefixed by the names of calling jobs.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// Conclusion; empty before the end.
    pub conclusion: String,
    /// Time at which the job was queued, as GitHub reports it.
    pub created_at: String,
    /// Time at which the job started, as GitHub reports it.
    pub started_at: String,
    /// Times of its ended steps by name, to the second.
    pub steps: Vec<(String, Duration)>,
}

/// Steps of a job with a start and an end.
fn steps(job: &Value) -> Vec<(String, Duration)> {
    let time = |step: &Value, name: &str| text(step, name).parse::<jiff::Timestamp>().ok();
    let all = job.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let took = |step: &Value| {
        let seconds = time(step, "completed_at")?.as_second() - time(step, "started_at")?.as_second();
        Some((text(step, "name"), Duration::from_secs(u64::try_from(seconds).ok()?)))
    };
    all.iter().filter_map(took).collect()
}

/// Text field of an answer; empty if missing, as times and conclusion are before the start.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn to_run(value: &Value) -> Option<Run> {
    Some(Run {
        id: value.get("id")?.as_u64()?,
        status: text(value, "status"),
        conclusion: text(value, "conclusion"),
        url: text(value, "html_url"),
    })
}

/// Repository with the workflow.
#[derive(Debug)]
pub struct Remote {
    pub(crate) api: Api,
    /// `owner/name`.
    repository: String,
}

impl Remote {
    /// Repository with a name such as `owner/name`.
    ///
    /// # Errors
    /// The text is not a repository's name.
    pub fn new(api: Api, repository: &str) -> Result<Self> {
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match repository.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) => Ok(Self { api, repository: repository.to_owned() }),
            _ => Err(GithubError::Input(format!("`{repository}` is not a repository: write OWNER/NAME"))),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("repos/{}/actions/{rest}", self.repository)
    }

    /// Default branch of the repository.
    fn default_branch(&self) -> Result<String, RestError> {
        let what = format!("repository `{}`", self.repository);
        let repository = self.api.get(&what, "`metadata: read`", &format!("repos/{}", self.repository))?;
        let branch = repository.get("default_branch").and_then(Value::as_str).map(str::to_owned);
        branch.ok_or_else(|| RestError::other(&what, "the answer names no default branch: name one with --ref"))
    }

    fn runs(&self) -> Result<Vec<Run>, RestError> {
        let path = self.path(&format!("workflows/{}/runs?event=workflow_dispatch&per_page=50", run::FILE));
        let what = format!("workflow `{}` in `{}`", run::FILE, self.repository);
        let runs = rest::entries(&self.api.get(&what, READ, &path)?, "workflow_runs", &what)?;
        let no_run = || RestError::other(&what, "an entry of the list is not a run");
        runs.iter().map(|value| to_run(value).ok_or_else(no_run)).collect()
    }

    /// Starts the workflow of a branch or tag, or of the default branch. Returns the new run.
    ///
    /// GitHub reports the run's number on request ([since February 2026](https://github.blog/changelog/2026-02-19-workflow-dispatch-api-now-returns-run-ids)).
    /// On older servers, the new run is the one that was not listed before.
    ///
    /// # Errors
    /// GitHub's API fails, or the run is not listed in time.
    pub fn dispatch(&self, git_ref: Option<&str>, inputs: &BTreeMap<String, String>) -> Result<Run> {
        let git_ref = &git_ref.map_or_else(|| self.default_branch(), |name| Ok(name.to_owned()))?;
        let before: Vec<u64> = self.runs()?.iter().map(|r| r.id).collect();
        let what = format!("starting `{}` at `{git_ref}`", run::FILE);
        let path = self.path(&format!("workflows/{}/dispatches", run::FILE));
        let plain = json!({ "ref": git_ref, "inputs": inputs });
        let mut asking = plain.clone();
        asking["return_run_details"] = true.into();
        let answer = match self.api.post(&what, WRITE, &path, &asking) {
            Err(RestError::Other { message, .. }) if message.contains("return_run_details") => {
                self.api.post(&what, WRITE, &path, &plain)?
            }
            answer => answer?,
        };
        if let Some(id) = answer.as_ref().and_then(|a| a.get("workflow_run_id")?.as_u64()) {
            return Ok(self.run(id)?);
        }
        for _ in 0..DISPATCH_LOOKUPS {
            if let Some(run) = self.runs()?.into_iter().find(|r| !before.contains(&r.id)) {
                return Ok(run);
            }
            self.api.sleep(DISPATCH_POLL_S);
        }
        Err(RestError::other(&what, "the run is not listed: check the repository's Actions page").into())
    }

    /// Run with a number.
    ///
    /// # Errors
    /// GitHub's API fails, or has no such run.
    pub fn run(&self, id: u64) -> Result<Run, RestError> {
        let what = format!("run {id} in `{}`", self.repository);
        let answer = self.api.get(&what, READ, &self.path(&format!("runs/{id}")))?;
        to_run(&answer).ok_or_else(|| RestError::other(&what, "the answer is not a run"))
    }

    /// Jobs of a run's latest attempt.
    ///
    /// # Errors
    /// GitHub's API fails.
    pub fn jobs(&self, id: u64) -> Result<Vec<JobState>, RestError> {
        let path = self.path(&format!("runs/{id}/jobs?filter=latest"));
        let jobs = self.api.list("the run's jobs", READ, &path, "jobs")?;
        let job = |j: &Value| JobState {
            name: text(j, "name"),
            status: text(j, "status"),
            conclusion: text(j, "conclusion"),
            created_at: text(j, "created_at"),
            started_at: text(j, "started_at"),
            steps: steps(j),
        };
        Ok(jobs.iter().map(job).collect())
    }

    /// Zip files of a run's artifacts, by name, for the names that `fits` accepts.
    ///
    /// # Errors
    /// GitHub's API fails, or an artifact has expired.
    pub fn artifacts(&self, id: u64, fits: impl Fn(&str) -> bool) -> Result<Vec<(String, Vec<u8>)>, RestError> {
        let path = self.path(&format!("runs/{id}/artifacts"));
        let list = self.api.list("the run's artifacts", READ, &path, "artifacts")?;
        let mut files = Vec::new();
        for artifact in list.iter().filter(|a| fits(&text(a, "name"))) {
            let name = text(artifact, "name");
            let what = format!("artifact `{name}` of run {id}");
            if artifact.get("expired").and_then(Value::as_bool) == Some(true) {
                return Err(RestError::Gone { what });
            }
            let number = artifact.get("id").and_then(Value::as_u64);
            let number = number.ok_or_else(|| RestError::other(&what, "the list has no number of it"))?;
            let bytes = self.api.download(&what, READ, &self.path(&format!("artifacts/{number}/zip")))?;
            files.push((name, bytes));
        }
        Ok(files)
    }
}
