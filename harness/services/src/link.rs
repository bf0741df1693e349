//! Link between a job and the service: every request and byte of a token passes it.
//!
//! Each token has its own link, because each job has its own network. A connection thread waits here before an API call or a
//! blob request proceeds, and as bytes move. A request takes its latency plus its bytes at the rate of its connection, from
//! the arrival of its head. It takes longer when all connections together reach the aggregate rate. Bare loopback has no
//! guard: nothing is booked or locked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use handoff_link::shaper::{self, Pace, SharedPace};
use handoff_link::{Call, Direction, Fault, Faults, Profile, RateLimit, ServiceKind};

use crate::clock;
use crate::timeouts::SLEEP_SLICE;

/// Profile and end of all links of a service.
#[derive(Debug)]
pub(crate) struct Network {
    profile: Profile,
    ended: Arc<AtomicBool>,
}

impl Network {
    pub(crate) fn new(profile: Profile) -> Self {
        Self { profile, ended: Arc::default() }
    }

    /// Creates the link of a job. Its faults are drawn for the name `job`.
    pub(crate) fn link(&self, job: &str) -> Arc<Link> {
        let route = |kind| {
            let path = |direction| {
                let limit = self.profile.limit(kind, direction);
                ShapedPath { limit, shared_pace: limit.aggregate.map(|rate| Mutex::new(SharedPace::new(rate))) }
            };
            Route { request_ns: ns(self.profile.request_ms(kind)), paths: [Direction::Up, Direction::Down].map(path) }
        };
        Arc::new(Link {
            api_ns: ns(self.profile.call_ms()),
            routes: [ServiceKind::Artifact, ServiceKind::Cache].map(route),
            faults: self.profile.faults().map(|figures| Faults::new(figures, job)),
            ended: Arc::clone(&self.ended),
        })
    }

    /// Ends every wait, because the service ends.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

/// Link of one token's job.
#[derive(Debug)]
pub(crate) struct Link {
    api_ns: u64,
    /// Routes in the order of [`ServiceKind`].
    routes: [Route; 2],
    faults: Option<Faults>,
    ended: Arc<AtomicBool>,
}

/// Decision about a request: its shaping and its fault.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Guard of the request's bytes, if they are shaped.
    pub(crate) guard: Option<TransferGuard>,
    /// Injected fault.
    pub(crate) fault: Option<Fault>,
    /// Seconds in the Retry-After of a 429.
    pub(crate) retry_after_s: u64,
}

/// Shaping of one kind of traffic.
#[derive(Debug)]
struct Route {
    request_ns: u64,
    /// Paths in the order of [`Direction`].
    paths: [ShapedPath; 2],
}

/// Shaping of one direction of a route.
#[derive(Debug)]
struct ShapedPath {
    limit: RateLimit,
    shared_pace: Option<Mutex<SharedPace>>,
}

impl Link {
    /// Waits until a request whose head arrived at `arrived` (ns of the monotonic clock) may proceed.
    pub(crate) fn admit(self: &Arc<Self>, call: Call, arrived: u64) -> Admission {
        let admission = self.schedule(call, arrived);
        self.sleep_until(admission.1);
        admission.0
    }

    /// Computes the admission and the time until which to wait, in ns.
    fn schedule(self: &Arc<Self>, call: Call, arrived: u64) -> (Admission, u64) {
        let (takes, kind) = match call {
            Call::Api => (self.api_ns, None),
            Call::Blob(kind) => (self.route(kind).request_ns, Some(kind)),
        };
        let fault = self.faults.as_ref().and_then(|faults| faults.draw(call));
        let figures = self.faults.as_ref().map(Faults::figures);
        let stall = figures.filter(|_| fault == Some(Fault::Stall)).map_or(0, |figures| ns(figures.stall_s * 1e3));
        let slowdown = figures.filter(|_| fault == Some(Fault::Slow)).map_or(1.0, |figures| figures.slow_factor);
        let start = arrived.saturating_add(takes).saturating_add(stall);
        let kind = kind.filter(|kind| self.route(*kind).is_shaped());
        let guard = kind.map(|kind| TransferGuard { link: Arc::clone(self), kind, start, slowdown, paces: [None; 2] });
        let retry_after_s = figures.map_or(0, |figures| figures.retry_after_s);
        (Admission { guard, fault, retry_after_s }, if takes + stall > 0 { start } else { 0 })
    }

    fn route(&self, kind: ServiceKind) -> &Route {
        &self.routes[kind as usize]
    }

    fn sleep_until(&self, until: u64) {
        loop {
            let left = until.saturating_sub(clock::monotonic_ns());
            if left == 0 || self.ended.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_nanos(left).min(SLEEP_SLICE));
        }
    }
}

impl Route {
    fn is_shaped(&self) -> bool {
        self.paths.iter().any(|path| path.limit.connection.is_some() || path.shared_pace.is_some())
    }

    fn path(&self, direction: Direction) -> &ShapedPath {
        &self.paths[direction as usize]
    }
}

