//! Runs that a formula makes, and how the tests render them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::strategy::look;
use handoff_model::{
    Colour, Conditions, Environment, Marker, Outcome, Plan, PlanRequest, Role, SpanKind, Storage, StrategySpec,
    UserImage, VariantFacts,
};
use handoff_records::{ConsumerRow, MeasurementRow, Results, SpanRow};
use handoff_report::{EMBEDDED, Link, Report, charts, html, markdown};
use serde::de::DeserializeOwned;

pub const ALL: &str = "artifact,cache-tar,gha-cache,local-cache,zstd-stream,rebuild";

/// Strategies that the tests know, in the order of tables.
const LIST: [(&str, Storage, Colour, Marker); 7] = [
    ("artifact", Storage::Artifact, look::BLUE, Marker::Circle),
    ("cache-tar", Storage::Cache, look::ORANGE, Marker::Square),
    ("gha-cache", Storage::Cache, look::GREEN, Marker::Triangle),
    ("local-cache", Storage::Cache, look::PURPLE, Marker::Diamond),
    ("zstd-stream", Storage::Artifact, look::VERMILION, Marker::Down),
    ("relay", Storage::Artifact, look::SKY, Marker::Plus),
    ("rebuild", Storage::None, look::BLACK, Marker::Cross),
];

/// Plan with the facts of its variants, as the command line lays it out.
pub fn with_facts(mut plan: Plan) -> Plan {
    for (name, storage, colour, marker) in LIST {
        for strategy in plan.request.strategies.iter().filter(|spec| spec.name == name) {
            plan.facts.push(VariantFacts {
                strategy: strategy.clone(),
                storage,
                moves_image: storage != Storage::None && !["gha-cache", "local-cache"].contains(&name),
                has_producer: storage != Storage::None,
                ours: name == "relay" || strategy.options.contains_key("ranges"),
                colour,
                marker,
            });
        }
    }
    plan
}

/// Folder of pages, charts and screenshots of the tests.
pub fn looks() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/report-looks");
    fs::create_dir_all(&dir).unwrap();
    dir.canonicalize().unwrap()
}

pub fn csv_rows<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    csv::Reader::from_path(path).unwrap().into_deserialize().collect::<Result<_, _>>().unwrap()
}

pub fn report(runs: Vec<Results>) -> Report {
    let mib = 1_048_576.0;
    let links: BTreeMap<String, Link> =
        [("github-hosted".to_owned(), Link { up: 186.0 * mib, down: 120.0 * mib })].into();
    Report { links, ..Report::new(runs).unwrap() }
}

/// Writes a report into the folder of pages; returns the page's path.
pub fn write(name: &str, report: &Report) -> PathBuf {
    let dir = looks().join(name);
    let plots = dir.join("plots");
    let embedded = plots.join(EMBEDDED);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&embedded).unwrap();
    for chart in charts(report) {
        fs::write(plots.join(format!("{}.png", chart.name)), chart.png()).unwrap();
        fs::write(plots.join(format!("{}.svg", chart.name)), chart.svg(false)).unwrap();
        fs::write(embedded.join(format!("{}.svg", chart.name)), chart.svg(false)).unwrap();
        fs::write(embedded.join(format!("{}-dark.svg", chart.name)), chart.svg(true)).unwrap();
    }
    fs::write(dir.join("report.md"), markdown(report)).unwrap();
    fs::write(dir.join("report.html"), html(report)).unwrap();
    dir.join("report.html")
}

pub fn environment() -> Environment {
    Environment {
        id: "a1b2c3".into(),
        cpu: "Sample CPU @ 2.00GHz".into(),
        cores: 2,
        memory_bytes: 8 << 30,
        disk: "ext4, 40 GiB free".into(),
        service_store: "disk".into(),
        kernel: "6.1.0".into(),
        os: "Debian GNU/Linux 12".into(),
        programs: [("buildx", "0.21.1"), ("dockerd", "28.0.4")].map(|(a, b)| (a.into(), b.into())).into(),
        packages: [("docker.io".into(), "28.0.4 sha256:00".into())].into(),
        handoff: "0.1.0 (0000000)".into(),
        ..Environment::default()
    }
}

