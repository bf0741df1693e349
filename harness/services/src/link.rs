//! The link between a job and the service: the one place through which every byte and every request of a token passes.
//!
//! Each token has a link of its own, as each job has its own network. A connection thread asks it before an API call
//! or a blob request goes on and as bytes move, and waiting is sleeping in that thread. A request is measured from the
//! arrival of its head: it takes the time of a request plus its bytes at the rate of the connection, or longer where all
//! connections together are at their rate. A link of bare loopback gives no passage at all: nothing is booked or locked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use handoff_link::shaper::{self, Pace, SharedPace};
use handoff_link::{Call, Direction, Fault, Faults, Profile, RateLimit, ServiceKind};

use crate::clock;

/// A sleep is cut into such parts, so that a service that ends does not wait for it.
const NAP: Duration = Duration::from_millis(100);

/// What all links of a service are made from.
#[derive(Debug)]
pub(crate) struct Network {
    profile: Profile,
    ended: Arc<AtomicBool>,
}

impl Network {
    pub(crate) fn new(profile: Profile) -> Self {
        Self { profile, ended: Arc::default() }
    }

    /// The link of a new job; `job` is what its faults are drawn for.
    pub(crate) fn link(&self, job: &str) -> Arc<Link> {
        let route = |kind| {
            let path = |direction| {
                let limit = self.profile.limit(kind, direction);
                ShapedPath { limit, shared_pace: limit.aggregate.map(|rate| Mutex::new(SharedPace::new(rate))) }
            };
            Route {
                request_ns: ns(self.profile.request_ms(kind)),
                up: path(Direction::Up),
                down: path(Direction::Down),
            }
        };
        Arc::new(Link {
            api_ns: ns(self.profile.call_ms()),
            artifact: route(ServiceKind::Artifact),
            cache: route(ServiceKind::Cache),
            faults: self.profile.faults().map(|figures| Faults::new(figures, job)),
            ended: Arc::clone(&self.ended),
        })
    }

    /// Wakes whoever sleeps: the service ends.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

/// The link of one token's job.
#[derive(Debug)]
pub(crate) struct Link {
    api_ns: u64,
    artifact: Route,
    cache: Route,
    faults: Option<Faults>,
    ended: Arc<AtomicBool>,
}

/// When and how a request goes on.
#[derive(Debug)]
pub(crate) struct Admission {
    /// What its bytes have to pass, if they are shaped.
    pub(crate) guard: Option<TransferGuard>,
    /// What it meets.
    pub(crate) fault: Option<Fault>,
    /// With a 429: seconds after which to come again.
    pub(crate) retry_after_s: u64,
}

/// One kind of traffic.
#[derive(Debug)]
struct Route {
    request_ns: u64,
    up: ShapedPath,
    down: ShapedPath,
}

/// One direction of it.
#[derive(Debug)]
struct ShapedPath {
    limit: RateLimit,
    shared_pace: Option<Mutex<SharedPace>>,
}

impl Link {
    /// Returns once a request whose head arrived at `arrived` (ns of the monotonic clock) may go on.
    pub(crate) fn admit(self: &Arc<Self>, call: Call, arrived: u64) -> Admission {
        let admission = self.schedule(call, arrived);
        self.sleep_until(admission.1);
        admission.0
    }

    /// As [`Link::admit`], without waiting: with the time until which to wait.
    fn schedule(self: &Arc<Self>, call: Call, arrived: u64) -> (Admission, u64) {
        let (takes, kind) = match call {
            Call::Api => (self.api_ns, None),
            Call::Blob(kind) => (self.route(kind).request_ns, Some(kind)),
        };
        let fault = self.faults.as_ref().and_then(|faults| faults.draw(call));
        let figures = self.faults.as_ref().map(Faults::figures);
        let stall = figures.filter(|_| fault == Some(Fault::Stall)).map_or(0, |figures| ns(figures.stall_s * 1e3));
        let slower = figures.filter(|_| fault == Some(Fault::Slow)).map_or(1.0, |figures| figures.slow_factor);
        let start = arrived.saturating_add(takes).saturating_add(stall);
        let kind = kind.filter(|kind| self.route(*kind).is_shaped());
        let guard =
            kind.map(|kind| TransferGuard { link: Arc::clone(self), kind, start, slower, up: None, down: None });
        let retry_after_s = figures.map_or(0, |figures| figures.retry_after_s);
        (Admission { guard, fault, retry_after_s }, if takes + stall > 0 { start } else { 0 })
    }

    fn route(&self, kind: ServiceKind) -> &Route {
        match kind {
            ServiceKind::Artifact => &self.artifact,
            ServiceKind::Cache => &self.cache,
        }
    }

    fn sleep_until(&self, until: u64) {
        loop {
            let left = until.saturating_sub(clock::monotonic_ns());
            if left == 0 || self.ended.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_nanos(left).min(NAP));
        }
    }
}

impl Route {
    fn is_shaped(&self) -> bool {
        [&self.up, &self.down].iter().any(|path| path.limit.connection.is_some() || path.shared_pace.is_some())
    }

