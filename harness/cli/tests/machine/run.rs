//! Runs that go well: every strategy, both stores, what the rows say.

use std::collections::BTreeSet;

use handoff_model::{ByteSize, Outcome, SpanKind, Storage};
use handoff_strategies::names;

use crate::kit::{RunFolders, expect, facts, handoff, machine};

#[test]
fn every_strategy_transfers_a_verified_image() {
    let _machine = machine();
    let folders = RunFolders::new();
    let (stdout, _) = expect(&mut folders.run(&["--sizes", "64MiB", "--rounds", "2", "--control"]), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 2 * (names().len() + 1));
    // Where the machine can, every job has a file system that nothing was removed from; elsewhere the reason is on record.
    let can = std::path::Path::new("/dev/loop-control").exists();
    let disk = &results.environments[0].disk;
    assert!(disk.contains(if can { "jobs: ext4 of its own" } else { "jobs: a folder (" }), "{disk}");
    let environment = &results.environments[0];
    assert_eq!(environment.timeouts_ms["docker DAEMON_START"], 30_000);
    let speed = environment.disk_speed.as_ref().and_then(|d| d.speed());
    let speed = speed.unwrap_or_else(|| panic!("no speed of the disk: {:?}", environment.disk_speed));
    assert!(speed.write_mib_per_s() > 0.0 && speed.files_per_s() > 0.0, "{speed:?}");
    assert!(environment.source_digest.starts_with("sha256:") && !environment.source_commit.is_empty());
    for round in [1, 2] {
        let of_round = results.measurements.iter().filter(|m| m.round == round && !m.control);
        let strategies: BTreeSet<&str> = of_round.map(|m| m.strategy.as_str()).collect();
        assert_eq!(strategies, BTreeSet::from_iter(names()));
    }
    for row in &results.measurements {
        let name = &row.strategy;
        assert_eq!(row.outcome, Outcome::Completed, "{name}: {} {}", row.failed_span, row.error);
        assert_eq!(row.content_equal, Some(true), "{name}");
        let facts = facts(name);
        if facts.moves_image {
            assert_eq!((row.layers_equal, row.config_equal), (Some(true), Some(true)), "{name}: {}", row.identity_note);
        }
        let shares = facts.has_producer;
        assert_eq!(row.produce_ns.is_some(), shares, "{name}");
        assert_eq!(row.transfer_ns.is_some(), shares, "{name}");
        assert_eq!(row.layers_equal.is_some(), shares, "{name}");
        assert_eq!(row.critical_path_ns, Some(row.produce_ns.unwrap_or(0) + row.consume_ns.unwrap()), "{name}");
        if shares {
            // Half of the image is compressible: whatever moves it moves at least a quarter, both ways.
            let least = Some(ByteSize::MIB * 16);
            assert!(row.bytes_up > least && row.bytes_down > least && row.bytes_stored > least, "{name}: {row:?}");
            assert!(row.entries_stored > Some(0) && row.requests > Some(3), "{name}");
            assert!(!row.client.is_empty(), "{name}");
        } else {
            assert_eq!((row.bytes_up, row.requests), (Some(0), Some(0)), "{name}");
        }
        assert_eq!(row.throttled, Some(0), "{name}");
        // Half of it the layers that the builder made; with `artifact` the tar as well.
        assert_eq!(row.producer_written_bytes.is_some(), shares && can, "{name}");
        let least = ByteSize::MIB * if name == "artifact" { 64 } else { 32 };
        assert!(row.producer_written_bytes.is_none_or(|b| b > least), "{name}: {:?}", row.producer_written_bytes);
        assert!(row.build_ns > Some(0), "{name}");
        assert!(row.producer_cpu_ns.is_some() == shares && row.consumer_cpu_ns > Some(0), "{name}");
        assert!(row.consumer_peak_memory_bytes > Some(ByteSize::MIB), "{name}");
        let off = row.image_bytes.unwrap().abs_diff(row.size_bytes);
        assert!(off * 100 <= row.size_bytes, "{name}: {:?} bytes", row.image_bytes);
        let spans: BTreeSet<SpanKind> = results.spans.iter().filter(|s| s.trial == row.trial).map(|s| s.span).collect();
        assert!(spans.contains(&SpanKind::Build) && spans.contains(&SpanKind::Run), "{name}: {spans:?}");
        let demanded = match (facts.storage, facts.moves_image) {
            (Storage::Artifact, _) => vec![SpanKind::Upload, SpanKind::Download, SpanKind::Load, SpanKind::Resolve],
            (Storage::Cache, true) => {
                vec![SpanKind::Compress, SpanKind::Upload, SpanKind::Download, SpanKind::Decompress, SpanKind::Load]
            }
            // The builder itself talks to the cache.
            (Storage::Cache, false) if row.client == "BuildKit" => vec![SpanKind::CacheExport, SpanKind::Prepare],
            (Storage::Cache, false) => {
                vec![SpanKind::CacheExport, SpanKind::Compress, SpanKind::Upload, SpanKind::Download]
            }
            (Storage::None, _) => vec![SpanKind::Export],
        };
        for kind in demanded {
            assert!(spans.contains(&kind), "{name} has no span {kind}: {spans:?}");
        }
    }
    assert_eq!(results.consumers.len(), results.measurements.len());
    ranges_come_in_parallel(&folders);
    for name in names() {
        assert!(stdout.contains(name), "the table names {name}:\n{stdout}");
    }
    let report = std::fs::read_to_string(folders.out.join("report.md")).unwrap();
    assert!(report.contains("local-cache") && report.contains("loopback"));
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

/// `@actions/cache` takes the path that it takes on GitHub: parallel ranges, seen by the service itself.
fn ranges_come_in_parallel(folders: &RunFolders) {
    let results = folders.results();
    let trial = results.measurements.iter().find(|m| m.strategy == "cache-tar").unwrap();
    let file = folders.out.join("logs").join(&trial.trial).join("consumer-1/requests.json");
    let log: Vec<handoff_link::RequestRecord> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let ranges: Vec<_> = log.iter().filter(|r| r.range.is_some()).collect();
    assert!(ranges.len() >= 4, "{log:?}");
    let connections: BTreeSet<u64> = ranges.iter().map(|r| r.connection).collect();
    assert!(connections.len() > 1, "{ranges:?}");
    let overlap = |a: &handoff_link::RequestRecord, b: &handoff_link::RequestRecord| {
        a.connection != b.connection && a.start_ns < b.end_ns && b.start_ns < a.end_ns
    };
    assert!(ranges.iter().any(|a| ranges.iter().any(|b| overlap(a, b))), "no two ranges were under way at once");
}

#[test]
fn overlay2_takes_tars_from_docker_save_and_refuses_cache_export() {
    let _machine = machine();
    let folders = RunFolders::new();
    let (_, stderr) = expect(&mut folders.run(&["--sizes", "64MiB", "--rounds", "1", "--image-store", "overlay2"]), 2);
    assert!(stderr.contains("gha-cache: the `docker` builder cannot export a cache"), "{stderr}");
    assert!(!folders.out.exists(), "nothing is written by a refused plan");
    let strategies = "artifact,cache-tar,zstd-stream,rebuild";
    let args = ["--sizes", "64MiB", "--rounds", "1", "--image-store", "overlay2", "--strategies", strategies];
    expect(&mut folders.run(&args), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 4);
    for row in &results.measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {}", row.strategy, row.error);
        assert_eq!(row.index_equal, None, "overlay2 keeps no index");
        assert!(row.identity_note.contains("overlay2"));
        if row.strategy != "rebuild" {
            assert_eq!(row.source, "save");
            assert_eq!((row.layers_equal, row.config_equal), (Some(true), Some(true)));
        }
    }
    assert_eq!(folders.leftovers(), Vec::<String>::new());
}

