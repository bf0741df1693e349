//! Estimated time of a trial: the machine's work after the reference run, and the transfer after the link profile. `run`
//! corrects the estimate as trials end.

use std::collections::BTreeMap;

use handoff_link::profile::{self, Direction, Profile, ServiceKind};
use handoff_model::workload::Workload;
use handoff_model::{Flow, ImageStore, Role, Storage, Trial};

use crate::needs;

/// Time for engine, checks and clean-up of one job, in seconds.
const JOB_S: f64 = 3.0;
/// Work of one job per GiB of the image, in seconds, after the committed reference run.
const JOB_S_PER_GIB: f64 = 25.0;
const GIB: f64 = 1_073_741_824.0;

/// Estimator of trials, which reads each profile and workload once. A warm-up counts as another cold producer.
#[derive(Debug, Default)]
pub struct Estimator {
    profiles: BTreeMap<String, Option<Profile>>,
    workloads: BTreeMap<String, Option<Workload>>,
}

impl Estimator {
    /// Estimated time of a whole trial in seconds.
    pub fn seconds(&mut self, trial: &Trial) -> f64 {
        let cell = &trial.cell;
        let Ok(strategy) = handoff_strategies::find(&cell.strategy) else { return 0.0 };
        let gib = needs::size(trial) as f64 / GIB;
        let job = JOB_S + JOB_S_PER_GIB * gib;
        let consumers = f64::from(cell.conditions.consumers);
        let jobs = f64::from(needs::jobs(trial));
        let producers = jobs - consumers;
        let boots = |role, jobs| if strategy.builds(role) { jobs } else { 0.0 };
        let boots = boots(Role::Producer, producers) + boots(Role::Consumer, consumers);
        let work = job * jobs + boots * needs::job_conditions(cell).builder_pull_ms as f64 / 1e3;
        let name = &cell.conditions.profile;
        let profile = self.profiles.entry(name.clone()).or_insert_with(|| profile::load(name).ok());
        let workload = &cell.workload;
        let load = || handoff_fixtures::load_workload(workload).ok();
        let workload = self.workloads.entry(workload.clone()).or_insert_with(load);
        let kind = match strategy.storage() {
            Storage::Artifact => ServiceKind::Artifact,
            Storage::Cache => ServiceKind::Cache,
            Storage::None => return work,
        };
        let (Some(profile), Some(workload), Some(transfer)) = (profile, workload, strategy.transfer()) else {
            return work;
        };
        // Either the builder, the engine or the client compresses, unless layers stay plain.
        let plain = cell.conditions.image_store == ImageStore::Overlay2 && transfer.plain_on_overlay2;
        let bytes = cell.size.bytes() as f64 / if plain { 1.0 } else { workload.gzip_ratio };
        let parts = if transfer.by_layer { workload.layers.len() as f64 } else { 1.0 };
        // Time of the bytes over the link, in seconds.
        let link = |direction, flow: Flow| {
            let connections = f64::from(flow.connections);
            let limit = profile.limit(kind, direction);
            let rates = limit.connection.map(|rate| rate * connections).into_iter().chain(limit.aggregate);
            let blocks = flow.block_bytes.map_or(1.0, |block| (bytes / parts / block as f64).ceil().max(1.0));
            // Concurrent connections wait for their requests concurrently.
            let waits = (blocks * parts / connections).ceil() * profile.request_ms(kind) / 1e3;
            let moves = rates.reduce(f64::min).map_or(0.0, |rate| bytes / rate);
            moves + waits + f64::from(flow.calls) * parts * profile.call_ms() / 1e3
        };
        work + link(Direction::Up, transfer.up) * producers + link(Direction::Down, transfer.down) * consumers
    }
}

#[cfg(test)]
mod tests {
    use handoff_model::{ByteSize, Cell, Conditions};

    use super::*;

    fn seconds(strategy: &str, profile: &str, consumers: u32) -> f64 {
        let cell = Cell {
            strategy: strategy.parse().unwrap(),
            workload: "typical".into(),
            size: ByteSize(1 << 30),
            conditions: Conditions { profile: profile.into(), consumers, ..Conditions::default() },
            control: false,
        };
        Estimator::default().seconds(&Trial { id: "1".into(), round: 1, position: 1, cell, nonce: String::new() })
    }

    #[test]
    fn loopback_adds_no_transfer_time() {
        for strategy in ["artifact", "gha-cache", "cache-tar"] {
            assert!((seconds(strategy, "loopback", 1) - 56.0).abs() < 1e-6, "{strategy}");
        }
        assert!((seconds("rebuild", "github-far", 1) - 28.0).abs() < 1e-6, "a build moves nothing");
        assert!((seconds("artifact", "loopback", 4) - 140.0).abs() < 1e-6);
    }

    #[test]
    fn serial_blocks_wait_for_every_request() {
        // 410 MiB in 12 layers: 420 requests of 1 MiB, one after the other.
        let more = seconds("gha-cache", "github-hosted:request_ms=65ms", 1)
            - seconds("gha-cache", "github-hosted:request_ms=5ms", 1);
        assert!((24.0..27.0).contains(&more), "{more}");
        let more = seconds("cache-tar", "github-hosted:request_ms=65ms", 1)
            - seconds("cache-tar", "github-hosted:request_ms=5ms", 1);
        assert!(more < 2.0, "{more}");
        let one = seconds("artifact", "github-hosted:artifact.down.connection=10MiB/s", 1)
            - seconds("artifact", "github-hosted:artifact.down.connection=20MiB/s", 1);
        assert!((19.0..22.0).contains(&one), "{one}");
    }
}
