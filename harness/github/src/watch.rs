//! Progress of a run until it has ended.

use std::collections::BTreeMap;

use crate::Result;
use crate::remote::{JobState, Remote};
use crate::timeouts::RUN_POLL_S;

/// Waits until a run has ended; `note` gets a line for each change of a job, and one at the end.
///
/// # Errors
/// GitHub's API fails. The run itself continues.
pub fn until_ended(remote: &Remote, id: u64, note: &mut dyn FnMut(&str)) -> Result<()> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let run = remote.run(id)?;
        let jobs = remote.jobs(id)?;
        let progress = progress(&jobs, jiff::Timestamp::now());
        for job in &jobs {
            let state = if job.conclusion.is_empty() { &job.status } else { &job.conclusion };
            if known.insert(job.name.clone(), state.clone()).as_ref() != Some(state) {
                note(&format!("{state:<12} {} ({progress})", job.name));
            }
        }
        if run.status == "completed" {
            note(&format!("run {id} ended: {}, {progress}", run.conclusion));
            return Ok(());
        }
        remote.api.sleep(RUN_POLL_S);
    }
}

/// Number of ended jobs, and the remaining time if the other jobs take as long.
fn progress(jobs: &[JobState], now: jiff::Timestamp) -> String {
    let ended = jobs.iter().filter(|j| j.status == "completed").count();
    let count = format!("{ended} of {} jobs", jobs.len());
    let began = jobs.iter().filter_map(|j| j.created_at.parse::<jiff::Timestamp>().ok()).min();
    let Some(seconds) = began.map(|b| (now.as_second() - b.as_second()).max(0)) else { return count };
    // Later jobs of the run are unknown, so that this is a minimum.
    let left = jobs.len() - ended;
    if ended == 0 || left == 0 {
        return count;
    }
    let left_s = seconds as f64 / ended as f64 * left as f64;
    format!("{count}, at least {:.0} min left", (left_s / 60.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest;

    #[test]
    fn remaining_time_is_extrapolated_from_ended_jobs() {
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
        // The local clock is behind the server's.
        assert_eq!(at(&half, "2025-12-31T23:59:00Z"), "2 of 4 jobs, at least 0 min left");
    }

    #[test]
    fn run_is_polled_until_it_ends_and_each_state_is_noted_once() {
        let run = |body| (200, String::new(), body);
        let jobs = r#"{"jobs":[{"name":"t","status":"queued"}]}"#;
        let ended = r#"{"jobs":[{"name":"t","status":"completed","conclusion":"success"}]}"#;
        let polls = vec![
            run(r#"{"id":1,"status":"queued"}"#),
            run(jobs),
            run(r#"{"id":1,"status":"in_progress"}"#),
            run(jobs),
            run(r#"{"id":1,"status":"completed","conclusion":"success"}"#),
            run(ended),
        ];
        let remote = Remote::new(rest::tests::api(polls), "you/handoff").unwrap();
        let mut notes = Vec::new();
        until_ended(&remote, 1, &mut |note| notes.push(note.to_owned())).unwrap();
        let expected =
            ["queued       t (0 of 1 jobs)", "success      t (1 of 1 jobs)", "run 1 ended: success, 1 of 1 jobs"];
        assert_eq!(notes, expected);
        assert_eq!(rest::tests::waits_s(), [RUN_POLL_S; 2]);
    }
}
