//! How long a trial may take: what the reference run measured for the work of a machine, and the profile's arithmetic for the
//! bytes that a client moves. An estimate, and told as one: `run` corrects it as trials end.

use std::collections::BTreeMap;

use handoff_link::profile::{self, Direction, Profile, ServiceKind};
use handoff_model::workload::Workload;
use handoff_model::{Flow, ImageStore, Storage, Trial};

use crate::needs;

/// Engine, checks and clean-up of one job, in seconds.
const JOB_S: f64 = 3.0;
/// Work of one job for each GiB of the image, in seconds, after the committed reference run.
const JOB_S_PER_GIB: f64 = 25.0;
const GIB: f64 = 1_073_741_824.0;

/// Estimates trials, a primed one's producer as two cold ones; profiles and workloads are read once.
#[derive(Debug, Default)]
pub struct Estimator {
    profiles: BTreeMap<String, Option<Profile>>,
    workloads: BTreeMap<String, Option<Workload>>,
}

impl Estimator {
    /// Seconds that the trial may take, all of it.
    pub fn seconds(&mut self, trial: &Trial) -> f64 {
        let cell = &trial.cell;
        let Ok(strategy) = handoff_strategies::find(&cell.strategy) else { return 0.0 };
        let gib = needs::size(trial) as f64 / GIB;
        let job = JOB_S + JOB_S_PER_GIB * gib;
        let consumers = f64::from(cell.conditions.consumers);
        let jobs = f64::from(needs::jobs(trial));
        let producers = jobs - consumers;
        let name = &cell.conditions.profile;
        let profile = self.profiles.entry(name.clone()).or_insert_with(|| profile::load(name).ok());
        let workload = &cell.workload;
        let load = || handoff_fixtures::load_workload(workload).ok();
        let workload = self.workloads.entry(workload.clone()).or_insert_with(load);
        let kind = match strategy.storage() {
            Storage::Artifact => ServiceKind::Artifact,
            Storage::Cache => ServiceKind::Cache,
            Storage::None => return job * jobs,
        };
        let (Some(profile), Some(workload), Some(transfer)) = (profile, workload, strategy.transfer()) else {
            return job * jobs;
        };
        // What is not left as it is, is compressed by somebody.
        let plain = cell.conditions.image_store == ImageStore::Overlay2 && transfer.plain_on_overlay2;
        let bytes = cell.size.bytes() as f64 / if plain { 1.0 } else { workload.gzip_ratio };
        let parts = if transfer.by_layer { workload.layers.len() as f64 } else { 1.0 };
        let link = |direction, flow| link_seconds(profile, (kind, direction), flow, bytes, parts);
        job * jobs + link(Direction::Up, transfer.up) * producers + link(Direction::Down, transfer.down) * consumers
    }
}

/// Seconds that `bytes` in `parts` take over the link.
fn link_seconds(
    profile: &Profile,
    (kind, direction): (ServiceKind, Direction),
    flow: Flow,
    bytes: f64,
    parts: f64,
) -> f64 {
    let connections = f64::from(flow.connections);
    let limit = profile.limit(kind, direction);
    let together = limit.connection.map(|rate| rate * connections).into_iter().chain(limit.aggregate).reduce(f64::min);
    let blocks = flow.block_bytes.map_or(1.0, |block| (bytes / parts / block as f64).ceil().max(1.0));
    // Requests of connections that work side by side wait side by side.
    let waits = (blocks * parts / connections).ceil() * profile.request_ms(kind) / 1e3;
    together.map_or(0.0, |rate| bytes / rate) + waits + f64::from(flow.calls) * parts * profile.call_ms() / 1e3
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
    fn loopback_costs_the_work_of_the_machine_alone() {
        for strategy in ["artifact", "gha-cache", "cache-tar"] {
            assert!((seconds(strategy, "loopback", 1) - 56.0).abs() < 1e-6, "{strategy}");
        }
        assert!((seconds("rebuild", "github-far", 1) - 28.0).abs() < 1e-6, "a build moves nothing");
        assert!((seconds("artifact", "loopback", 4) - 140.0).abs() < 1e-6);
    }

    #[test]
    fn serial_blocks_pay_every_request_and_one_connection_its_rate() {
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
