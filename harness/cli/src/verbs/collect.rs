//! `handoff collect`: the rows of a run on GitHub.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use handoff_github::remote::{JobState, Remote};
use handoff_github::rest::{self, Api, RestError};
use handoff_github::side::{self as github, CellJob, Collected, Waits};
use handoff_model::Plan;
use handoff_records::{Journal, PLAN};
use handoff_runner::DriverError;
use serde::de::DeserializeOwned;

use super::dispatch;
use crate::exit::{self, bad_input};
use crate::out;

/// Options of `collect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fetch this run from GitHub, waiting for its end
    #[arg(long, value_name = "N", conflicts_with_all = ["plan", "sides"])]
    run_id: Option<u64>,
    /// Repository of the run, as owner/name
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY")]
    repo: Option<String>,
    /// The plan of a run whose files are here, with `cells.json` beside it
    #[arg(long, value_name = "FILE", default_value = "handoff-plan/plan.json")]
    plan: PathBuf,
    /// Folder with what its jobs have left
    #[arg(long, value_name = "DIR", default_value = "handoff-sides")]
    sides: PathBuf,
    /// Results folder; one that holds the run's plan already is gone on with [default: handoff-results, or results/github-RUN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    /// Joins what lies in folders, or what GitHub has of a run.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.out.as_deref().map_or(Ok(()), crate::paths::check_out)?;
        if let Some(id) = self.run_id {
            let repo = self.repo.ok_or_else(|| bad_input("--run-id needs --repo OWNER/NAME"))?;
            let api = api()?;
            let remote = Remote { api: &api, repository: repository(&repo)? };
            dispatch::watch(&remote, &api, id).map_err(failed)?;
            let out = self.out.unwrap_or_else(|| PathBuf::from(format!("results/github-{id}")));
            return of_run(&remote, id, &out);
        }
        let out = self.out.unwrap_or_else(|| PathBuf::from("handoff-results"));
        let collected = join(&self.plan, &self.sides, &out, &waits_from_inside(self.repo.as_deref()))?;
        Ok(tell(collected, &out))
    }
}

/// The API with the environment's token, or that of `gh`.
pub fn api() -> anyhow::Result<Api> {
    let from_gh = || duct::cmd!("gh", "auth", "token").stderr_null().read().ok();
    let token = rest::token_of_env().or_else(from_gh).filter(|t| !t.is_empty());
    let token = token.ok_or_else(|| bad_input(RestError::NoToken))?;
    // Tests look more often.
    let second = std::env::var("HANDOFF_API_SECOND_MS").ok().map(|t| t.parse());
    let second = second.transpose().map_err(|e| bad_input(format!("HANDOFF_API_SECOND_MS: {e}")))?;
    let api = Api::new(&rest::base_of_env(), &token);
    Ok(match second {
        Some(ms) => api.with_second(std::time::Duration::from_millis(ms)),
        None => api,
    })
}

/// Refuses what is no repository's name.
pub fn repository(text: &str) -> anyhow::Result<&str> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    match text.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(text),
        _ => Err(bad_input(format!("`{text}` is not a repository: write OWNER/NAME"))),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = handoff_model::regular_file::read(path).map_err(|e| {
        let mend = "name the plan with --plan FILE, or a run to fetch with --repo OWNER/NAME --run-id N";
        bad_input(format!("cannot read {}: {e}: {mend}", path.display()))
    })?;
    serde_json::from_slice(&bytes).map_err(|e| bad_input(format!("{}: {e}", path.display())))
}

/// Opens a results folder to go on with, and names what a crash had left in it.
pub fn open(out: &Path) -> anyhow::Result<Journal> {
    let (journal, _) = Journal::open(out)?;
    for repair in journal.repairs() {
        out::warn(&format!("{}/{repair}", out.display()));
    }
    Ok(journal)
}

/// Joins a run's files into a results folder.
fn join(plan: &Path, sides: &Path, out: &Path, waits: &BTreeMap<String, Waits>) -> anyhow::Result<Collected> {
    let cells: Vec<CellJob> = read_json(&plan.with_file_name("cells.json"))?;
    let plan: Plan = handoff_records::read_plan(plan)?;
    let mut journal = if out.join(PLAN).exists() {
        let journal = open(out)?;
        if journal.plan().hash != plan.hash {
            return Err(bad_input(format!("{} holds another plan: name another --out", out.display())));
        }
        journal
    } else {
        Journal::create(out, &plan, &[])?
    };
    let files = github::read_sides(sides)?;
    Ok(github::join(&mut journal, &cells, &files, waits)?)
}

/// Says what was collected; the code of a run whose trials failed where some did.
fn tell(collected: Collected, out: &Path) -> ExitCode {
    let Collected { completed, failed, outstanding } = collected;
    out::talk(&format!("{completed} trials completed, {failed} failed, {outstanding} not started: {}", out.display()));
    ExitCode::from(if failed == 0 { exit::OK } else { exit::TRIALS_FAILED })
}

/// A failure of the API: what the user can mend is bad input, the rest is not their doing.
pub fn failed(error: RestError) -> anyhow::Error {
    match error {
        RestError::Limited { .. } | RestError::Other { .. } => error.into(),
        error => bad_input(error),
    }
}

