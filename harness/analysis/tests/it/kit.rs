//! Rows made up for a purpose.

use handoff_analysis::{Analysis, Options, RunRows, analyse};
use handoff_model::{Conditions, Outcome, Plan, PlanRequest, Storage, StrategySpec, VariantFacts};
use handoff_records::{ConsumerRow, MeasurementRow, SpanRow};

/// A trial's numbers in seconds: producer (none: nothing is shared), consumer, build. None: it failed.
pub type Numbers = Option<(Option<f64>, f64, f64)>;

pub struct SampleRun {
    pub name: String,
    pub facts: Vec<VariantFacts>,
    pub rows: Vec<MeasurementRow>,
    pub consumers: Vec<ConsumerRow>,
    pub spans: Vec<SpanRow>,
}

/// What plans say of these strategies, as far as an analysis asks for it.
fn facts(strategy: &StrategySpec) -> VariantFacts {
    VariantFacts {
        storage: match strategy.name.as_str() {
            "rebuild" => Storage::None,
            name if name.contains("cache") => Storage::Cache,
            _ => Storage::Artifact,
        },
        has_producer: strategy.name != "rebuild",
        ..VariantFacts::unknown(strategy.clone())
    }
}

pub fn plan(name: &str, strategies: &str, sizes: &[&str], rounds: u32, control: bool, conditions: Conditions) -> Plan {
    Plan::new(PlanRequest {
        sizes: sizes.iter().map(|s| s.parse().unwrap()).collect(),
        rounds,
        conditions: vec![conditions],
        control,
        seed: 5,
        run_id: name.into(),
        ..PlanRequest::of(StrategySpec::parse_list(strategies).unwrap())
    })
    .unwrap()
}

impl SampleRun {
    /// A run in which `numbers` says what each trial measured, by strategy (controls have a `+`), round and GiB.
    pub fn run(name: &str, plan: &Plan, numbers: impl Fn(&str, u32, f64) -> Numbers) -> Self {
        let rows = plan
            .trials
            .iter()
            .map(|trial| {
                let control = if trial.cell.control { "+" } else { "" };
                let strategy = format!("{}{control}", trial.cell.strategy);
                let gib = trial.cell.size.bytes() as f64 / f64::from(1 << 30);
                row(trial, numbers(&strategy, trial.round, gib))
            })
            .collect();
        let facts = plan.request.strategies.iter().map(facts).collect();
        Self { name: name.into(), facts, rows, consumers: vec![], spans: vec![] }
    }

    pub fn rows(&self) -> RunRows<'_> {
        RunRows {
            run: &self.name,
            facts: &self.facts,
            measurements: &self.rows,
            consumers: &self.consumers,
            spans: &self.spans,
        }
    }

    pub fn analyse(&self) -> Analysis {
        analyse(&[self.rows()], &Options::default()).unwrap()
    }
}

fn row(trial: &handoff_model::Trial, numbers: Numbers) -> MeasurementRow {
    // Read from JSON with every column empty, so that a new column is no error here.
    let ns = |s: f64| (s * 1e9).round() as u64;
    let produce = numbers.and_then(|(p, ..)| p);
    let path = numbers.map(|(p, c, _)| p.unwrap_or(0.0) + c);
    let conditions = &trial.cell.conditions;
    let mut value = serde_json::json!({
        "schema_version": 1, "trial": trial.id, "round": trial.round, "position": trial.position,
        "strategy": trial.cell.strategy.name, "variant": trial.cell.strategy.variant(),
        "workload": trial.cell.workload, "size_bytes": trial.cell.size.bytes(), "profile": conditions.profile,
        "engine": conditions.engine, "image_store": conditions.image_store, "builder": conditions.builder,
        "source": "", "client": "", "cache_state": conditions.cache_state, "consumers": conditions.consumers,
        "control": trial.cell.control, "environment": "e", "started_at": "2026-01-01T00:00:00Z",
        "outcome": if numbers.is_some() { Outcome::Completed } else { Outcome::Failed },
        "failed_span": "", "error": if numbers.is_some() { "" } else { "broke" }, "identity_note": "", "seed": 5,
        "nonce": trial.nonce,
    });
    let map = value.as_object_mut().unwrap();
    let mut put = |name: &str, v: Option<f64>| {
        if let Some(v) = v {
            map.insert(name.into(), ns(v).into());
        }
    };
    put("produce_ns", produce);
    put("consume_ns", numbers.map(|(_, c, _)| c));
    put("critical_path_ns", path);
    put("runner_ns", path);
    put("build_ns", numbers.map(|(.., b)| b));
    put("transfer_ns", produce.and(numbers.map(|(p, c, b)| p.unwrap_or(0.0) + c - b)));
    put("bytes_stored", produce.map(|_| 0.5));
    put("entries_stored", produce.map(|_| 1e-9));
    if numbers.is_some() {
        for level in ["content", "layers", "config", "index"] {
            map.insert(format!("{level}_equal"), (level != "index").into());
        }
    }
    serde_json::from_value(value).unwrap()
}
