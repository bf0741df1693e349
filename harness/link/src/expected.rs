//! Expected times of a request log under a profile, to compare with the measured ones.
//!
//! A flow is the traffic of one job in one direction of one service. Each request starts at its measured start. It waits for
//! the latency of a request. Then it moves its bytes at the rate of its connection, or at its share of the aggregate rate.
//! This fluid model has no pieces, wake-ups or sockets, so that it shares only the profile's figures with the shaper.

use crate::profile::{Direction, Profile, RateLimit, ServiceKind};
use crate::request::{RequestKind, RequestRecord};

/// Traffic of a job in one direction of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Artifacts or cache entries.
    pub kind: ServiceKind,
    /// Up or down.
    pub direction: Direction,
    /// Number of requests.
    pub requests: usize,
    /// Bytes of all requests.
    pub bytes: u64,
    /// Median of the requests' bytes.
    pub typical_bytes: u64,
    /// Largest number of concurrent requests.
    pub at_once: usize,
    /// Expected seconds with at least one active request.
    pub expected_s: f64,
    /// Measured seconds with at least one active request.
    pub measured_s: f64,
}

impl Flow {
    /// Name, for example `cache down`.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind, self.direction)
    }

    /// Whether measured and expected time differ by at most 5 % and 1 ms per sequential request.
    pub fn within_bounds(&self) -> bool {
        let in_a_row = self.requests.div_ceil(self.at_once.max(1)) as f64;
        (self.measured_s - self.expected_s).abs() <= self.expected_s * 0.05 + in_a_row * 1e-3
    }
}

/// Computes the flows of a job's log that the profile shapes. Failed, broken and faulty requests are left out, because the
/// link does not determine their time.
pub fn flows(profile: &Profile, log: &[RequestRecord]) -> Vec<Flow> {
    let mut flows = Vec::new();
    for kind in [ServiceKind::Artifact, ServiceKind::Cache] {
        for direction in [Direction::Up, Direction::Down] {
            let limit = profile.limit(kind, direction);
            let request_ms = profile.request_ms(kind);
            let shaped = limit != RateLimit::default() || request_ms > 0.0;
            let mut records: Vec<&RequestRecord> =
                log.iter().filter(|record| belongs(record, kind, direction)).collect();
            records.sort_by_key(|record| record.start_ns);
            if shaped && !records.is_empty() {
                flows.push(flow(kind, direction, limit, request_ms, &records));
            }
        }
    }
    flows
}

fn belongs(record: &RequestRecord, kind: ServiceKind, direction: Direction) -> bool {
    let cache = record.path.starts_with("/actions-cache/");
    let record_direction = match record.kind {
        RequestKind::PutBlock | RequestKind::PutBlob => Direction::Up,
        RequestKind::GetBlob => Direction::Down,
        _ => return false,
    };
    let whole = record.status < 300 && !record.broken && record.fault.is_none();
    whole && record_direction == direction && cache == (kind == ServiceKind::Cache)
}

fn flow(
    kind: ServiceKind,
    direction: Direction,
    limit: RateLimit,
    request_ms: f64,
    records: &[&RequestRecord],
) -> Flow {
    let carried = |record: &RequestRecord| if direction == Direction::Up { record.bytes_up } else { record.bytes_down };
    let first = records[0].start_ns;
    let seconds = |ns: u64| ns.saturating_sub(first) as f64 / 1e9;
    let starts: Vec<f64> = records.iter().map(|record| seconds(record.start_ns)).collect();
    let ends: Vec<f64> = records.iter().map(|record| seconds(record.end_ns)).collect();
    let bytes: Vec<u64> = records.iter().map(|record| carried(record)).collect();
    let mut sorted = bytes.clone();
    sorted.sort_unstable();
    let expected = expected_ends(&starts, &bytes, request_ms / 1e3, limit);
    Flow {
        kind,
        direction,
        requests: records.len(),
        bytes: bytes.iter().sum(),
        typical_bytes: sorted[sorted.len() / 2],
        at_once: at_once(&starts, &ends),
        expected_s: covered(&starts, &expected),
        measured_s: covered(&starts, &ends),
    }
}

/// Expected end of each request, in seconds.
fn expected_ends(starts: &[f64], bytes: &[u64], request_s: f64, limit: RateLimit) -> Vec<f64> {
    let connection_rate = limit.connection.unwrap_or(f64::INFINITY);
    let aggregate_rate = limit.aggregate.unwrap_or(f64::INFINITY);
    let mut left: Vec<f64> = bytes.iter().map(|bytes| *bytes as f64).collect();
    let mut ends: Vec<f64> = starts.iter().map(|start| start + request_s).collect();
    if connection_rate.is_infinite() && aggregate_rate.is_infinite() {
        return ends;
    }
    // Requests start in order; `moving` holds the active ones.
    let begins = ends.clone();
    let (mut next, mut now, mut moving) = (0, 0.0_f64, Vec::<usize>::new());
    while next < begins.len() || !moving.is_empty() {
        if moving.is_empty() {
            now = now.max(begins[next]);
        }
        while next < begins.len() && begins[next] <= now {
            moving.push(next);
            next += 1;
        }
        let rate = connection_rate.min(aggregate_rate / moving.len() as f64);
        let soonest = moving.iter().map(|at| left[*at] / rate).fold(f64::INFINITY, f64::min);
        let step = begins.get(next).map_or(soonest, |begin| soonest.min(begin - now));
        for at in &moving {
            left[*at] -= rate * step;
        }
        now += step;
        moving.retain(|at| {
            // Less than half a byte is a rounding error.
            let moves = left[*at] > 0.5;
            if !moves {
                ends[*at] = now;
            }
            moves
        });
    }
    ends
}

