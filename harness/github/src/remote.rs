//! A run on GitHub, from outside: starting it, watching its jobs, fetching what it left.

use std::collections::BTreeMap;
use std::time::Duration;

use handoff_workflows::run;
use serde_json::{Value, json};

use crate::rest::{self, Api, RestError};
use crate::{GithubError, Result};

const READ: &str = "`actions: read`";
const WRITE: &str = "`actions: write` (and the workflow file on the default branch)";

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// `queued`, `in_progress`, `completed`.
    pub status: String,
    /// How it ended: `success`, `failure`, `cancelled`, and so on; empty before.
    pub conclusion: String,
    /// Its page.
    pub url: String,
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Its name, with the names of the jobs that called it in front.
    pub name: String,
    /// `queued`, `in_progress`, `completed`.
    pub status: String,
    /// How it ended; empty before.
    pub conclusion: String,
    /// When it was queued and when it started, as GitHub says it.
    pub created_at: String,
    /// See `created_at`.
    pub started_at: String,
    /// Its steps that have ended, with what they took: GitHub tells it to the second.
    pub steps: Vec<(String, Duration)>,
}

/// Steps of a job that have a beginning and an end.
fn steps(job: &Value) -> Vec<(String, Duration)> {
    let time = |step: &Value, name: &str| text(step, name).parse::<jiff::Timestamp>().ok();
    let all = job.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let took = |step: &Value| {
        let seconds = time(step, "completed_at")?.as_second() - time(step, "started_at")?.as_second();
        Some((text(step, "name"), Duration::from_secs(u64::try_from(seconds).ok()?)))
    };
    all.iter().filter_map(took).collect()
}

/// A text of an answer, empty where there is none: a job that has not started has neither times nor a conclusion.
fn text(value: &Value, name: &str) -> String {
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

/// A repository whose workflow is run.
#[derive(Debug)]
pub struct Remote {
    pub(crate) api: Api,
    /// `owner/name`.
    repository: String,
}

impl Remote {
    /// A repository by its name.
    ///
    /// # Errors
    /// A text that is no repository's name.
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

    /// The branch that is meant where none is named.
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
        let no_run = || RestError::other(&what, "an entry of the list is no run");
        runs.iter().map(|value| to_run(value).ok_or_else(no_run)).collect()
    }

    /// Starts the workflow of a branch or tag, else of the default branch, and finds the run that this has made.
    ///
    /// GitHub says which it is if asked ([since February 2026](https://github.blog/changelog/2026-02-19-workflow-dispatch-api-now-returns-run-ids));
    /// a server that does not know the question is watched for a run that was not there before.
    ///
    /// # Errors
    /// An API that does not answer as it should, or a run that does not show up.
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
        for _ in 0..30 {
            if let Some(run) = self.runs()?.into_iter().find(|r| !before.contains(&r.id)) {
                return Ok(run);
            }
            self.api.sleep(2);
        }
        Err(RestError::other(&what, "the run does not show up: look at the repository's Actions page").into())
    }

    /// A run by its number.
    pub fn run(&self, id: u64) -> Result<Run, RestError> {
        let what = format!("run {id} in `{}`", self.repository);
        let answer = self.api.get(&what, READ, &self.path(&format!("runs/{id}")))?;
        to_run(&answer).ok_or_else(|| RestError::other(&what, "the answer is no run"))
    }

    /// The jobs of a run's latest attempt.
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

    /// The zip files of the artifacts of a run whose names fit, by name. One that has expired is an error.
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
            let number = number.ok_or_else(|| RestError::other(&what, "the list tells no number of it"))?;
            let bytes = self.api.download(&what, READ, &self.path(&format!("artifacts/{number}/zip")))?;
            files.push((name, bytes));
        }
        Ok(files)
    }
}