#[test]
fn variants_and_workloads_are_recorded_and_two_consumers_are_two_rows() {
    let _machine = machine();
    let folders = RunFolders::new();
    let strategies = "artifact:level=6,source=save,zstd-stream:level=1,threads=1";
    let args = [
        "--sizes",
        "64MiB",
        "--rounds",
        "1",
        "--consumers",
        "2",
        "--workload",
        "many-small-files",
        "--strategies",
        strategies,
    ];
    expect(&mut folders.run(&args), 0);
    let results = folders.results();
    let mut variants: Vec<&str> = results.measurements.iter().map(|m| m.variant.as_str()).collect();
    variants.sort_unstable();
    assert_eq!(variants, ["level=1,threads=1", "level=6,source=save"]);
    assert!(results.measurements.iter().all(|m| m.outcome == Outcome::Completed && m.workload == "many-small-files"));
    assert_eq!(results.consumers.iter().map(|c| c.consumer).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]));
    assert_eq!(results.consumers.len(), 4);
    for row in &results.measurements {
        let slowest = results.consumers.iter().filter(|c| c.trial == row.trial).map(|c| c.consume_ns).max();
        assert_eq!(row.consume_ns, slowest);
    }
}

#[test]
fn transport_variants_transfer_the_same_image() {
    let _machine = machine();
    let folders = RunFolders::new();
    let strategies = "artifact:archive=false,compress=zstd,concurrency=32,cache-tar:compress=gzip,layers=zstd,\
                      artifact:layers=uncompressed,zstd-stream:source=output,ranges=8,blocks=2";
    expect(&mut folders.run(&["--sizes", "64MiB", "--rounds", "1", "--strategies", strategies]), 0);
    let results = folders.results();
    assert_eq!(results.measurements.len(), 4);
    for row in &results.measurements {
        let plain = row.variant == "layers=uncompressed";
        // The layers make up the tar, and nothing else compresses this one.
        assert_eq!(row.bytes_stored.unwrap() > 60 << 20, plain, "{}: {:?} bytes", row.variant, row.bytes_stored);
        let name = format!("{}:{}", row.strategy, row.variant);
        assert_eq!(row.outcome, Outcome::Completed, "{name}: {} {}", row.failed_span, row.error);
        // The builder wrote the tar, into a pipe, and the image that came out of it is the one that went in.
        assert_eq!(row.source, "output", "{name}");
        let equal = (row.content_equal, row.layers_equal, row.config_equal, row.index_equal);
        assert_eq!(equal, (Some(true), Some(true), Some(true), Some(true)), "{name}: {}", row.identity_note);
        let log = |job: &str| -> Vec<handoff_link::RequestRecord> {
            let file = folders.out.join("logs").join(&row.trial).join(job).join("requests.json");
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
        };
        let of = |kind| results.spans.iter().any(|s| s.trial == row.trial && s.span == kind);
        assert!(of(SpanKind::Build) && of(SpanKind::Export) && (plain || of(SpanKind::Compress)), "{name}");
        assert!(!results.spans.iter().any(|s| s.trial == row.trial && s.span == SpanKind::Save), "{name}");
        if row.strategy == "zstd-stream" {
            let ranges = log("consumer-1").iter().filter(|r| r.range.is_some()).count();
            assert!(ranges > 1, "{name}: {ranges} ranged requests");
        }
    }
}

