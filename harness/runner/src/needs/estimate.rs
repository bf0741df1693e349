//! How long a trial may take: what the reference run measured for the work of a machine, and the profile's arithmetic for the
//! bytes that a client moves. An estimate, and told as one: `run` corrects it as trials end.

use std::collections::BTreeMap;

use handoff_link::profile::{self, Direction, Kind, Profile};
use handoff_model::workload::Workload;
use handoff_model::{ImageStore, Storage, StrategyFacts, StrategySpec, Trial};

use crate::needs;

/// Engine, checks and clean-up of one job, in seconds.
const JOB_S: f64 = 3.0;
/// Work of one job for each GiB of the image, in seconds, after the committed reference run.
const JOB_S_PER_GIB: f64 = 25.0;
const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

/// The connections and the blocks by which a client moves bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moves {
    kind: Kind,
    up: (f64, f64),
    down: (f64, f64),
    /// Calls of the service for each layer, up and down; for a tar or a folder there is one of it.
    calls: (f64, f64),
    by_layer: bool,
}

fn moves(facts: &StrategyFacts, spec: &StrategySpec) -> Option<Moves> {
    let whole = f64::INFINITY;
    match facts.storage_of(spec) {
        Storage::None => None,
        // Layer by layer, one block of 1 MiB after the other; layers come back side by side.
        Storage::Cache if facts.name == "gha-cache" => {
            Some(Moves { kind: Kind::Cache, up: (1.0, MIB), down: (4.0, whole), calls: (3.0, 1.0), by_layer: true })
        }
        Storage::Cache => Some(Moves {
            kind: Kind::Cache,
            up: (8.0, 64.0 * MIB),
            down: (8.0, 4.0 * MIB),
            calls: (2.0, 1.0),
            by_layer: false,
        }),
        Storage::Artifact => Some(Moves {
            kind: Kind::Artifact,
            up: (5.0, 8.0 * MIB),
            down: (1.0, whole),
            calls: (2.0, 2.0),
            by_layer: false,
        }),
    }
}

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
        let facts = strategy.facts();
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
        let (Some(profile), Some(workload), Some(moves)) = (profile, workload, moves(facts, &cell.strategy)) else {
            return job * jobs;
        };
        // A tar of the overlay2 store is not compressed; everything else is, by somebody.
        let plain = cell.conditions.image_store == ImageStore::Overlay2 && facts.name == "artifact";
        let bytes = cell.size.bytes() as f64 / if plain { 1.0 } else { workload.gzip_ratio };
        let parts = if moves.by_layer { workload.layers.len() as f64 } else { 1.0 };
        let link = |direction| link_seconds(profile, &moves, direction, bytes, parts);
        job * jobs + link(Direction::Up) * producers + link(Direction::Down) * consumers
    }
}

/// Seconds that `bytes` in `parts` take over the link.
fn link_seconds(profile: &Profile, moves: &Moves, direction: Direction, bytes: f64, parts: f64) -> f64 {
    let ((connections, block), calls) = match direction {
        Direction::Up => (moves.up, moves.calls.0),
        Direction::Down => (moves.down, moves.calls.1),
    };
    let lane = profile.lane(moves.kind, direction);
    let together = lane.connection.map(|rate| rate * connections).into_iter().chain(lane.aggregate).reduce(f64::min);
    let requests = (bytes / parts / block).ceil().max(1.0) * parts;
    // Requests of connections that work side by side wait side by side.
    let waits = (requests / connections).ceil() * profile.request_ms(moves.kind) / 1e3;
    together.map_or(0.0, |rate| bytes / rate) + waits + calls * parts * profile.call_ms() / 1e3
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