impl ShapedPath {
    fn with<T>(&self, act: impl FnOnce(&mut SharedPace) -> T) -> Option<T> {
        self.shared_pace
            .as_ref()
            .map(|shared_pace| act(&mut shared_pace.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Shaper of one request's bytes. Dropping it releases the request's share of the aggregate rate.
#[derive(Debug)]
pub(crate) struct TransferGuard {
    link: Arc<Link>,
    kind: ServiceKind,
    start: u64,
    /// Factor by which the rate of the connection is divided.
    slowdown: f64,
    /// Paces in the order of [`Direction`], each created with the first bytes of the direction.
    paces: [Option<RequestPace>; 2],
}

/// Pace of one request in a direction; `None` when connections have no rate.
#[derive(Clone, Copy, Debug)]
struct RequestPace(Option<Pace>);

impl TransferGuard {
    /// Largest number of bytes per [`Self::pass`]; `None` when the direction is not shaped.
    pub(crate) fn piece(&self, direction: Direction) -> Option<usize> {
        let limit = self.link.route(self.kind).path(direction).limit;
        limit.connection.or(limit.aggregate).map(shaper::piece)
    }

    /// Waits until `bytes` more may have moved.
    pub(crate) fn pass(&mut self, direction: Direction, bytes: u64) {
        let path = self.link.route(self.kind).path(direction);
        let now = clock::monotonic_ns();
        let pace = self.paces[direction as usize].get_or_insert_with(|| {
            path.with(|shared_pace| shared_pace.enter(now));
            let rate = path.limit.connection.or(path.limit.aggregate.filter(|_| self.slowdown > 1.0));
            RequestPace(rate.map(|rate| Pace::new(rate / self.slowdown, self.start)))
        });
        let alone = pace.0.as_mut().map_or(0, |pace| pace.book(now, bytes));
        let together = path.with(|shared_pace| shared_pace.book(now, bytes)).unwrap_or(0);
        self.link.sleep_until(alone.max(together));
    }
}

impl Drop for TransferGuard {
    fn drop(&mut self) {
        for (pace, path) in self.paces.iter().zip(&self.link.route(self.kind).paths) {
            if pace.is_some() {
                path.with(SharedPace::leave);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_no_guard_and_no_fault() {
        let link = Network::new(Profile::default()).link("");
        for call in [Call::Api, Call::Blob(ServiceKind::Artifact), Call::Blob(ServiceKind::Cache)] {
            let admission = link.admit(call, u64::MAX);
            assert!(admission.guard.is_none() && admission.fault.is_none());
        }
    }

    #[test]
    fn ended_service_admits_without_waiting() {
        let profile = Profile::parse("test", "name = 'test'\nsummary = 's'\n[api]\ncall_ms = 60000\n").unwrap();
        let network = Network::new(profile);
        network.end();
        // Would wait for a minute otherwise.
        assert!(network.link("").admit(Call::Api, clock::monotonic_ns()).guard.is_none());
    }

    #[test]
    fn request_shares_the_aggregate_rate_until_it_is_dropped() {
        let text = "name = 'test'\nsummary = 's'\n[cache.down]\naggregate = '1TiB/s'\n";
        let link = Network::new(Profile::parse("test", text).unwrap()).link("");
        let mut guard = link.admit(Call::Blob(ServiceKind::Cache), clock::monotonic_ns()).guard.unwrap();
        assert_eq!(guard.piece(Direction::Up), None);
        guard.pass(Direction::Down, 10);
        guard.pass(Direction::Down, 10);
        let down = link.route(ServiceKind::Cache).path(Direction::Down);
        let active = || down.with(|shared_pace| format!("{shared_pace:?}").contains("active: 1")).unwrap();
        assert!(active());
        drop(guard);
        assert!(!active());
        assert!(link.admit(Call::Blob(ServiceKind::Artifact), 0).guard.is_none(), "the other kind is not shaped");
    }

    #[test]
    fn stall_delays_the_start_and_slow_divides_the_rate() {
        let profile = |fault: &str| {
            handoff_link::profile::load(&format!("loopback:request_ms=5ms,connection=1MB/s,{fault}")).unwrap()
        };
        let run = |fault: &str| {
            let link = Network::new(profile(fault)).link("job");
            let (admission, until) = link.schedule(Call::Blob(ServiceKind::Cache), 1_000);
            (admission.fault, until, admission.guard.unwrap().slowdown, link)
        };
        let (fault, until, ..) = run("stall=100%,stall_s=40");
        assert_eq!((fault, until), (Some(Fault::Stall), 40_005_001_000));
        let (fault, until, slowdown, link) = run("slow=1,slow_factor=20");
        assert_eq!((fault, until), (Some(Fault::Slow), 5_001_000));
        let rate = link.route(ServiceKind::Cache).path(Direction::Down).limit.connection.unwrap() / slowdown;
        assert_eq!(Pace::new(rate, until).book(until, 1_000_000), until + 20_000_000_000);
    }
}
