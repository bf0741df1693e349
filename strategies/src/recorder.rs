//! The recorder of a side: one monotonic clock, and the spans that were measured on it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use handoff_model::{Span, SpanKind, StepCount};
use rustix::time::{ClockId, clock_gettime};

/// Collects spans. Threads may record at once.
#[derive(Debug)]
pub struct Recorder {
    origin_ns: u64,
    wall_origin_ns: i128,
    spans: Mutex<Vec<Span>>,
    facts: Mutex<BTreeMap<&'static str, String>>,
    steps: Mutex<StepCount>,
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

impl Recorder {
    /// Starts the clock of a side.
    pub fn start() -> Self {
        let wall = jiff::Timestamp::now().as_nanosecond();
        Self {
            origin_ns: monotonic_ns(),
            wall_origin_ns: wall,
            spans: Mutex::default(),
            facts: Mutex::default(),
            steps: Mutex::default(),
        }
    }

    /// Goes on with a clock that another process of this machine has started.
    pub fn resume(monotonic_ns: u64, wall_ns: i128) -> Self {
        Self {
            origin_ns: monotonic_ns,
            wall_origin_ns: wall_ns,
            spans: Mutex::default(),
            facts: Mutex::default(),
            steps: Mutex::default(),
        }
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
        if let Ok(mut spans) = self.spans.lock() {
            spans.push(span);
        }
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
        if let Ok(mut facts) = self.facts.lock() {
            facts.insert(name, value.into());
        }
    }

    /// The facts so far.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        self.facts.lock().map(|f| f.clone()).unwrap_or_default()
    }

    /// Adds a build's steps.
    pub fn count_steps(&self, more: StepCount) {
        if let Ok(mut steps) = self.steps.lock() {
            steps.executed += more.executed;
            steps.cached += more.cached;
        }
    }

    /// The steps of all builds so far.
    pub fn steps(&self) -> StepCount {
        self.steps.lock().map(|s| *s).unwrap_or_default()
    }

    /// All spans so far, by start.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().map(|s| s.clone()).unwrap_or_default();
        spans.sort_by_key(|s| (s.start_ns, s.end_ns));
        spans
    }
}
