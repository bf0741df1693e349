//! Bytes that move: the clock of every limit, and the report of a silence.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Error;
use crate::timeouts::{BLOCK_TIMEOUT, CALL_TIMEOUT, FRUITLESS_TIMEOUT, SILENCE, STALL_TIMEOUT, TRANSFER_TIMEOUT};

/// Time limits of a client. The defaults are in [`crate::timeouts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// [`crate::timeouts::CALL_TIMEOUT`].
    pub call: Duration,
    /// [`crate::timeouts::BLOCK_TIMEOUT`].
    pub block: Duration,
    /// [`crate::timeouts::STALL_TIMEOUT`].
    pub stall: Duration,
    /// [`crate::timeouts::SILENCE`].
    pub silence: Duration,
    /// [`crate::timeouts::FRUITLESS_TIMEOUT`].
    pub fruitless: Duration,
    /// [`crate::timeouts::TRANSFER_TIMEOUT`].
    pub transfer: Duration,
}

impl Limits {
    /// Limits of [`crate::timeouts`].
    pub const DEFAULT: Self = Self {
        call: CALL_TIMEOUT,
        block: BLOCK_TIMEOUT,
        stall: STALL_TIMEOUT,
        silence: SILENCE,
        fruitless: FRUITLESS_TIMEOUT,
        transfer: TRANSFER_TIMEOUT,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

type Hook = Box<dyn Fn(&str) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// Sets what this process does with a line about a silence of the service, for example prints it to standard error. Without a
/// hook nobody is told. Returns whether this is the first hook; later ones are dropped.
///
/// A line comes after 10 s without a byte on any connection of a client, again after 20, 40 and so on.
pub fn on_silence(hook: impl Fn(&str) + Send + Sync + 'static) -> bool {
    HOOK.set(Box::new(hook)).is_ok()
}

/// Activity of a client: its last byte, and the time in which it waits for the service.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    last: AtomicU64,
    pub(crate) limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Operations that run, and since when there is one.
    running: usize,
    since: Option<Instant>,
    spent: Duration,
    /// Last byte before the reported silence, and the length of the silence that is reported next.
    reported: (u64, Duration),
}

/// Operation that runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<Pulse>);

impl Pulse {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), last: AtomicU64::new(0), limits, state: Mutex::default() })
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn at(&self, ns: u64) -> Instant {
        self.start + Duration::from_nanos(ns)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation.
    pub(crate) fn run(self: &Arc<Self>) -> Running {
        let mut state = self.state();
        if state.running == 0 {
            state.since = Some(Instant::now());
            // A pause between operations is no silence.
            self.last.store(self.now(), Ordering::Relaxed);
        }
        state.running += 1;
        drop(state);
        Running(Arc::clone(self))
    }

    /// Time that is left for the transfer.
    pub(crate) fn left(&self) -> Duration {
        let state = self.state();
        let running = state.since.map(|since| since.elapsed()).unwrap_or_default();
        self.limits.transfer.saturating_sub(state.spent + running)
    }

    /// Fails once the transfer has taken its time.
    pub(crate) fn check_overall(&self) -> Result<(), Error> {
        if self.left().is_zero() { Err(Error::TooLong(self.limits.transfer)) } else { Ok(()) }
    }

    /// Tells about a silence that is long enough, once for each of its lengths.
    pub(crate) fn report_silence(&self, host: &str) {
        let last = self.last.load(Ordering::Relaxed);
        let silent = self.at(last).elapsed();
        let mut state = self.state();
        if state.reported.0 != last || state.reported.1.is_zero() {
            state.reported = (last, self.limits.silence);
        }
        if silent < state.reported.1 {
            return;
        }
        state.reported.1 = silent.max(self.limits.silence) * 2;
        drop(state);
        if let Some(hook) = HOOK.get() {
            let seconds = silent.as_secs();
            hook(&format!("no byte to or from {host} for {seconds} s: waiting, and trying again where it is of use"));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        if state.running == 0 {
            let since = state.since.take();
            state.spent += since.map(|since| since.elapsed()).unwrap_or_default();
        }
    }
}

/// Last byte of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    pulse: Arc<Pulse>,
    last: AtomicU64,
}

impl Activity {
    pub(crate) fn new(pulse: &Arc<Pulse>) -> Arc<Self> {
        Arc::new(Self { pulse: Arc::clone(pulse), last: AtomicU64::new(pulse.now()) })
    }

    /// Notes that a byte moved, or that a wait begins.
    pub(crate) fn mark(&self) {
        self.last.store(self.pulse.now(), Ordering::Relaxed);
    }

    fn moved(&self) {
        let now = self.pulse.now();
        self.last.store(now, Ordering::Relaxed);
        self.pulse.last.store(now, Ordering::Relaxed);
    }

    /// Time of the last byte.
    pub(crate) fn last(&self) -> Instant {
        self.pulse.at(self.last.load(Ordering::Relaxed))
    }
}

/// Connection that notes its bytes.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }

    fn note(&self, written: &Poll<std::io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.moved();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.moved();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_running_operations_counts_against_the_transfer() {
        let pulse = Pulse::new(Limits { transfer: Duration::from_hours(1), ..Limits::default() });
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(pulse.left(), Duration::from_hours(1), "nothing runs yet");
        let (first, second) = (pulse.run(), pulse.run());
        std::thread::sleep(Duration::from_millis(20));
        drop(first);
        assert!(pulse.left() <= Duration::from_hours(1) - Duration::from_millis(20), "one still runs");
        drop(second);
        let left = pulse.left();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(pulse.left(), left);
    }
}
