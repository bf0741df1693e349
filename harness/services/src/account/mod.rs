//! Accounts: identity and traffic of each token, from minting to the end of the service.

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

/// Account of one token: identity, revocation, traffic.
pub(crate) struct Account {
    /// Opaque id, in the token (`jti`) and in every URL signed for it.
    pub(crate) id: String,
    /// Spec of the token, with `run` and `job` as in the token.
    pub(crate) spec: TokenSpec,
    /// Link of its job.
    pub(crate) link: Arc<Link>,
    revoked: AtomicBool,
    traffic: Mutex<Traffic>,
}

#[derive(Default)]
struct Traffic {
    counters: Counters,
    log: VecDeque<RequestRecord>,
    log_capacity: usize,
    // Ids of cache entries that it created or found: each counts once.
    entries: HashSet<u64>,
    // Sequence number of the log's first record.
    first: u64,
    retries: Retries,
}

/// Handle of a counted record, to complete it later.
pub(crate) struct Receipt {
    number: u64,
    // Bytes added to `bytes_down`.
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

    /// Counts a connection at this token's first request on it.
    pub(crate) fn count_connection(&self) {
        self.with(|traffic| traffic.counters.connections += 1);
    }

    /// Counts an entry or artifact that became visible.
    pub(crate) fn count_entry(&self) {
        self.with(|traffic| traffic.counters.entries += 1);
    }

    /// Notes a created cache entry, which does not count when it is found.
    pub(crate) fn note_created(&self, entry: u64) {
        self.with(|traffic| traffic.entries.insert(entry));
    }

    /// Counts a found cache entry of another token, once.
    pub(crate) fn count_found(&self, entry: u64, bytes: u64) {
        self.with(|traffic| {
            if traffic.entries.insert(entry) {
                traffic.counters.entries_found += 1;
                traffic.counters.bytes_found += bytes;
            }
        });
    }

    /// Counts a request that was refused for an invalid token or URL.
    pub(crate) fn count_refused(&self) {
        self.with(|traffic| traffic.counters.refused += 1);
    }

    /// Notes an attempt at the start of a request; counts it when it is a retry.
    pub(crate) fn count_attempt(&self, attempt: &Attempt<'_>) {
        self.with(|traffic| traffic.counters.retries += u64::from(traffic.retries.repeats(attempt)));
    }

    /// Notes a failed attempt, so that its retry is counted.
    pub(crate) fn note_failure(&self, attempt: &Attempt<'_>) {
        self.with(|traffic| traffic.retries.failed(attempt));
    }

    /// Counts a request. Called before its last bytes are sent, so that a client with its answer finds it counted.
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

    /// Completes a counted request with its real end and whether the connection broke. `missing` is the number of bytes
    /// that were counted but not sent.
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

    /// Counters so far; the caller fills `stored_bytes`.
    pub(crate) fn counters(&self) -> Counters {
        self.with(|traffic| traffic.counters.clone())
    }

    /// Remembered requests in the order of their end.
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
    fn log_is_bounded_and_counts_dropped_records() {
        let account = account(3);
        for start_ns in 0..5 {
            account.count(RequestRecord { start_ns, ..RequestRecord::default() });
        }
        let starts: Vec<u64> = account.log().iter().map(|record| record.start_ns).collect();
        assert_eq!(starts, [2, 3, 4]);
        assert_eq!((account.counters().requests, account.counters().log_dropped), (5, 2));
    }

    #[test]
    fn broken_answer_subtracts_unsent_bytes() {
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
    fn found_entry_counts_once_and_a_created_one_never() {
        let account = account(1);
        account.note_created(1);
        for (entry, bytes) in [(1, 10), (2, 20), (3, 30), (2, 20)] {
            account.count_found(entry, bytes);
        }
        assert_eq!((account.counters().entries_found, account.counters().bytes_found), (2, 50));
    }

    #[test]
    fn record_dropped_from_the_log_can_be_completed() {
        let account = account(1);
        let receipt = account.count(RequestRecord::default());
        account.count(RequestRecord { start_ns: 7, ..RequestRecord::default() });
        account.complete(&receipt, 9, false, 0);
        assert_eq!((account.log()[0].start_ns, account.log()[0].end_ns), (7, 0));
    }
}
