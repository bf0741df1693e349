//! Rows for the tests: a small plan, and the rows that its trials would leave.

use handoff_model::{
    Environment, Failure, IdentityCheck, Outcome, Plan, PlanRequest, Role, Span, SpanKind, StepCount, StrategySpec,
    Trial,
};

use crate::rows::{ConsumerRow, Measured, Measurement, MeasurementRow, SpanRow};

/// The rows of one trial.
pub(crate) struct Rows {
    pub consumers: Vec<ConsumerRow>,
    pub spans: Vec<SpanRow>,
    pub measurement: MeasurementRow,
}

/// A request for `rounds` of four strategies.
pub(crate) fn request(rounds: u32) -> PlanRequest {
    let strategies = StrategySpec::parse_list("artifact:level=6,gha-cache,zstd-stream,rebuild").unwrap();
    let sizes = vec!["64MiB".parse().unwrap()];
    PlanRequest { sizes, rounds, seed: 42, run_id: "sample".to_owned(), ..PlanRequest::of(strategies) }
}

/// The plan of [`request`].
pub(crate) fn plan(rounds: u32) -> Plan {
    Plan::new(request(rounds)).unwrap()
}

/// A machine.
pub(crate) fn environment(id: &str) -> Environment {
    Environment {
        id: id.to_owned(),
        cpu: "Sample CPU @ 2.00GHz".to_owned(),
        cores: 2,
        memory_bytes: 8 << 30,
        disk: "ext4, 40 GiB free".to_owned(),
        service_store: "disk".to_owned(),
        kernel: "6.1.0".to_owned(),
        os: "Debian GNU/Linux 12".to_owned(),
        programs: [("dockerd".to_owned(), "28.0.4".to_owned())].into(),
        packages: [("docker.io".to_owned(), "28.0.4 sha256:00".to_owned())].into(),
        handoff: "0.1.0 (0000000)".to_owned(),
        ..Environment::default()
    }
}

/// What a trial leaves: made up, but the same every time. Every third trial fails, with a text that needs quoting.
pub(crate) fn rows(trial: &Trial) -> Rows {
    let n = u64::from(trial.position);
    let produces = trial.cell.strategy.name != "rebuild";
    let fails = n.is_multiple_of(3);
    let spans = spans(trial, n, produces);
    let consumer = ConsumerRow {
        schema_version: 1,
        trial: trial.id.clone(),
        consumer: 1,
        consume_ns: 3_000_000_000 + n,
        bytes_up: Some(0),
        bytes_down: Some(if produces { 30_000_000 + n } else { 0 }),
        requests: Some(if produces { 4 } else { 0 }),
        retries: Some(0),
        cpu_ns: Some(900_000_000),
        peak_memory_bytes: Some(120_000_000),
        peak_disk_bytes: Some(200_000_000),
        index_equal: None,
        config_equal: Some(true),
        layers_equal: Some(true),
        content_equal: Some(true),
        environment: "e0".to_owned(),
    };
    let result = if fails {
        let text = "docker load: \"no space left on device\", tar, layer 3\nexit status 1";
        Err((Outcome::Failed, Failure::new("load", text)))
    } else {
        Ok(Box::new(measured(n, produces)))
    };
    let measurement = MeasurementRow::from(&Measurement {
        trial: trial.clone(),
        environment: Some("e0".to_owned()),
        started_at: Some(format!("2026-01-02T03:04:{:02}Z", n % 60)),
        source: if produces { "save" } else { "" }.to_owned(),
        client: if produces { "@actions/artifact 6.2.1" } else { "" }.to_owned(),
        import: if produces { "import" } else { "" }.to_owned(),
        seed: 42,
        contended: false,
        queue_ns: None,
        identity: if fails { IdentityCheck::default() } else { identity() },
        result,
    });
    // As the journal writes it.
    let measurement = MeasurementRow { spans: Some(spans.len() as u64), ..measurement };
    Rows { consumers: if fails { vec![] } else { vec![consumer] }, spans, measurement }
}

fn spans(trial: &Trial, n: u64, produces: bool) -> Vec<SpanRow> {
    let span =
        |kind, detail: &str, start_ns, end_ns, bytes| Span { kind, detail: detail.to_owned(), start_ns, end_ns, bytes };
    let build = span(SpanKind::Build, "RUN [\"/generate\", \"base, one\"]", 40_000_000, 1_540_000_000 + n, None);
    let run = span(SpanKind::Run, "docker run", 2_600_000_000, 3_000_000_000 + n, None);
    if produces {
        let upload = span(SpanKind::Upload, "", 1_600_000_000, 2_500_000_000, Some(30_000_000 + n));
        let download = span(SpanKind::Download, "", 100_000_000, 2_500_000_000, Some(30_000_000 + n));
        vec![
            SpanRow::new(&trial.id, Role::Producer, None, &build),
            SpanRow::new(&trial.id, Role::Producer, None, &upload),
            SpanRow::new(&trial.id, Role::Consumer, Some(1), &download),
            SpanRow::new(&trial.id, Role::Consumer, Some(1), &run),
        ]
    } else {
        vec![
            SpanRow::new(&trial.id, Role::Consumer, Some(1), &build),
            SpanRow::new(&trial.id, Role::Consumer, Some(1), &run),
        ]
    }
}

fn identity() -> IdentityCheck {
    IdentityCheck {
        index: None,
        config: Some(true),
        layers: Some(true),
        content: Some(true),
        note: "the producer's tar names no index".to_owned(),
    }
}

fn measured(n: u64, produces: bool) -> Measured {
    let produced = produces.then_some(2_500_000_000 + n);
    Measured {
        build_ns: Some(1_500_000_000 + n),
        bytes_up: Some(if produces { 30_000_000 + n } else { 0 }),
        bytes_down: Some(if produces { 30_000_000 + n } else { 0 }),
        bytes_stored: Some(if produces { 30_000_000 + n } else { 0 }),
        entries_stored: Some(u64::from(produces)),
        entries_reused: produces.then_some(0),
        bytes_reused: produces.then_some(0),
        producer_steps: produces.then_some(StepCount { executed: 3, cached: 0 }),
        requests: Some(if produces { 11 } else { 0 }),
        retries: Some(0),
        connections: Some(if produces { 6 } else { 0 }),
        producer_cpu_ns: produced.map(|_| 1_800_000_000),
        consumer_cpu_ns: Some(900_000_000),
        producer_peak_memory_bytes: produced.map(|_| 150_000_000),
        consumer_peak_memory_bytes: Some(120_000_000),
        producer_peak_disk_bytes: produced.map(|_| 210_000_000),
        consumer_peak_disk_bytes: Some(200_000_000),
        service_cpu_ns: Some(60_000_000),
        service_peak_memory_bytes: Some(20_000_000),
        harness_wall_ns: Some(9_000_000),
        harness_cpu_ns: Some(4_000_000),
        load_1m: Some(0.25 * n as f64),
        cpu_pressure_ns: n.is_multiple_of(2).then_some(5_000_000),
        steal_ns: Some(0),
        settle_ns: Some(80_000_000),
        image_bytes: Some(67_108_864),
        throttled: Some(n % 2),
        producer_written_bytes: produced.map(|_| 190_000_000),
        ..Measured::clocks(produced, 3_000_000_000 + n, produced.unwrap_or(0) + 3_000_000_000 + n)
    }
}