/// Parameters of a sample run.
pub struct SampleRun {
    pub name: &'static str,
    pub sizes: &'static [&'static str],
    pub strategies: &'static str,
    pub rounds: u32,
    pub conditions: Vec<Conditions>,
    pub control: bool,
}

impl SampleRun {
    /// 3 sizes, 8 rounds, two profiles, 1, 4 and 11 consumers.
    pub fn many() -> Self {
        let mut conditions = Vec::new();
        for profile in ["loopback", "github-hosted"] {
            for consumers in [1, 4, 11] {
                conditions.push(Conditions { profile: profile.into(), consumers, ..Conditions::default() });
            }
        }
        Self {
            name: "many",
            sizes: &["256MiB", "1GiB", "3GiB"],
            strategies: ALL,
            rounds: 8,
            conditions,
            control: false,
        }
    }

    /// Every section: two sizes, two profiles, 1 and 4 consumers, a variant, a control, 8 rounds.
    pub fn several() -> Self {
        let mut conditions = Vec::new();
        for profile in ["loopback", "github-hosted"] {
            for consumers in [1, 4] {
                conditions.push(Conditions { profile: profile.into(), consumers, ..Conditions::default() });
            }
        }
        Self {
            name: "several",
            sizes: &["256MiB", "1GiB"],
            strategies: "artifact,cache-tar,gha-cache,local-cache,zstd-stream,artifact:level=6,rebuild",
            rounds: 8,
            conditions,
            control: true,
        }
    }

    /// A small run of one cell: every strategy, three rounds.
    pub fn three_rounds() -> Self {
        Self { name: "three-rounds", sizes: &["1GiB"], rounds: 3, ..Self::one() }
    }

    /// One round of one size.
    pub fn one() -> Self {
        let conditions = vec![Conditions::default()];
        Self { name: "one", sizes: &["64MiB"], strategies: ALL, rounds: 1, conditions, control: false }
    }

    /// Run of a user's image.
    pub fn of_user_image() -> Results {
        let mut run = Self { name: "my-app", sizes: &["1GiB"], rounds: 8, ..Self::one() }.run();
        let image = UserImage::Context { dir: "/src/my-app".into(), dockerfile: None, build_args: Vec::new() };
        run.measurements.iter_mut().for_each(|row| row.workload = image.workload());
        run.plan.trials.iter_mut().for_each(|trial| trial.cell.workload = image.workload());
        run.plan.request.user_image = Some(image);
        run
    }

    /// Run with rows that a formula made.
    pub fn run(self) -> Results {
        let plan = Plan::new(PlanRequest {
            sizes: self.sizes.iter().map(|s| s.parse().unwrap()).collect(),
            rounds: self.rounds,
            conditions: self.conditions,
            control: self.control,
            seed: 42,
            run_id: self.name.into(),
            ..PlanRequest::of(StrategySpec::parse_list(self.strategies).unwrap())
        })
        .unwrap();
        let template = csv_rows::<MeasurementRow>(&golden("full.csv")).remove(0);
        let mut run = Results {
            name: self.name.into(),
            dir: format!("results/{}", self.name).into(),
            damaged: 0,
            measurements: vec![],
            consumers: vec![],
            spans: vec![],
            warnings: vec![],
            set_aside: vec![],
            environments: vec![environment()],
            plan: with_facts(plan),
        };
        for trial in &run.plan.trials {
            add(&template, trial, &mut run.measurements, &mut run.consumers, &mut run.spans);
        }
        run
    }
}

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Producer and consumer in seconds a GiB, and MiB a second that the strategy makes of a link.
fn shape(strategy: &str) -> (f64, f64, f64) {
    match strategy {
        "artifact" => (19.0, 20.0, 60.0),
        "cache-tar" => (18.5, 20.5, 120.0),
        "gha-cache" => (12.0, 16.0, 20.0),
        "local-cache" => (17.0, 23.0, 110.0),
        "zstd-stream" => (25.0, 18.0, 130.0),
        "relay" => (8.0, 30.0, 300.0),
        "rebuild" => (0.0, 24.0, 0.0),
        _ => (20.0, 20.0, 80.0),
    }
}

