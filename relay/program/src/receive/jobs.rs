//! States of a workflow run's jobs, from GitHub's REST API.

use std::time::Duration;

use handoff_model::shell;
use serde::Deserialize;

/// Time for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Jobs of a page, the API's largest number.
const PAGE: usize = 100;
/// Most pages: a run has at most 256 jobs of a matrix, and rarely more than one.
const PAGES: usize = 10;

/// State of the job that is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It may still send.
    Running,
    /// It failed, with the reason in words.
    Failed(String),
    /// All that could send have ended, with the reason in words.
    Ended(String),
}

/// Job as the API describes it.
#[derive(Debug, Deserialize)]
struct Job {
    name: String,
    status: String,
    conclusion: Option<String>,
    runner_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    jobs: Vec<Job>,
}

/// Workflow run of this job.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// URL of its list of jobs.
    url: String,
    token: String,
    /// Runner of this job.
    runner: Option<String>,
}

impl Run {
    /// Run that the environment names.
    ///
    /// # Errors
    /// The variable that is missing.
    pub(super) fn from_env() -> Result<Self, String> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let need = |name: &str| get(name).ok_or_else(|| format!("{name} is not set"));
        let token = need("GITHUB_TOKEN")?.trim().to_owned();
        let (repository, run) = (need("GITHUB_REPOSITORY")?, need("GITHUB_RUN_ID")?);
        let api = get("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
        let url = format!("{}/repos/{repository}/actions/runs/{run}/jobs", api.trim_end_matches('/'));
        Ok(Self { url, token, runner: get("RUNNER_NAME") })
    }

    /// Asks for the state of the job that sends: the one of that name, else all others.
    pub(super) async fn state(&self, producer: Option<&str>) -> Result<State, String> {
        let run = self.clone();
        let jobs = tokio::task::spawn_blocking(move || run.jobs()).await.map_err(|e| e.to_string())??;
        Ok(state(&jobs, producer, self.runner.as_deref()))
    }

    fn jobs(&self) -> Result<Vec<Job>, String> {
        // Proxies are those of the environment, as for the transfer.
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false);
        let agent: ureq::Agent = config.max_redirects(0).build().into();
        let mut jobs = Vec::new();
        for page in 1..=PAGES {
            let url = format!("{}?per_page={PAGE}&page={page}", self.url);
            let request = agent
                .get(&url)
                .header("authorization", format!("Bearer {}", self.token))
                .header("accept", "application/vnd.github+json")
                .header("user-agent", concat!("handoff-relay/", env!("CARGO_PKG_VERSION")));
            let answer = request.call().map_err(|e| format!("{}: {}", self.url, shell::escaped(&e.to_string())))?;
            let status = answer.status().as_u16();
            if status != 200 {
                let hint = if matches!(status, 401 | 403 | 404) { " (permissions: actions: read)" } else { "" };
                return Err(format!("{} was answered with {status}{hint}", self.url));
            }
            let body = answer.into_body().read_to_vec().map_err(|e| format!("{}: {e}", self.url))?;
            let found: Page = serde_json::from_slice(&body).map_err(|e| format!("{}: {e}", self.url))?;
            let last = found.jobs.len() < PAGE;
            jobs.extend(found.jobs);
            if last {
                break;
            }
        }
        Ok(jobs)
    }
}

/// Whether a job is the named one, or one of its matrix: `build (amd64)`.
fn is_named(job: &Job, name: &str) -> bool {
    job.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
}