    fn path(&self, direction: Direction) -> &ShapedPath {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

impl ShapedPath {
    fn with<T>(&self, act: impl FnOnce(&mut SharedPace) -> T) -> Option<T> {
        self.shared_pace
            .as_ref()
            .map(|shared_pace| act(&mut shared_pace.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What the bytes of one request pass. Dropping it ends the request's part in what connections share.
#[derive(Debug)]
pub(crate) struct TransferGuard {
    link: Arc<Link>,
    kind: ServiceKind,
    start: u64,
    /// How many times as slow as its connection's rate.
    slower: f64,
    // Made with the first bytes of a direction.
    up: Option<RequestPace>,
    down: Option<RequestPace>,
}

/// The request's own pace in a direction; none when connections have no rate of their own.
#[derive(Clone, Copy, Debug)]
struct RequestPace(Option<Pace>);

impl TransferGuard {
    /// Largest number of bytes to move before passing again; `None` when that direction is not shaped.
    pub(crate) fn piece(&self, direction: Direction) -> Option<usize> {
        let limit = self.link.route(self.kind).path(direction).limit;
        limit.connection.or(limit.aggregate).map(shaper::piece)
    }

    /// Returns once `bytes` more may have moved.
    pub(crate) fn pass(&mut self, direction: Direction, bytes: u64) {
        let path = self.link.route(self.kind).path(direction);
        let own = match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        };
        let now = clock::monotonic_ns();
        let own = own.get_or_insert_with(|| {
            path.with(|shared_pace| shared_pace.enter(now));
            let rate = path.limit.connection.or(path.limit.aggregate.filter(|_| self.slower > 1.0));
            RequestPace(rate.map(|rate| Pace::new(rate / self.slower, self.start)))
        });
        let alone = own.0.as_mut().map_or(0, |pace| pace.book(now, bytes));
        let together = path.with(|shared_pace| shared_pace.book(now, bytes)).unwrap_or(0);
        self.link.sleep_until(alone.max(together));
    }
}

impl Drop for TransferGuard {
    fn drop(&mut self) {
        let route = self.link.route(self.kind);
        for (own, path) in [(self.up, &route.up), (self.down, &route.down)] {
            if own.is_some() {
                path.with(SharedPace::leave);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_gives_no_passage() {
        let link = Network::new(Profile::default()).link("");
        for call in [Call::Api, Call::Blob(ServiceKind::Artifact), Call::Blob(ServiceKind::Cache)] {
            let admission = link.admit(call, u64::MAX);
            assert!(admission.guard.is_none() && admission.fault.is_none());
        }
    }

    #[test]
    fn a_service_that_ends_wakes_who_sleeps() {
        let profile = Profile::parse("test", "name = 'test'\nsummary = 's'\n[api]\ncall_ms = 60000\n").unwrap();
        let network = Network::new(profile);
        network.end();
        // Would take a minute.
        assert!(network.link("").admit(Call::Api, clock::monotonic_ns()).guard.is_none());
    }

    #[test]
    fn a_request_counts_for_the_shared_rate_only_while_it_lasts() {
        let text = "name = 'test'\nsummary = 's'\n[cache.down]\naggregate = '1TiB/s'\n";
        let link = Network::new(Profile::parse("test", text).unwrap()).link("");
        let mut guard = link.admit(Call::Blob(ServiceKind::Cache), clock::monotonic_ns()).guard.unwrap();
        assert_eq!(guard.piece(Direction::Up), None);
        guard.pass(Direction::Down, 10);
        guard.pass(Direction::Down, 10);
        let active = || link.cache.down.with(|shared_pace| format!("{shared_pace:?}").contains("active: 1")).unwrap();
        assert!(active());
        drop(guard);
        assert!(!active());
        assert!(link.admit(Call::Blob(ServiceKind::Artifact), 0).guard.is_none(), "the other kind is not shaped");
    }

    #[test]
    fn a_stall_moves_the_start_and_a_slow_request_takes_its_bytes_longer() {
        let profile = |fault: &str| {
            handoff_link::profile::load(&format!("loopback:request_ms=5ms,connection=1MB/s,{fault}")).unwrap()
        };
        let run = |fault: &str| {
            let link = Network::new(profile(fault)).link("job");
            let (admission, until) = link.schedule(Call::Blob(ServiceKind::Cache), 1_000);
            (admission.fault, until, admission.guard.unwrap().slower, link)
        };
        let (fault, until, ..) = run("stall=100%,stall_s=40");
        assert_eq!((fault, until), (Some(Fault::Stall), 40_005_001_000));
        let (fault, until, slower, link) = run("slow=1,slow_factor=20");
        assert_eq!((fault, until), (Some(Fault::Slow), 5_001_000));
        let rate = link.cache.down.limit.connection.unwrap() / slower;
        assert_eq!(Pace::new(rate, until).book(until, 1_000_000), until + 20_000_000_000);
    }
}
