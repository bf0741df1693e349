//! The recorder of a side: one monotonic clock, and the spans that were measured on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use handoff_model::{Span, SpanKind, StepCount};
use rustix::time::{ClockId, clock_gettime};

/// Collects spans. Threads may record at once.
#[derive(Debug)]
pub struct Recorder {
    origin_ns: u64,
    wall_origin_ns: i128,
    spans: Mutex<Vec<Span>>,
    facts: Mutex<BTreeMap<&'static str, String>>,
    steps: Mutex<Option<StepCount>>,
}

/// Fact: where the tar came from, `output` (the builder's exporter) or `save` (`docker save`).
pub const SOURCE: &str = "source";
/// Fact: name and version of the program that moved the bytes.
pub const CLIENT: &str = "client";

/// The machine's monotonic clock in ns: the clock of Rust's `Instant` and of Node's `process.hrtime`.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// What a lock holds, also after a thread that held it broke off: a span or a step that was recorded stays so.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// Starts the clock of a side.
    pub fn start() -> Self {
        let wall_ns = jiff::Timestamp::now().as_nanosecond();
        Self::resume(monotonic_ns(), wall_ns)
    }

    /// Goes on with a clock that another process of this machine has started.
    pub fn resume(origin_ns: u64, wall_origin_ns: i128) -> Self {
        let steps = Mutex::new(Some(StepCount::default()));
        Self { origin_ns, wall_origin_ns, spans: Mutex::default(), facts: Mutex::default(), steps }
    }

    /// Time since the clock started, in ns.
    pub fn now_ns(&self) -> u64 {
        monotonic_ns() - self.origin_ns
    }

    /// The monotonic time at which the clock started, in ns.
    pub fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// Brings a reading of the machine's monotonic clock onto this side's clock.
    pub fn from_monotonic(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.origin_ns)
    }

    /// Brings a wall-clock time of this machine (`BuildKit`'s traces have no other) onto this side's clock.
    pub fn from_wall(&self, time: jiff::Timestamp) -> u64 {
        u64::try_from(time.as_nanosecond() - self.wall_origin_ns).unwrap_or(0)
    }

    /// Records a span that was measured.
    pub fn record(&self, kind: SpanKind, detail: &str, start_ns: u64, end_ns: u64, bytes: Option<u64>) {
        let span =
            Span { kind, detail: detail.chars().take(120).collect(), start_ns, end_ns: end_ns.max(start_ns), bytes };
        held(&self.spans).push(span);
    }

    /// Measures a span around a call.
    pub fn span<T>(&self, kind: SpanKind, detail: &str, work: impl FnOnce() -> T) -> T {
        let start = self.now_ns();
        let value = work();
        self.record(kind, detail, start, self.now_ns(), None);
        value
    }

    /// Records a fact for a column of the row: [`SOURCE`] or [`CLIENT`].
    pub fn fact(&self, name: &'static str, value: impl Into<String>) {
        held(&self.facts).insert(name, value.into());
    }

    /// The facts so far.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        held(&self.facts).clone()
    }

    /// Adds a build's steps; none for a build whose trace did not read, after which the number of all is unknown.
    pub fn count_steps(&self, more: Option<StepCount>) {
        let mut steps = held(&self.steps);
        let sum = |(a, b): (StepCount, StepCount)| StepCount {
            executed: a.executed + b.executed,
            cached: a.cached + b.cached,
        };
        *steps = steps.zip(more).map(sum);
    }

    /// The steps of all builds so far, where all their traces read.
    pub fn steps(&self) -> Option<StepCount> {
        *held(&self.steps)
    }

    /// All spans so far, by start.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = held(&self.spans).clone();
        spans.sort_by_key(|s| (s.start_ns, s.end_ns));
        spans
    }
}
