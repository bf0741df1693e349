//! Recorder of a role: a monotonic clock, and the spans measured on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use handoff_build::trace::Trace;
use handoff_model::{Span, SpanKind, StepCount};
use rustix::time::{ClockId, clock_gettime};

/// Recorder of spans, steps and facts, shared by threads.
#[derive(Debug)]
pub struct Recorder {
    origin_ns: u64,
    wall_origin_ns: i128,
    spans: Mutex<Vec<Span>>,
    facts: Mutex<BTreeMap<&'static str, String>>,
    steps: Mutex<Option<StepCount>>,
}

/// Name of the fact with the writer of the image: `output` (the builder's exporter), `save` or `push`.
pub const SOURCE: &str = "source";
/// Name of the fact with the program that moved the bytes, and its version.
pub const CLIENT: &str = "client";
/// Name of the fact with the way of a consumer's image into the engine: `import` or `pull`.
pub const IMPORT: &str = "import";

/// Time on the machine's monotonic clock in ns: the clock of Rust's `Instant` and of Node's `process.hrtime`.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Guard of a lock, also after a panic of its holder, because recorded spans stay valid.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// Starts the clock of a role.
    pub fn start() -> Self {
        let wall_ns = jiff::Timestamp::now().as_nanosecond();
        Self::resume(monotonic_ns(), wall_ns)
    }

    /// Recorder on a clock that another process of this machine has started.
    pub fn resume(origin_ns: u64, wall_origin_ns: i128) -> Self {
        let steps = Mutex::new(Some(StepCount::default()));
        Self { origin_ns, wall_origin_ns, spans: Mutex::default(), facts: Mutex::default(), steps }
    }

    /// Time since the start of the clock in ns.
    pub fn now_ns(&self) -> u64 {
        monotonic_ns() - self.origin_ns
    }

    /// Start of the clock in ns of monotonic time.
    pub fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// Converts monotonic time in ns to this clock.
    pub fn from_monotonic(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.origin_ns)
    }

    /// Converts wall-clock time, the only time of `BuildKit`'s traces, to this clock.
    pub fn from_wall(&self, time: jiff::Timestamp) -> u64 {
        u64::try_from(time.as_nanosecond() - self.wall_origin_ns).unwrap_or(0)
    }

    /// Records a span.
    pub fn record(&self, kind: SpanKind, detail: &str, start_ns: u64, end_ns: u64, bytes: Option<u64>) {
        let span =
            Span { kind, detail: detail.chars().take(120).collect(), start_ns, end_ns: end_ns.max(start_ns), bytes };
        held(&self.spans).push(span);
    }

    /// Records the intervals of a build's trace; `loads` says whether the engine gets its tarball.
    pub fn record_trace(&self, trace: &Trace, loads: bool) {
        for i in trace.intervals(loads) {
            self.record(i.kind, &i.detail, self.from_wall(i.start), self.from_wall(i.end), i.bytes);
        }
    }

    /// Measures a call as a span.
    pub fn span<T>(&self, kind: SpanKind, detail: &str, work: impl FnOnce() -> T) -> T {
        let start = self.now_ns();
        let value = work();
        self.record(kind, detail, start, self.now_ns(), None);
        value
    }

    /// Records a fact for a column of the row: [`SOURCE`], [`CLIENT`] or [`IMPORT`].
    pub fn fact(&self, name: &'static str, value: impl Into<String>) {
        held(&self.facts).insert(name, value.into());
    }

    /// All facts so far.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        held(&self.facts).clone()
    }

    /// Adds the steps of a build. An unreadable trace (none) makes the total unknown.
    pub fn count_steps(&self, more: Option<StepCount>) {
        let mut steps = held(&self.steps);
        let sum = |(a, b): (StepCount, StepCount)| StepCount {
            executed: a.executed + b.executed,
            cached: a.cached + b.cached,
        };
        *steps = steps.zip(more).map(sum);
    }

    /// Steps of all builds so far; none after an unreadable trace.
    pub fn steps(&self) -> Option<StepCount> {
        *held(&self.steps)
    }

    /// All spans so far, ordered by start.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = held(&self.spans).clone();
        spans.sort_by_key(|s| (s.start_ns, s.end_ns));
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unreadable_trace_makes_the_steps_of_a_role_unknown() {
        let recorder = Recorder::start();
        recorder.count_steps(Some(StepCount { executed: 1, cached: 0 }));
        recorder.count_steps(None);
        recorder.count_steps(Some(StepCount { executed: 1, cached: 0 }));
        assert_eq!(recorder.steps(), None);
    }
}
