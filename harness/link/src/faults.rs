//! Faults by probability, drawn from the profile's seed, the job and the request's number, so that a repeated run has the same.
//!
//! Concurrent requests get their numbers in the order of arrival. So number and kind of the faults repeat, but not which of
//! several blocks in flight meets one.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::profile::{FaultFigures, ServiceKind};
use crate::request::Fault;

/// Kind of request, which determines its latency and faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Call of the artifact or cache service.
    Api,
    /// Request for a blob of a service.
    Blob(ServiceKind),
}

/// Faults of one job's link.
#[derive(Debug)]
pub struct Faults {
    figures: FaultFigures,
    job: String,
    blobs: AtomicU64,
    calls: AtomicU64,
}

impl Faults {
    /// Creates the faults of `job` by `figures`.
    pub fn new(figures: FaultFigures, job: &str) -> Self {
        Self { figures, job: job.to_owned(), blobs: AtomicU64::new(0), calls: AtomicU64::new(0) }
    }

    /// Figures of the faults.
    pub fn figures(&self) -> &FaultFigures {
        &self.figures
    }

    /// Draws the fault of the job's next request.
    pub fn draw(&self, call: Call) -> Option<Fault> {
        let f = &self.figures;
        match call {
            Call::Api => self.pick("call", &self.calls, &[(f.status_429, Fault::Status429)]),
            Call::Blob(_) => {
                let all = [
                    (f.stall, Fault::Stall),
                    (f.slow, Fault::Slow),
                    (f.reset, Fault::Reset),
                    (f.status_500, Fault::Status500),
                    (f.status_503, Fault::Status503),
                ];
                self.pick("blob", &self.blobs, &all)
            }
        }
    }

    /// Draws one number for all faults, so that a request meets at most one.
    fn pick(&self, kind: &str, numbers: &AtomicU64, faults: &[(f64, Fault)]) -> Option<Fault> {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::digest(format!("{}\n{}\n{kind}\n{number}", self.figures.seed, self.job));
        let bytes = digest.first_chunk().copied().unwrap_or_default();
        // 53 bits: every value is exact and below 1.
        let mut left = (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64;
        for &(share, fault) in faults {
            if left < share {
                return Some(fault);
            }
            left -= share;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::load;

    fn drawn(changes: &str, job: &str, count: usize) -> Vec<Option<Fault>> {
        let figures = load(&format!("github-hosted:{changes}")).unwrap().faults().unwrap();
        let faults = Faults::new(figures, job);
        (0..count).map(|_| faults.draw(Call::Blob(ServiceKind::Cache))).collect()
    }

    #[test]
    fn faults_repeat_for_the_same_job_and_differ_for_another() {
        let changes = "stall=5%,reset=5%,503=5%";
        assert_eq!(drawn(changes, "trial/producer", 500), drawn(changes, "trial/producer", 500));
        assert_ne!(drawn(changes, "trial/producer", 500), drawn(changes, "trial/consumer-1", 500));
        assert_ne!(drawn(changes, "trial/producer", 500), drawn(&format!("{changes},seed=2"), "trial/producer", 500));
    }

    #[test]
    fn fault_frequency_equals_its_share() {
        let all = drawn("stall=1%,slow=2%,reset=3%,500=4%,503=5%", "job", 100_000);
        let kinds = [Fault::Stall, Fault::Slow, Fault::Reset, Fault::Status500, Fault::Status503];
        for (fault, percent) in kinds.into_iter().zip([1.0, 2.0, 3.0, 4.0, 5.0]) {
            let share = all.iter().filter(|drawn| **drawn == Some(fault)).count() as f64 / 1_000.0;
            assert!((share - percent).abs() < 0.3, "{fault:?}: {share} % for {percent} %");
        }
    }

    #[test]
    fn calls_meet_only_429() {
        let faults = Faults::new(load("loopback:429=100%,reset=100%").unwrap().faults().unwrap(), "job");
        assert_eq!(faults.draw(Call::Api), Some(Fault::Status429));
        assert_eq!(faults.draw(Call::Blob(ServiceKind::Artifact)), Some(Fault::Reset));
    }
}
