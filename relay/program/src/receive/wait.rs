//! `--wait`: polls until a transfer is there, its producer has failed, or time is over.

use std::time::{Duration, Instant};

use handoff_model::duration::human;
use handoff_registry::Error as RelayError;

use super::is_absent;
use super::jobs::{Run, State};
use crate::{Error, print};

/// Times of a wait.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// First pause between two polls; each is half as long again as the one before.
    first: Duration,
    /// Longest pause.
    longest: Duration,
    /// Time between two lines.
    line: Duration,
    /// Time between two questions for the jobs. A repository's token has 1000 requests an hour for all of its jobs.
    jobs: Duration,
}

const PACE: Pace = Pace {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
    line: Duration::from_secs(30),
    jobs: Duration::from_secs(20),
};

/// Calls `open` until something was sent, at most for `limit`.
///
/// # Errors
/// [`Error::TimedOut`] at the limit; a failed producer; errors of the service.
pub(super) async fn until_sent<T>(
    name: &str,
    limit: Duration,
    producer: Option<&str>,
    run: Result<Run, String>,
    open: impl AsyncFnMut() -> Result<T, RelayError>,
) -> Result<T, Error> {
    let run = match run {
        Ok(run) => Some(run),
        Err(why) => {
            if producer.is_some() {
                print::talk(&format!(
                    "the states of jobs cannot be asked for, so that only the time ends the wait: {why}"
                ));
            }
            None
        }
    };
    let known = run.is_some();
    let ask = async move || match &run {
        Some(run) => run.state(producer).await,
        None => Ok(State::Running),
    };
    poll(name, limit, PACE, known, ask, open).await
}

async fn poll<T>(
    name: &str,
    limit: Duration,
    pace: Pace,
    mut known: bool,
    mut ask: impl AsyncFnMut() -> Result<State, String>,
    mut open: impl AsyncFnMut() -> Result<T, RelayError>,
) -> Result<T, Error> {
    let started = Instant::now();
    let (mut pause, mut next_line, mut next_ask) = (pace.first, pace.line, Duration::ZERO);
    // Twice in a row: a job that needs others appears in the list a moment after they have ended.
    let mut all_ended = false;
    let mut failed: Option<String> = None;
    loop {
        match open().await {
            Err(error) if is_absent(&error) => {}
            other => return Ok(other?),
        }
        // It was not there after the producer had failed either.
        if let Some(why) = failed {
            return Err(Error::Failed(format!("nothing was sent as {name:?}: {why}; read the log of that job")));
        }
        let elapsed = started.elapsed();
        if elapsed >= limit {
            return Err(Error::TimedOut(format!(
                "nothing was sent as {name:?} within {}: check the job that sends it, or wait longer with --wait",
                human(limit)
            )));
        }
        if known && elapsed >= next_ask {
            next_ask = elapsed + pace.jobs;
            match ask().await {
                Ok(State::Running) => all_ended = false,
                Ok(State::Failed(why)) => failed = Some(why),
                Ok(State::Ended(why)) if all_ended => failed = Some(why),
                Ok(State::Ended(_)) => all_ended = true,
                Err(why) => {
                    print::talk(&format!(
                        "the states of jobs are not known, so that only the time ends the wait: {why}"
                    ));
                    known = false;
                }
            }
            if failed.is_some() {
                continue;
            }
        }
        if elapsed >= next_line {
            next_line = elapsed + pace.line;
            print::talk(&format!("waiting for {name:?} since {}, at most {}", human(elapsed), human(limit)));
        }
        tokio::time::sleep(pause.min(limit.saturating_sub(started.elapsed()))).await;
        pause = (pause * 3 / 2).min(pace.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BROKEN, TIMED_OUT};

    const FAST: Pace = Pace {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        line: Duration::from_millis(4),
        jobs: Duration::ZERO,
    };
    const LONG: Duration = Duration::from_mins(10);

    fn absent() -> RelayError {
        RelayError::NotSent { name: "app".to_owned(), within: "in this workflow run" }
    }

    #[tokio::test]
    async fn transfer_that_appears_late_is_received() {
        let mut polls = 0;
        let open = async || {
            polls += 1;
            if polls < 5 { Err(absent()) } else { Ok(polls) }
        };
        let ask = async || Ok(State::Running);
        assert_eq!(poll("app", LONG, FAST, true, ask, open).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn failed_producer_ends_the_wait_after_one_more_look() {
        let mut polls = 0;
        let open = async || {
            polls += 1;
            Err::<(), _>(absent())
        };
        let ask = async || Ok(State::Failed("the job build ended with failure".to_owned()));
        let error = poll("app", LONG, FAST, true, ask, open).await.unwrap_err();
        assert_eq!(error.code(), BROKEN);
        assert!(error.to_string().contains("the job build ended with failure"), "{error}");
        assert_eq!(polls, 2);
    }

    #[tokio::test]
    async fn image_of_a_producer_that_failed_after_sending_is_received() {
        let mut polls = 0;
        let open = async || {
            polls += 1;
            if polls < 2 { Err(absent()) } else { Ok(()) }
        };
        let ask = async || Ok(State::Failed("the job build ended with failure".to_owned()));
        assert!(poll("app", LONG, FAST, true, ask, open).await.is_ok());
    }

    #[tokio::test]
    async fn run_without_other_jobs_ends_the_wait_only_when_seen_twice_in_a_row() {
        let mut asked = 0;
        let ask = async || {
            asked += 1;
            // A job begins after the first question: its need had just ended.
            Ok(if asked == 2 { State::Running } else { State::Ended("all other jobs have ended".to_owned()) })
        };
        let open = async || Err::<(), _>(absent());
        let error = poll("app", LONG, FAST, true, ask, open).await.unwrap_err();
        assert!(error.to_string().contains("all other jobs have ended"), "{error}");
        assert_eq!(asked, 4);
    }

    #[tokio::test]
    async fn limit_ends_the_wait_with_a_code_of_its_own_where_jobs_are_unknown() {
        let mut asked = 0;
        let ask = async || {
            asked += 1;
            Err("403".to_owned())
        };
        let open = async || Err::<(), _>(absent());
        let error = poll("app", Duration::from_millis(20), FAST, true, ask, open).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), (TIMED_OUT, "timeout"));
        assert_eq!(asked, 1, "an API that does not answer is asked once");
    }

    #[tokio::test]
    async fn error_that_is_not_absence_ends_the_wait_at_once() {
        let ask = async || Ok(State::Running);
        let open = async || Err::<(), _>(RelayError::Table("broken".to_owned()));
        assert_eq!(poll("app", LONG, FAST, true, ask, open).await.unwrap_err().code(), BROKEN);
    }
}