fn state(jobs: &[Job], producer: Option<&str>, runner: Option<&str>) -> State {
    let is_over = |job: &&Job| job.status == "completed";
    if let Some(name) = producer {
        let named: Vec<&Job> = jobs.iter().filter(|job| is_named(job, name)).collect();
        let conclusion = |job: &&&Job| !matches!(job.conclusion.as_deref(), None | Some("success" | "neutral"));
        if let Some(failed) = named.iter().filter(|job| is_over(job)).find(conclusion) {
            let how = failed.conclusion.as_deref().unwrap_or_default();
            return State::Failed(format!("the job {:?} ended with {}", failed.name, shell::escaped(how)));
        }
        // A job that needs others is not in the list before they have ended.
        if !named.is_empty() && named.iter().all(is_over) {
            return State::Ended(format!("the job {name:?} ended and sent nothing under this name"));
        }
        return State::Running;
    }
    let running: Vec<&Job> = jobs.iter().filter(|job| !is_over(job)).collect();
    let ours = |job: &&&Job| runner.is_some() && job.runner_name.as_deref() == runner;
    // Without a runner's name, one of the running jobs is this one.
    let own = running.iter().filter(ours).count().max(usize::from(!running.is_empty()));
    if jobs.is_empty() || running.len() > own {
        return State::Running;
    }
    State::Ended("all other jobs of the run have ended".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn job(name: &str, status: &str, conclusion: Option<&str>, runner: &str) -> Job {
        Job {
            name: name.to_owned(),
            status: status.to_owned(),
            conclusion: conclusion.map(str::to_owned),
            runner_name: Some(runner.to_owned()),
        }
    }

    #[test]
    fn named_producer_ends_the_wait_when_it_has_failed_and_only_then() {
        let mine = || job("test", "in_progress", None, "me");
        for (conclusion, failed) in
            [("failure", true), ("cancelled", true), ("timed_out", true), ("skipped", true), ("success", false)]
        {
            let jobs = [job("build", "completed", Some(conclusion), "r1"), mine()];
            let state = state(&jobs, Some("build"), Some("me"));
            assert_eq!(matches!(state, State::Failed(_)), failed, "{conclusion}: {state:?}");
        }
        let of = |jobs: &[Job]| state(jobs, Some("build"), Some("me"));
        assert_eq!(of(&[mine()]), State::Running, "a job that needs others is not listed yet");
        assert_eq!(of(&[job("build", "queued", None, ""), mine()]), State::Running);
        assert_eq!(of(&[job("builder", "completed", Some("failure"), "r1"), mine()]), State::Running, "another job");
        let matrix =
            [job("build (amd64)", "completed", Some("failure"), "r1"), job("build (arm64)", "in_progress", None, "r2")];
        assert!(matches!(of(&matrix), State::Failed(_)));
    }

    #[test]
    fn run_whose_other_jobs_have_all_ended_has_no_producer_any_more() {
        let done = || job("build", "completed", Some("success"), "r1");
        let mine = || job("test", "in_progress", None, "me");
        assert!(matches!(state(&[done(), mine()], None, Some("me")), State::Ended(_)));
        assert!(matches!(state(&[done(), mine()], None, None), State::Ended(_)), "one running job is this one");
        assert_eq!(state(&[done(), mine(), job("x", "queued", None, "")], None, Some("me")), State::Running);
        assert_eq!(state(&[], None, Some("me")), State::Running, "an empty list says nothing");
    }

    #[test]
    fn address_of_the_jobs_comes_from_the_environment() {
        let run = |missing: &str| {
            Run::from_variables(|name| {
                let value = match name {
                    "GITHUB_TOKEN" => "t",
                    "GITHUB_REPOSITORY" => "o/r",
                    "GITHUB_RUN_ID" => "7",
                    "GITHUB_API_URL" => "https://ghe.example/api/v3/",
                    _ => return None,
                };
                (name != missing).then(|| value.to_owned())
            })
        };
        assert_eq!(run("").unwrap().url, "https://ghe.example/api/v3/repos/o/r/actions/runs/7/jobs");
        assert_eq!(run("GITHUB_API_URL").unwrap().url, "https://api.github.com/repos/o/r/actions/runs/7/jobs");
        assert_eq!(run("GITHUB_TOKEN").unwrap_err(), "GITHUB_TOKEN is not set");
    }

    /// An API of one answer.
    fn answering(status: &str, body: &str) -> Run {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jobs", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        Run { url, token: "secret".to_owned(), runner: Some("me".to_owned()) }
    }

    #[tokio::test]
    async fn answer_of_the_api_is_read_and_a_refusal_names_the_permission_but_not_the_token() {
        let body = r#"{"total_count":2,"jobs":[
            {"id":1,"name":"build","status":"completed","conclusion":"failure","runner_name":"r1","steps":[]},
            {"id":2,"name":"test","status":"in_progress","conclusion":null,"runner_name":"me"}]}"#;
        let state = answering("200 OK", body).state(Some("build")).await.unwrap();
        assert_eq!(state, State::Failed("the job \"build\" ended with failure".to_owned()));
        let error = answering("403 Forbidden", "{}").state(None).await.unwrap_err();
        assert!(error.contains("403 (permissions: actions: read)") && !error.contains("secret"), "{error}");
        assert!(answering("200 OK", "no json").state(None).await.is_err());
    }
}
