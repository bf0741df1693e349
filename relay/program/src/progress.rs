//! Progress of a long transfer on stderr.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval_at};

use crate::print::{self, mib};

/// Transfers that take less show nothing.
const FIRST_PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two lines of a log.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two states of a terminal's line.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(500);

/// Runs a transfer and shows its progress. `moved` is the number of bytes so far, `total` their number if it is known.
pub(crate) async fn shown<T>(
    what: &str,
    total: Option<u64>,
    moved: impl Fn() -> u64,
    transfer: impl Future<Output = T>,
) -> T {
    let every = if print::is_terminal() { TERMINAL_INTERVAL } else { LOG_INTERVAL };
    let started = Instant::now();
    let state = || print::progress(&line(what, moved(), total, started.elapsed()));
    let result = watched(FIRST_PROGRESS_TIMEOUT, every, state, transfer).await;
    print::end_progress();
    result
}

/// Runs a future, and `show` after a while and then at intervals.
pub(crate) async fn watched<T>(
    after: Duration,
    every: Duration,
    mut show: impl FnMut(),
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval_at(tokio::time::Instant::now() + after, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = ticks.tick() => show(),
        }
    }
}

/// Line of a progress.
fn line(what: &str, moved: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = moved as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = format!("{:.1} MiB/s", rate / f64::from(1 << 20));
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{what}: {}, {speed}", mib(moved));
    };
    let share = moved.saturating_mul(100) / total;
    let left = if rate >= 1.0 && moved < total {
        let seconds = ((total - moved) as f64 / rate).ceil();
        format!(", {} left", handoff_model::duration::human(Duration::from_secs_f64(seconds.min(360_000.0))))
    } else {
        String::new()
    };
    format!("{what}: {}% of {}, {speed}{left}", share.min(100), mib(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn line_has_share_rate_and_time_left_where_the_total_is_known() {
        let ten = Duration::from_secs(10);
        assert_eq!(
            line("receiving app", 100 * MIB, Some(400 * MIB), ten),
            "receiving app: 25% of 400.0 MiB, 10.0 MiB/s, 30 s left"
        );
        assert_eq!(line("sending app", 100 * MIB, None, ten), "sending app: 100.0 MiB, 10.0 MiB/s");
        assert_eq!(line("x", 0, Some(MIB), ten), "x: 0% of 1.0 MiB, 0.0 MiB/s", "no rate, no estimate");
        assert_eq!(line("x", 2 * MIB, Some(MIB), Duration::ZERO).split(',').next(), Some("x: 100% of 1.0 MiB"));
    }

    #[tokio::test]
    async fn short_transfer_shows_nothing_and_a_long_one_shows_its_state_until_it_ends() {
        let mut shown = 0;
        let long = Duration::from_hours(1);
        assert_eq!(watched(long, long, || shown += 1, async { 7 }).await, 7);
        assert_eq!(shown, 0);
        let (sender, done) = tokio::sync::oneshot::channel();
        let mut sender = Some(sender);
        let show = || {
            shown += 1;
            if shown == 3
                && let Some(sender) = sender.take()
            {
                sender.send(8).unwrap();
            }
        };
        assert_eq!(watched(Duration::ZERO, Duration::from_millis(1), show, done).await.unwrap(), 8);
        assert!(shown >= 3, "{shown}");
    }
}
