//! The arithmetic of a shaped link, on a clock that the caller gives: no sleeping, no sockets, so that tests run it on
//! virtual time.
//!
//! A pace is a schedule, not a bucket: bytes have a time at which they may have moved, and who is late by a wake-up of
//! the scheduler makes it good with the next piece. Nobody saves up: what was idle for longer than [`GRACE`] begins anew.

/// How late a piece may be without losing its place in the schedule, in ns: wake-ups of a busy machine are inside, pauses of a
/// client are not.
pub const GRACE: u64 = 50_000_000;

/// How long a piece takes, in seconds: short enough that bytes arrive evenly, long enough that wake-ups cost little.
const PIECE_S: f64 = 0.004;

/// The schedule of one stream of bytes at one rate.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes a second.
    rate: f64,
    /// When everything booked so far has moved, in ns.
    next: u64,
}

impl Pace {
    /// A pace of `rate` bytes a second whose first byte may move at `start` ns.
    pub fn new(rate: f64, start: u64) -> Self {
        Self { rate, next: start }
    }

    /// Books `bytes` at the time `now` and gives the time at which they may have moved, in ns.
    pub fn book(&mut self, now: u64, bytes: u64) -> u64 {
        let takes = (bytes as f64 / self.rate * 1e9) as u64;
        self.next = self.next.max(now.saturating_sub(GRACE)).saturating_add(takes);
        self.next
    }
}

/// The schedule that all connections of a job share in one direction of one kind of traffic.
#[derive(Debug)]
pub struct SharedPace {
    pace: Pace,
    /// Requests that are moving bytes now.
    active: u32,
}

impl SharedPace {
    /// A shared pace of `rate` bytes a second.
    pub fn new(rate: f64) -> Self {
        Self { pace: Pace::new(rate, 0), active: 0 }
    }

    /// A request begins to move bytes. The first after a pause finds no credit.
    pub fn enter(&mut self, now: u64) {
        if self.active == 0 {
            self.pace.next = self.pace.next.max(now);
        }
        self.active += 1;
    }

    /// It moves none any more.
    pub fn leave(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// As [`Pace::book`].
    pub fn book(&mut self, now: u64, bytes: u64) -> u64 {
        self.pace.book(now, bytes)
    }
}

/// Bytes to move at once at `rate` bytes a second.
pub fn piece(rate: f64) -> usize {
    (rate * PIECE_S).clamp(4_096.0, 4_194_304.0) as usize
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    const MIB: f64 = 1_048_576.0;

    /// Moves `requests` bodies of `bytes` on each of `connections`, every wake-up up to `late` ns late. Gives the time of
    /// the whole and of the longest request, in seconds.
    fn simulate(
        connections: u64,
        requests: u64,
        bytes: u64,
        request_ms: f64,
        rates: (f64, f64),
        late: u64,
    ) -> (f64, f64) {
        let (rate, all) = rates;
        let mut shared = SharedPace::new(all);
        let request = (request_ms * 1e6) as u64;
        let mut left = vec![(requests, bytes); connections as usize];
        let mut began = vec![0; connections as usize];
        let mut paces = vec![Pace::new(rate, request); connections as usize];
        let mut wakes: BinaryHeap<Reverse<(u64, u64)>> = (0..connections).map(|c| Reverse((request, c))).collect();
        let (mut end, mut longest, mut dice) = (0, 0, 7_u64);
        for _ in 0..connections {
            shared.enter(request);
        }
        while let Some(Reverse((now, connection))) = wakes.pop() {
            let at = connection as usize;
            if left[at].1 == 0 {
                longest = longest.max(now - began[at]);
                left[at].0 -= 1;
                end = now;
                shared.leave();
                if left[at].0 > 0 {
                    left[at].1 = bytes;
                    began[at] = now;
                    paces[at] = Pace::new(rate, now + request);
                    shared.enter(now + request);
                    wakes.push(Reverse((now + request, connection)));
                }
                continue;
            }
            let take = left[at].1.min(piece(rate) as u64);
            left[at].1 -= take;
            let until = paces[at].book(now, take).max(shared.book(now, take)).max(now);
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            wakes.push(Reverse((until + (dice >> 33) % (late + 1), connection)));
        }
        (end as f64 / 1e9, longest as f64 / 1e9)
    }

    fn near(measured: f64, asked: f64, share: f64) -> bool {
        (measured - asked).abs() <= asked * share
    }

    #[test]
    fn throughput_is_what_the_rates_say_at_any_number_of_connections() {
        for late in [0, 100_000, 3_000_000] {
            for (rate, all) in [(30.0, 120.0), (60.0, 125.0), (7.0, 45.0), (35.0, 186.0), (500.0, 4_000.0)] {
                for connections in [1, 4, 8, 24] {
                    let bytes = (rate * MIB) as u64;
                    let (took, _) = simulate(connections, 1, bytes, 0.0, (rate * MIB, all * MIB), late);
                    let measured = connections as f64 * rate / took;
                    let asked = all.min(connections as f64 * rate);
                    assert!(
                        near(measured, asked, 0.05),
                        "{connections} at {rate}/{all}, late {late}: {measured} for {asked}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_request_takes_its_time_plus_its_bytes() {
        for request_ms in [2.0, 5.0, 25.0, 65.0] {
            for (mib, rate) in [(1.0, 60.0), (8.0, 35.0), (0.001, 10.0)] {
                let bytes = (mib * MIB) as u64;
                let (took, longest) = simulate(1, 40, bytes, request_ms, (rate * MIB, 1_000.0 * MIB), 100_000);
                let asked = request_ms / 1e3 + mib / rate;
                for measured in [took / 40.0, longest] {
                    assert!(
                        (measured - asked).abs() <= 0.001 + asked * 0.05,
                        "{request_ms} ms, {mib}: {measured} for {asked}"
                    );
                }
            }
        }
    }

    #[test]
    fn idle_time_earns_nothing() {
        let mut pace = Pace::new(1e6, 0);
        assert_eq!(pace.book(0, 1_000), 1_000_000);
        let late = 10_000_000_000;
        // Within a request: no more than the grace.
        assert_eq!(pace.book(late, 1_000_000), late - GRACE + 1_000_000_000);
        let mut shared = SharedPace::new(1e6);
        shared.enter(0);
        shared.book(0, 1_000);
        shared.leave();
        shared.enter(late);
        assert_eq!(shared.book(late, 1_000_000), late + 1_000_000_000, "between requests: none");
    }

    #[test]
    fn connections_share_evenly() {
        let (mut shared, mut moved) = (SharedPace::new(100e6), [0_u64; 4]);
        shared.enter(0);
        let mut wakes: BinaryHeap<Reverse<(u64, usize)>> = (0..4).map(|c| Reverse((0, c))).collect();
        while let Some(Reverse((now, connection))) = wakes.pop() {
            if now > 1_000_000_000 {
                break;
            }
            moved[connection] += 100_000;
            wakes.push(Reverse((shared.book(now, 100_000), connection)));
        }
        let (least, most) = (moved.iter().min().unwrap(), moved.iter().max().unwrap());
        assert!(most - least <= 100_000, "{moved:?}");
    }

    #[test]
    fn pieces_follow_the_rate_within_bounds() {
        assert_eq!((piece(1.0), piece(1e6), piece(1e12)), (4_096, 4_096, 4_194_304));
        assert_eq!(piece(100e6), 400_000);
    }
}