#[test]
fn produce_and_consume_work_against_a_separate_service() {
    use std::io::{BufRead, BufReader};
    let _machine = machine();
    let folders = RunFolders::new();
    let dir = tempfile::tempdir().unwrap();
    let mut serve = handoff(&["serve"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(serve.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut env: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap();
        env.push((name.to_owned(), value.to_owned()));
        if name == "NODE_OPTIONS" {
            break;
        }
    }
    assert!(env.iter().any(|(k, _)| k == "ACTIONS_RUNTIME_TOKEN"), "{env:?}");
    let role = |args: &[&str]| {
        let mut command = handoff(args);
        command.envs(env.clone()).arg("--work-dir").arg(folders.work.path()).current_dir(dir.path());
        expect(&mut command, 0).0
    };
    role(&["produce", "--strategy", "cache-tar", "--size", "64MiB"]);
    let output: serde_json::Value = serde_json::from_str(&role(&["consume", "--strategy", "cache-tar"])).unwrap();
    assert_eq!(output.pointer("/identity/content"), Some(&true.into()), "{output}");
    assert_eq!(output.pointer("/identity/layers"), Some(&true.into()), "{output}");
    serve.kill().unwrap();
    serve.wait().unwrap();
}

#[test]
fn foreign_results_folder_is_unchanged() {
    let _machine = machine();
    let refused = |out: &str| expect(&mut handoff(&["run", "--sizes", "16MiB", "--out", out]), 2).1;
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("thesis.txt");
    std::fs::write(&note, "mine").unwrap();
    let out = dir.path().display().to_string();
    let error = refused(&out);
    assert!(error.contains(&out), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = refused("/proc/nothing/here");
    assert!(error.contains("/proc/nothing"), "{error}");
}