fn add(
    template: &MeasurementRow,
    trial: &handoff_model::plan::Trial,
    measurements: &mut Vec<MeasurementRow>,
    consumers: &mut Vec<ConsumerRow>,
    spans: &mut Vec<SpanRow>,
) {
    let cell = &trial.cell;
    let gib = cell.size.bytes() as f64 / (1_u64 << 30) as f64;
    let (produce, consume, rate) = shape(&cell.strategy.name);
    // Noise that is the same every time.
    let noise = |n: u32| 1.0 + f64::from((trial.position * 7_919 + n * 104_729) % 97) / 1_200.0;
    let bytes = (gib * 0.41 * (1_u64 << 30) as f64) as u64;
    let link = if cell.conditions.profile == "loopback" || rate == 0.0 { 0.0 } else { gib * 420.0 / rate };
    let ns = |s: f64| (s * 1e9) as u64;
    let build = ns(5.6 * gib.sqrt());
    let producer = (produce > 0.0).then(|| ns((produce * gib + link) * noise(0)) + build);
    let each: Vec<u64> = (1..=cell.conditions.consumers).map(|n| ns((consume * gib + 1.0 + link) * noise(n))).collect();
    let slowest = *each.iter().max().unwrap();
    let path = producer.unwrap_or(0) + slowest;
    let shared = producer.is_some();
    measurements.push(MeasurementRow {
        trial: trial.id.clone(),
        round: trial.round,
        position: trial.position,
        strategy: cell.strategy.name.clone(),
        variant: cell.strategy.variant(),
        workload: cell.workload.clone(),
        size_bytes: cell.size.bytes(),
        profile: cell.conditions.profile.clone(),
        engine: cell.conditions.engine,
        image_store: cell.conditions.image_store,
        builder: cell.conditions.builder,
        cache_state: cell.conditions.cache_state,
        consumers: cell.conditions.consumers,
        control: cell.control,
        nonce: trial.nonce.clone(),
        outcome: Outcome::Completed,
        failed_span: String::new(),
        error: String::new(),
        produce_ns: producer,
        consume_ns: Some(slowest),
        critical_path_ns: Some(path),
        runner_ns: Some(producer.unwrap_or(0) + each.iter().sum::<u64>()),
        build_ns: Some(build),
        transfer_ns: producer.map(|_| path - build),
        bytes_up: Some(if shared { bytes } else { 0 }),
        bytes_stored: Some(if shared { bytes } else { 0 }),
        bytes_down: Some(if shared { bytes * each.len() as u64 } else { 0 }),
        ..template.clone()
    });
    for (n, consume_ns) in each.iter().enumerate() {
        consumers.push(ConsumerRow {
            schema_version: 1,
            trial: trial.id.clone(),
            consumer: n as u32 + 1,
            consume_ns: *consume_ns,
            bytes_up: None,
            bytes_down: shared.then_some(bytes),
            requests: None,
            retries: None,
            cpu_ns: Some(1),
            peak_memory_bytes: None,
            peak_disk_bytes: None,
            environment: String::new(),
            index_equal: None,
            config_equal: None,
            layers_equal: None,
            content_equal: Some(true),
        });
    }
    let mut span = |role, consumer, kind: SpanKind, from: u64, to: u64| {
        spans.push(SpanRow {
            schema_version: 1,
            trial: trial.id.clone(),
            role,
            consumer,
            span: kind,
            detail: String::new(),
            start_ns: from,
            end_ns: to,
            bytes: None,
        });
    };
    if let Some(end) = producer {
        span(Role::Producer, None, SpanKind::Command, 0, end);
        span(Role::Producer, None, SpanKind::Build, 1_000_000, build);
        span(Role::Producer, None, SpanKind::Export, build, end - (end - build) / 4);
        span(Role::Producer, None, SpanKind::Upload, end - (end - build) / 2, end);
    }
    for (n, end) in each.iter().enumerate() {
        let consumer = Some(n as u32 + 1);
        span(Role::Consumer, consumer, SpanKind::Command, 0, end / 8);
        span(Role::Consumer, consumer, if shared { SpanKind::Download } else { SpanKind::Build }, 0, end / 8);
        span(Role::Consumer, consumer, SpanKind::Load, end / 8, end - end / 20);
        span(Role::Consumer, consumer, SpanKind::Run, end - end / 20, *end);
    }
}
