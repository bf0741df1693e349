//! Accounts: what is known and counted about one token, from minting to the end of the service.

mod retries;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handoff_model::Counters;
pub(crate) use retries::Attempt;
use retries::Retries;

use crate::config::TokenSpec;
use crate::link::Link;
use handoff_link::{RequestKind, RequestRecord};

/// One token: identity, revocation, traffic.
pub(crate) struct Account {
    /// Opaque id, in the token (`jti`) and in every URL signed for it.
    pub(crate) id: String,
    /// What it was minted for, with `run` and `job` as they stand in the token.
    pub(crate) spec: TokenSpec,
    /// The network of its job.
    pub(crate) link: Arc<Link>,
    revoked: AtomicBool,
    traffic: Mutex<Traffic>,
}

#[derive(Default)]
struct Traffic {
    counters: Counters,
    log: VecDeque<RequestRecord>,
    log_capacity: usize,
    // Ids of cache entries that it made, or found: each counts once.
    entries: HashSet<u64>,
    // Sequence number of the log's first record.
    first: u64,
    retries: Retries,
}

/// Names a record that was counted, so that it can be completed.
pub(crate) struct Receipt {
    number: u64,
    // What was added to `bytes_down`.
    down: u64,
}

impl Account {
    fn new(id: String, spec: TokenSpec, link: Arc<Link>, log_capacity: usize) -> Self {
        let traffic = Traffic { log_capacity, ..Traffic::default() };
        Self { id, spec, link, revoked: AtomicBool::new(false), traffic: Mutex::new(traffic) }
    }

    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::SeqCst)
    }

    /// Notes that a connection carried this token's first request.
    pub(crate) fn count_connection(&self) {
        self.with(|traffic| traffic.counters.connections += 1);
    }

    /// Notes an entry or artifact that became visible.
    pub(crate) fn count_entry(&self) {
        self.with(|traffic| traffic.counters.entries += 1);
    }

    /// Notes a cache entry that it made: finding that one is no find.
    pub(crate) fn note_own(&self, entry: u64) {
        self.with(|traffic| traffic.entries.insert(entry));
    }

    /// Notes a cache entry that it found; counts it if it is another's, once.
    pub(crate) fn count_found(&self, entry: u64, bytes: u64) {
        self.with(|traffic| {
            if traffic.entries.insert(entry) {
                traffic.counters.entries_found += 1;
                traffic.counters.bytes_found += bytes;
            }
        });
    }

    /// Notes a request that was refused because the token or URL is no longer valid.
    pub(crate) fn count_refused(&self) {
        self.with(|traffic| traffic.counters.refused += 1);
    }

    /// Notes an attempt at the start of a request; counts it when it repeats an earlier one.
    pub(crate) fn count_attempt(&self, attempt: &Attempt<'_>) {
        self.with(|traffic| traffic.counters.retries += u64::from(traffic.retries.repeats(attempt)));
    }

    /// Notes that an attempt failed, so that its repetition is seen.
    pub(crate) fn note_failure(&self, attempt: &Attempt<'_>) {
        self.with(|traffic| traffic.retries.failed(attempt));
    }

    /// Counts a request. Called before its last bytes are sent: a client that has its answer finds it counted.
    pub(crate) fn count(&self, record: RequestRecord) -> Receipt {
        self.with(|traffic| {
            let counters = &mut traffic.counters;
            counters.requests += 1;
            counters.api_requests += u64::from(record.kind == RequestKind::Rpc);
            counters.errors += u64::from(record.status >= 400);
            counters.throttled += u64::from(record.status == 429);
            counters.faults += u64::from(record.fault.is_some());
            let (up, down) = record.payload();
            counters.bytes_up += up;
            counters.bytes_down += down;
            if traffic.log.len() >= traffic.log_capacity.max(1) {
                traffic.log.pop_front();
                traffic.first += 1;
                traffic.counters.log_dropped += 1;
            }
            traffic.log.push_back(record);
            Receipt { number: traffic.first + traffic.log.len() as u64 - 1, down }
        })
    }

    /// Completes a counted request: when it really ended, and whether the connection broke after all. `missing` are
    /// the bytes that were counted as sent but were not.
    pub(crate) fn complete(&self, receipt: &Receipt, end_ns: u64, broken: bool, missing: u64) {
        self.with(|traffic| {
            if broken {
                traffic.counters.errors += 1;
                traffic.counters.bytes_down -= missing.min(receipt.down);
            }
            let Some(at) = receipt.number.checked_sub(traffic.first) else { return };
            if let Some(record) = traffic.log.get_mut(at as usize) {
                record.end_ns = end_ns;
                record.broken |= broken;
                record.bytes_down -= missing.min(record.bytes_down);
            }
        });
    }

    /// What was counted so far; `stored_bytes` is for the caller to fill.
    pub(crate) fn counters(&self) -> Counters {
        self.with(|traffic| traffic.counters.clone())
    }

    /// The requests that are still remembered, in order of their end.
    pub(crate) fn log(&self) -> Vec<RequestRecord> {
        self.with(|traffic| traffic.log.iter().cloned().collect())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Traffic) -> T) -> T {
        act(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All accounts of a service, by their id.
pub(crate) struct Accounts {
    by_id: Mutex<HashMap<String, Arc<Account>>>,
    log_capacity: usize,
}

impl Accounts {
    pub(crate) fn new(log_capacity: usize) -> Self {
        Self { by_id: Mutex::default(), log_capacity }
    }

    pub(crate) fn add(&self, id: String, spec: TokenSpec, link: Arc<Link>) {
        let account = Arc::new(Account::new(id.clone(), spec, link, self.log_capacity));
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner).insert(id, account);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Account>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Network;
    use handoff_link::Profile;

    fn account(log_capacity: usize) -> Account {
        Account::new("a".into(), TokenSpec::default(), Network::new(Profile::default()).link(""), log_capacity)
    }

    #[test]
    fn the_log_is_bounded_and_says_what_it_dropped() {
        let account = account(3);
        for start_ns in 0..5 {
            account.count(RequestRecord { start_ns, ..RequestRecord::default() });
        }
        let starts: Vec<u64> = account.log().iter().map(|record| record.start_ns).collect();
        assert_eq!(starts, [2, 3, 4]);
        assert_eq!((account.counters().requests, account.counters().log_dropped), (5, 2));
    }

    #[test]
    fn a_broken_answer_takes_back_the_bytes_that_were_not_sent() {
        let account = account(2);
        let record =
            RequestRecord { kind: RequestKind::GetBlob, status: 200, bytes_down: 100, ..RequestRecord::default() };
        let receipt = account.count(record);
        account.complete(&receipt, 9, true, 40);
        assert_eq!((account.counters().bytes_down, account.counters().errors), (60, 1));
        let log = account.log();
        assert_eq!((log[0].bytes_down, log[0].end_ns, log[0].broken), (60, 9, true));
    }

    #[test]
    fn an_entry_is_found_once_and_the_own_one_never() {
        let account = account(1);
        account.note_own(1);
        for (entry, bytes) in [(1, 10), (2, 20), (3, 30), (2, 20)] {
            account.count_found(entry, bytes);
        }
        assert_eq!((account.counters().entries_found, account.counters().bytes_found), (2, 50));
    }

    #[test]
    fn a_record_that_left_the_log_can_still_be_completed() {
        let account = account(1);
        let receipt = account.count(RequestRecord::default());
        account.count(RequestRecord { start_ns: 7, ..RequestRecord::default() });
        account.complete(&receipt, 9, false, 0);
        assert_eq!((account.log()[0].start_ns, account.log()[0].end_ns), (7, 0));
    }
}
