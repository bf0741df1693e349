//! Folders of sample runs.

use std::path::PathBuf;

use handoff_model::{Environment, Plan, PlanRequest, StrategySpec, Trial};
use handoff_records::{ConsumerRow, Journal, MeasurementRow, SpanRow};
use serde_json::json;
use tempfile::TempDir;

/// Folder of sample runs. `HANDOFF_KEEP=DIR` keeps them there, for `scripts/recompute-verdicts`.
pub struct SampleRuns {
    pub dir: PathBuf,
    _temporary: TempDir,
}

impl SampleRuns {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let keep = std::env::var_os("HANDOFF_KEEP").map(PathBuf::from);
        Self { dir: keep.unwrap_or_else(|| temporary.path().to_owned()), _temporary: temporary }
    }

    /// Writes a run. `seconds` returns the times of producer and consumer of a trial, or none if it failed.
    pub fn run(
        &self,
        name: &str,
        request: PlanRequest,
        cores: u32,
        seconds: impl Fn(&Trial) -> Option<(f64, f64)>,
    ) -> String {
        let dir = self.dir.join(name);
        let plan = Plan::new(PlanRequest { run_id: name.into(), ..request }).unwrap();
        let environment = Environment { id: format!("e{cores}"), cpu: "made up".into(), cores, ..Default::default() };
        let mut journal = Journal::create(&dir, &plan, &[environment]).unwrap();
        for trial in &plan.trials {
            let (consumers, spans, row) = rows(trial, cores, seconds(trial));
            journal.append(&consumers, &spans, &row).unwrap();
        }
        dir.display().to_string()
    }
}

pub fn request(strategies: &str, sizes: &[&str], rounds: u32) -> PlanRequest {
    PlanRequest {
        sizes: sizes.iter().map(|s| s.parse().unwrap()).collect(),
        rounds,
        timeout_s: 60,
        seed: 3,
        ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap())
    }
}

fn rows(trial: &Trial, cores: u32, seconds: Option<(f64, f64)>) -> (Vec<ConsumerRow>, Vec<SpanRow>, MeasurementRow) {
    let ns = |s: f64| (s * 1e9).round() as u64;
    let cell = &trial.cell;
    let shares = cell.strategy.name != "rebuild" && seconds.is_none_or(|(produce, _)| produce > 0.0);
    let mut row = json!({
        "schema_version": 1, "trial": trial.id, "round": trial.round, "position": trial.position,
        "strategy": cell.strategy.name, "variant": cell.strategy.variant(), "workload": cell.workload,
        "size_bytes": cell.size.bytes(), "profile": cell.conditions.profile, "engine": cell.conditions.engine,
        "image_store": cell.conditions.image_store, "builder": cell.conditions.builder, "source": "", "client": "",
        "cache_state": cell.conditions.cache_state, "consumers": cell.conditions.consumers, "control": cell.control,
        "environment": format!("e{cores}"), "started_at": "2026-01-01T00:00:00Z", "outcome": "failed",
        "failed_span": "load", "error": "made to fail", "identity_note": "", "seed": 3, "nonce": trial.nonce,
    });
    let Some((produce, consume)) = seconds else {
        return (vec![], vec![], serde_json::from_value(row).unwrap());
    };
    let produce = if shares { produce } else { 0.0 };
    let more = json!({
        "outcome": "completed", "failed_span": "", "error": "", "consume_ns": ns(consume),
        "critical_path_ns": ns(produce) + ns(consume), "runner_ns": ns(produce) + ns(consume), "build_ns": ns(5.0),
        "bytes_stored": if shares { 400_000_000 } else { 0 }, "entries_stored": u64::from(shares),
        "bytes_up": if shares { 400_000_000 } else { 0 }, "bytes_down": 0, "requests": 1, "retries": 0, "connections": 1,
        "content_equal": true, "layers_equal": true, "config_equal": true, "index_equal": false,
    });
    let map = row.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    if shares {
        map.insert("produce_ns".into(), ns(produce).into());
        map.insert("transfer_ns".into(), (ns(produce) + ns(consume) - ns(5.0)).into());
    }
    let consumer = json!({
        "schema_version": 1, "trial": trial.id, "consumer": 1, "consume_ns": ns(consume), "bytes_up": 0,
        "bytes_down": 0, "requests": 1, "retries": 0, "cpu_ns": 1, "peak_memory_bytes": 1, "peak_disk_bytes": 1,
        "content_equal": true, "layers_equal": true, "config_equal": true, "index_equal": false,
    });
    let upload = shares.then(|| {
        json!({
            "schema_version": 1, "trial": trial.id, "side": "producer", "consumer": null, "span": "upload", "detail": "",
            "start_ns": 0, "end_ns": ns(produce), "bytes": 400_000_000,
        })
    });
    let span = json!({
        "schema_version": 1, "trial": trial.id, "side": "consumer", "consumer": 1, "span": "load", "detail": "",
        "start_ns": 0, "end_ns": ns(consume), "bytes": 1_000_000,
    });
    let spans = upload.into_iter().chain([span]).map(|span| serde_json::from_value(span).unwrap()).collect();
    (vec![serde_json::from_value(consumer).unwrap()], spans, serde_json::from_value(row).unwrap())
}

/// Times with noise that differs between trials.
#[expect(clippy::unnecessary_wraps, reason = "the shape that `SampleRuns::run` takes")]
pub fn seconds(trial: &Trial) -> Option<(f64, f64)> {
    let gib = trial.cell.size.bytes() as f64 / f64::from(1 << 30);
    let wobble = f64::from(u32::from_str_radix(&trial.nonce[..4], 16).unwrap()) / 65_536.0;
    Some(match trial.cell.strategy.name.as_str() {
        "rebuild" => (0.0, 30.0 * gib + wobble),
        "gha-cache" => (10.0 * gib, 20.0 * gib + wobble),
        "cache-tar" => (12.0 * gib, 22.0 * gib + 9.0 * wobble),
        _ => (25.0 * gib, 15.0 * gib + wobble),
    })
}
