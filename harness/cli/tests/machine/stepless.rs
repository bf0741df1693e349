//! Dockerfiles at the edges of what Docker takes: no step, no layer, a link as a Dockerfile, a step that fails.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use handoff_model::{ByteSize, Outcome, Storage};
use handoff_records::MeasurementRow;
use sha2::{Digest, Sha256};

use crate::kit::{RunFolders, expect, facts, machine};

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A registry on loopback with one image of one layer, for as long as the test program runs.
fn registry() -> String {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    layer.append_data(&mut header, "base.txt", &b"base\n"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": arch, "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [sha256(&layer)] },
    })
    .to_string();
    let described = |media: &str, bytes: &[u8]| {
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{media}"), "digest": sha256(bytes), "size": bytes.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", config.as_bytes()),
        "layers": [described("layer.v1.tar", &layer)],
    })
    .to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let blobs = [layer, config.into_bytes(), manifest.into_bytes()];
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = answer(&stream, &blobs);
        }
    });
    address
}

/// Answers one request of a connection: blobs and manifests by digest, the manifest by any tag.
fn answer(mut stream: &TcpStream, blobs: &[Vec<u8>; 3]) -> std::io::Result<()> {
    // Docker tries TLS first: an answer in plain HTTP makes it go on without, as it may on loopback.
    let mut first = [0];
    if stream.peek(&mut first)? == 1 && first[0] == 0x16 {
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nplain HTTP is spoken here");
    }
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let wanted = path.rsplit('/').next().unwrap_or_default();
    let manifest = path.contains("/manifests/").then_some(&blobs[2]);
    let found =
        blobs.iter().find(|blob| sha256(blob) == wanted).or(manifest.filter(|_| !wanted.starts_with("sha256:")));
    let media =
        if manifest.is_some() { "application/vnd.oci.image.manifest.v1+json" } else { "application/octet-stream" };
    let empty = Vec::new();
    let (status, body) = match found {
        Some(blob) => ("200 OK", blob),
        None if path == "/v2/" => ("200 OK", &empty),
        None => ("404 Not Found", &empty),
    };
    let (digest, len) = (sha256(body), body.len());
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len}\r\nDocker-Content-Digest: {digest}\r\nConnection: close\r\n\r\n"
    )?;
    if method == "GET" { stream.write_all(body) } else { Ok(()) }
}

/// Runs a Dockerfile by strategies; the rows.
fn run(dockerfile: &str, strategies: &str, code: i32) -> Vec<MeasurementRow> {
    let folders = RunFolders::new();
    let context = tempfile::tempdir().unwrap();
    std::fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
    let dir = context.path().display().to_string();
    expect(&mut folders.run(&["--context", &dir, "--rounds", "1", "--strategies", strategies]), code);
    assert_eq!(folders.leftovers(), Vec::<String>::new());
    folders.results().measurements
}

fn completed(row: &MeasurementRow, dockerfile: &str) {
    let name = &row.strategy;
    assert_eq!(row.outcome, Outcome::Completed, "{dockerfile:?} {name}: {} {}", row.failed_span, row.error);
    if facts(name).moves_image {
        let equal = (row.content_equal, row.layers_equal, row.config_equal);
        assert_eq!(equal, (Some(true), Some(true), Some(true)), "{dockerfile:?} {name}: {}", row.identity_note);
    }
}

#[test]
fn every_strategy_transfers_an_image_without_an_executed_step() {
    let _machine = machine();
    let base = format!("FROM {}/base:1\nENV A=1\nCMD [\"/nothing\"]\n", registry());
    for dockerfile in [base.as_str(), "FROM scratch\nLABEL a=b\n"] {
        let rows = run(dockerfile, "all", 0);
        assert_eq!(rows.len(), handoff_strategies::names().len());
        for row in &rows {
            completed(row, dockerfile);
        }
    }
}

#[test]
fn step_made_from_nothing_is_executed_again_where_no_cache_can_have_it() {
    let _machine = machine();
    let dockerfile = "FROM scratch\nWORKDIR /w\n";
    for row in run(dockerfile, "all", 1) {
        if facts(&row.strategy).storage == Storage::Cache && !facts(&row.strategy).moves_image {
            assert_eq!(row.outcome, Outcome::Failed, "{}", row.strategy);
            let says = "cache missed: [1/1] WORKDIR /w (BuildKit exports no cache of a step that is made from nothing";
            assert!(row.error.contains(says), "{}: {}", row.strategy, row.error);
        } else {
            completed(&row, dockerfile);
        }
    }
}

#[test]
fn dockerfile_link_uses_the_ignore_file_of_the_links_name() {
    let _machine = machine();
    let folders = RunFolders::new();
    let context = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(context.path().join(name), text).unwrap();
    std::fs::create_dir(context.path().join("docker")).unwrap();
    write("docker/app.Dockerfile", "FROM scratch\nCOPY . /src\n");
    std::os::unix::fs::symlink("docker/app.Dockerfile", context.path().join("Dockerfile")).unwrap();
    write("secret", &"s".repeat(1 << 20));
    write("big", &"b".repeat(1 << 16));
    write(".dockerignore", "secret\n");
    write("docker/app.Dockerfile.dockerignore", "big\n");
    let dir = context.path().display().to_string();
    let file = Path::new(&dir).join("Dockerfile").display().to_string();
    expect(
        &mut folders.run(&["--context", &dir, "--dockerfile", &file, "--rounds", "1", "--strategies", "artifact"]),
        0,
    );
    let size = folders.results().measurements[0].image_bytes.map(ByteSize).unwrap();
    assert!((1 << 16..1 << 17).contains(&size.bytes()), "`.dockerignore` leaves `secret` out and `big` in: {size}");
}

#[test]
fn failed_build_shows_its_cause_first_with_its_last_output() {
    let _machine = machine();
    // The probe has no verb of that name: it says so, and fails.
    let folders = RunFolders::new();
    let (_dir, context) = crate::user_image::webapp();
    let file = context.join("Dockerfile.fails");
    std::fs::write(&file, "FROM scratch\nCOPY handoff-probe /p\nRUN [\"/p\", \"no-such-verb\"]\n").unwrap();
    let (dir, file) = (context.display().to_string(), file.display().to_string());
    let args = ["--context", &dir, "--dockerfile", &file, "--rounds", "1", "--strategies", "relay,zstd-stream,rebuild"];
    expect(&mut folders.run(&args), 1);
    for row in folders.results().measurements {
        let error = &row.error;
        assert_eq!((row.outcome, row.failed_span.as_str()), (Outcome::Failed, "build"), "{}: {error}", row.strategy);
        assert!(error.starts_with("build: [2/2] RUN"), "{}: {error}", row.strategy);
        assert!(error.contains("exit code: 1; its last output: "), "{}: {error}", row.strategy);
        assert!(error.contains("handoff-probe layer INDEX NONCE | write generated"), "{}: {error}", row.strategy);
        assert!(!error.contains("relay") && !error.contains('\n'), "{}: {error}", row.strategy);
    }
}