/// Seconds covered by at least one of the intervals; starts are sorted.
fn covered(starts: &[f64], ends: &[f64]) -> f64 {
    let (mut sum, mut until) = (0.0, f64::NEG_INFINITY);
    for (start, end) in starts.iter().zip(ends) {
        sum += (end - start.max(until)).max(0.0);
        until = until.max(*end);
    }
    sum
}

/// Largest number of intervals that overlap.
fn at_once(starts: &[f64], ends: &[f64]) -> usize {
    let (mut sorted, mut ended, mut most) = (ends.to_vec(), 0, 0);
    sorted.sort_by(f64::total_cmp);
    for (begun, start) in starts.iter().enumerate() {
        while sorted[ended] <= *start && ended < begun {
            ended += 1;
        }
        most = most.max(begun + 1 - ended);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::load;

    const MIB: u64 = 1 << 20;

    fn record(kind: RequestKind, start_ms: u64, ms: u64, bytes: u64) -> RequestRecord {
        let (start_ns, end_ns) = (start_ms * 1_000_000, (start_ms + ms) * 1_000_000);
        let path = "/actions-cache/r/entries/1".to_owned();
        RequestRecord {
            kind,
            start_ns,
            end_ns,
            bytes_up: bytes,
            bytes_down: bytes,
            status: 201,
            path,
            ..RequestRecord::default()
        }
    }

    #[test]
    fn serial_blocks_take_latency_plus_bytes_each() {
        // 1 MiB at 50 MiB/s and 5 ms: 25 ms; the client takes 10 ms in between, which is not the link's.
        let profile = load("loopback:cache.up.connection=50MiB/s,request_ms=5ms").unwrap();
        let log: Vec<_> = (0..100).map(|n| record(RequestKind::PutBlock, n * 35, 25, MIB)).collect();
        let flows = flows(&profile, &log);
        let flow = &flows[0];
        assert_eq!((flows.len(), flow.name().as_str(), flow.requests, flow.at_once), (1, "cache up", 100, 1));
        assert!((flow.expected_s - 2.5).abs() < 1e-6 && (flow.measured_s - 2.5).abs() < 1e-6, "{flow:?}");
        assert!(flow.within_bounds());
        let slow: Vec<_> = (0..100).map(|n| record(RequestKind::PutBlock, n * 35, 29, MIB)).collect();
        assert!(!super::flows(&profile, &slow)[0].within_bounds());
    }

    #[test]
    fn connections_share_the_aggregate_rate() {
        // Eight at once, 30 each but 120 together: 15 each, 4 MiB take 266.7 ms.
        let profile = load("loopback:cache.down.connection=30MiB/s,cache.down.aggregate=120MiB/s").unwrap();
        let mut log = Vec::new();
        for batch in 0..4 {
            log.extend((0..8).map(|_| record(RequestKind::GetBlob, batch * 300, 267, 4 * MIB)));
        }
        let flow = &flows(&profile, &log)[0];
        assert_eq!((flow.at_once, flow.typical_bytes, flow.bytes), (8, 4 * MIB, 128 * MIB));
        assert!((flow.expected_s - 32.0 * 4.0 / 120.0).abs() < 1e-3 && flow.within_bounds(), "{flow:?}");
        // A later request slows an earlier one only from its own start.
        let ends =
            expected_ends(&[0.0, 0.5], &[100, 100], 0.0, RateLimit { connection: Some(100.0), aggregate: Some(100.0) });
        assert!((ends[0] - 1.5).abs() < 1e-9 && (ends[1] - 2.0).abs() < 1e-9, "{ends:?}");
    }

    #[test]
    fn failed_and_unshaped_requests_are_left_out() {
        let profile = load("github-hosted").unwrap();
        let mut log = vec![record(RequestKind::Rpc, 0, 200, 9), record(RequestKind::PutBlockList, 0, 5, 9)];
        log.push(RequestRecord { status: 503, ..record(RequestKind::GetBlob, 0, 5, 9) });
        log.push(RequestRecord { fault: Some(crate::Fault::Stall), ..record(RequestKind::GetBlob, 0, 5, 9) });
        assert_eq!(flows(&profile, &log), []);
        assert_eq!(flows(&load("loopback").unwrap(), &[record(RequestKind::GetBlob, 0, 5, 9)]), []);
    }
}