/// Fetches what a run has left, and joins it.
pub fn of_run(remote: &Remote, id: u64, out: &Path) -> anyhow::Result<ExitCode> {
    let files =
        remote.artifacts(id, |name| name == "handoff-plan" || name.starts_with("handoff-side-")).map_err(failed)?;
    let scratch = std::env::temp_dir().join(format!("handoff-collect-{}", std::process::id()));
    let result = unpack(&files, &scratch).and_then(|()| {
        let plan = scratch.join("handoff-plan/plan.json");
        if !plan.exists() {
            return Err(bad_input(format!("run {id} left no plan: its first job says why")));
        }
        join(&plan, &scratch, out, &waits(&remote.jobs(id).map_err(failed)?))
    });
    // The system's temporary folder, which the system clears.
    let _ = std::fs::remove_dir_all(&scratch);
    Ok(tell(result?, out))
}

/// Unpacks each artifact into a folder of its name.
fn unpack(files: &[(String, Vec<u8>)], above: &Path) -> anyhow::Result<()> {
    for (name, bytes) in files {
        let bad = |e: &dyn std::fmt::Display| bad_input(format!("artifact {name}: {e}"));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|e| bad(&e))?;
        let dir = above.join(name);
        std::fs::create_dir_all(&dir).map_err(DriverError::io("create", &dir))?;
        zip.extract(&dir).map_err(|e| bad(&e))?;
    }
    Ok(())
}

/// What GitHub says of this very run, where a token is given; without it the columns stay empty.
fn waits_from_inside(repo: Option<&str>) -> BTreeMap<String, Waits> {
    let run = std::env::var("GITHUB_RUN_ID").ok().and_then(|t| t.parse().ok());
    let (Some(token), Some(repo), Some(id)) = (rest::token_of_env(), repo, run) else { return BTreeMap::new() };
    let api = Api::new(&rest::base_of_env(), &token);
    match (Remote { api: &api, repository: repo }).jobs(id) {
        Ok(jobs) => waits(&jobs),
        Err(error) => {
            out::talk(&format!("the jobs' waits are not known: {error}"));
            BTreeMap::new()
        }
    }
}

/// How long a trial's jobs waited, and how one without marks ended. Jobs are named `TRIAL / JOB`.
fn waits(jobs: &[JobState]) -> BTreeMap<String, Waits> {
    /// A trial's waits, with the wait of its producer, and the longest of a consumer.
    ///
    /// A wait that GitHub does not tell makes the sum unknown; a trial without a producer has none of that.
    type Parts = (Option<Option<u64>>, Option<u64>, Waits);
    let mut all: BTreeMap<String, Parts> = BTreeMap::new();
    for job in jobs {
        let Some((trial, name)) = job.name.split_once(" / ") else { continue };
        let entry = all.entry(trial.to_owned()).or_default();
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond);
        let wait = time(&job.started_at).zip(time(&job.created_at)).and_then(|(s, c)| u64::try_from(s - c).ok());
        if name == "producer" {
            entry.0 = Some(wait);
            entry.2.after = job.steps.iter().filter(|(name, _)| name.starts_with("Post ")).cloned().collect();
        } else if name.starts_with("consumer") {
            entry.1 = entry.1.max(wait);
        } else {
            // Cleaning up is no part of the trial, however it ends.
            continue;
        }
        entry.2.cancelled |= job.conclusion == "cancelled";
        if !["", "success", "skipped"].contains(&job.conclusion.as_str()) {
            entry.2.conclusion = Some(job.conclusion.clone());
        }
    }
    let wait = |(producer, consumer, waits): Parts| Waits {
        queue_ns: consumer.zip(producer.unwrap_or(Some(0))).map(|(c, p)| c + p),
        ..waits
    };
    all.into_iter().map(|(trial, parts)| (trial, wait(parts))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_the_producers_and_the_slowest_consumers() {
        let job = |name: &str, started: &str, conclusion: &str| JobState {
            name: name.into(),
            status: "completed".into(),
            conclusion: conclusion.into(),
            created_at: "2026-01-01T00:00:00Z".into(),
            started_at: started.into(),
            steps: Vec::new(),
        };
        let jobs = [
            job("plan", "2026-01-01T00:00:09Z", "success"),
            job("t1 / producer", "2026-01-01T00:00:02Z", "success"),
            job("t1 / consumer 1", "2026-01-01T00:00:03Z", "success"),
            job("t1 / consumer 2", "2026-01-01T00:00:05Z", "timed_out"),
            job("t1 / clean up", "2026-01-01T00:00:09Z", "cancelled"),
            job("t2 / producer", "2026-01-01T00:00:02Z", "cancelled"),
            job("t3 / producer", "soon", "success"),
            job("t3 / consumer 1", "2026-01-01T00:00:03Z", "success"),
            job("t4 / consumer 1", "2026-01-01T00:00:03Z", "success"),
        ];
        let waits = waits(&jobs);
        assert_eq!(waits.len(), 4);
        assert_eq!(waits["t3"].queue_ns, None, "a wait of which GitHub says nothing is not 0");
        assert_eq!(waits["t4"].queue_ns, Some(3_000_000_000), "a trial without a producer");
        assert_eq!((waits["t1"].cancelled, waits["t2"].cancelled), (false, true));
        assert_eq!((waits["t1"].queue_ns, waits["t1"].conclusion.as_deref()), (Some(7_000_000_000), Some("timed_out")));
    }
}
