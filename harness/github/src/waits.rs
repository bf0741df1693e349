//! Waiting times and conclusions of a trial's jobs, from GitHub's jobs API.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::remote::JobState;

/// Waiting times and conclusion of a trial's jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits {
    /// Time in which the jobs of the critical path waited for a runner, in ns.
    pub(crate) queue_ns: Option<u64>,
    /// Conclusion of a failed job, as GitHub reports it.
    pub(crate) conclusion: Option<String>,
    /// Whether a job was cancelled, which says nothing about the strategy.
    pub(crate) cancelled: bool,
    /// Times of the producer's post steps by name, as GitHub reports them to the second.
    pub(crate) after: BTreeMap<String, Duration>,
}

/// Waiting times and conclusions by trial. Jobs are named `TRIAL / JOB`.
pub(crate) fn waits(jobs: &[JobState]) -> BTreeMap<String, Waits> {
    /// Wait of the producer, longest wait of a consumer, and the trial's waits so far.
    ///
    /// An unreported wait makes the sum unknown; a trial without a producer has no such wait.
    type TrialWaits = (Option<Option<u64>>, Option<u64>, Waits);
    let mut all: BTreeMap<String, TrialWaits> = BTreeMap::new();
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
            // Clean-up is not part of the trial.
            continue;
        }
        entry.2.cancelled |= job.conclusion == "cancelled";
        if !["", "success", "skipped"].contains(&job.conclusion.as_str()) {
            entry.2.conclusion = Some(job.conclusion.clone());
        }
    }
    let wait = |(producer, consumer, waits): TrialWaits| Waits {
        queue_ns: consumer.zip(producer.unwrap_or(Some(0))).map(|(c, p)| c + p),
        ..waits
    };
    all.into_iter().map(|(trial, waits)| (trial, wait(waits))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_time_adds_the_producer_and_the_slowest_consumer() {
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
        assert_eq!(waits["t3"].queue_ns, None, "an unreported wait is not 0");
        assert_eq!(waits["t4"].queue_ns, Some(3_000_000_000), "a trial without a producer");
        assert_eq!((waits["t1"].cancelled, waits["t2"].cancelled), (false, true));
        assert_eq!((waits["t1"].queue_ns, waits["t1"].conclusion.as_deref()), (Some(7_000_000_000), Some("timed_out")));
    }
}
