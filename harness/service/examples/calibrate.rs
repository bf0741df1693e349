//! Whether the service's links do what their profile says: `calibrate [NAME|FILE]...`, every named profile by default.
//!
//! Starts a service under each profile, moves bytes by plain sockets with 1, 4, 8 and 24 connections in each direction of
//! each kind of traffic, and prints what was asked (by the arithmetic of the profile), what was measured and their
//! ratio. A mark in the last column says that a figure is off by more than 5 % (rates) or 1 ms plus 5 % (times).

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use handoff_service::profile::{self, Direction, Kind, Profile};
use handoff_service::{Service, ServiceConfig, TokenSpec};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const MIB: f64 = 1_048_576.0;
const CONNECTIONS: [u64; 4] = [1, 4, 8, 24];
/// How long a measurement of a limited rate is meant to take, in seconds.
const SECONDS: f64 = 3.0;
/// Bytes of each connection where no rate limits, or one that the machine cannot reach.
const FREE: f64 = 64.0 * MIB;
const REQUESTS: u32 = 20;

fn main() -> Result<()> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    if given.is_empty() {
        given = profile::names().into_iter().map(str::to_owned).collect();
    }
    println!("{:<14} {:<42} {:>12} {:>12} {:>7}", "profile", "figure", "asked", "measured", "ratio");
    for name in given {
        calibrate(&profile::load(&name)?)?;
    }
    Ok(())
}

fn calibrate(profile: &Profile) -> Result<()> {
    // In memory where there is such a folder, as the disk is not what is measured.
    let memory = std::path::Path::new("/dev/shm");
    let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = above.join(format!("handoff-calibrate-{}", std::process::id()));
    let service = Service::start_blocking(ServiceConfig { profile: profile.clone(), ..ServiceConfig::new(dir) })?;
    let token = service.mint(TokenSpec { run: "run".into(), job: "job".into(), ..TokenSpec::default() });
    let bench = Bench { profile, addr: service.addr(), token };
    bench.times()?;
    for kind in [Kind::Artifact, Kind::Cache] {
        for direction in [Direction::Up, Direction::Down] {
            for connections in CONNECTIONS {
                bench.rate(kind, direction, connections)?;
            }
        }
    }
    Ok(())
}

struct Bench<'a> {
    profile: &'a Profile,
    addr: SocketAddr,
    token: String,
}

impl Bench<'_> {
    /// A call, and a blob request of next to no bytes.
    fn times(&self) -> Result<()> {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            self.call("CacheService/GetCacheEntryDownloadURL", r#"{"key":"none","version":"v"}"#)?;
        }
        let measured = start.elapsed().as_secs_f64() * 1e3 / f64::from(REQUESTS);
        self.row("call, ms", Some(self.profile.call_ms()), measured, |asked| 1.0 + asked * 0.05);
        for kind in [Kind::Artifact, Kind::Cache] {
            let url = self.create(kind, "times")?;
            for bytes in [16_usize, 1 << 20] {
                let body = vec![7; bytes];
                let mut stream = TcpStream::connect(self.addr)?;
                let start = Instant::now();
                for _ in 0..REQUESTS {
                    let target = format!("{url}&comp=block&blockid=QUFBQQ%3D%3D");
                    exchange(&mut stream, "PUT", &target, "", &body)?;
                }
                let measured = start.elapsed().as_secs_f64() * 1e3 / f64::from(REQUESTS);
                let lane = self.profile.lane(kind, Direction::Up);
                let rate = lane.connection.into_iter().chain(lane.aggregate).reduce(f64::min);
                let asked = self.profile.request_ms(kind) + rate.map_or(0.0, |rate| bytes as f64 / rate * 1e3);
                let name = format!("{} block of {bytes} bytes up, ms", text(kind));
                self.row(&name, Some(asked), measured, |asked| 1.0 + asked * 0.05);
            }
        }
        Ok(())
    }

    fn rate(&self, kind: Kind, direction: Direction, connections: u64) -> Result<()> {
        let lane = self.profile.lane(kind, direction);
        let all = lane.connection.map(|rate| rate * connections as f64);
        let asked = all.into_iter().chain(lane.aggregate).reduce(f64::min);
        let bytes =
            asked.filter(|rate| *rate < 1024.0 * MIB).map_or(FREE, |rate| rate * SECONDS / connections as f64) as usize;
        let way = if direction == Direction::Up { "up" } else { "down" };
        let key = format!("{way}-{connections}");
        let body = vec![7; bytes];
        let body = body.as_slice();
        // One blob serves all readers: each connection gets the same bytes.
        let mut targets = Vec::new();
        if direction == Direction::Up {
            for at in 0..connections {
                targets.push(self.create(kind, &format!("{key}-{at}"))?);
            }
        } else {
            let target = self.create(kind, &key)?;
            self.put(&target, body)?;
            let target = self.finalize(kind, &key, bytes)?;
            targets.resize(connections as usize, target);
        }
        let start = Instant::now();
        std::thread::scope(|scope| {
            let moves: Vec<_> = targets
                .iter()
                .map(|target| {
                    scope.spawn(move || match direction {
                        Direction::Up => self.put(target, body),
                        Direction::Down => {
                            let mut stream = TcpStream::connect(self.addr)?;
                            exchange(&mut stream, "GET", target, "", &[]).map(drop)
                        }
                    })
                })
                .collect();
            moves.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err("a thread panicked".into())))
        })?;
        // The time of the request is a figure of its own.
        let took = start.elapsed().as_secs_f64() - self.profile.request_ms(kind) / 1e3;
        let measured = bytes as f64 * connections as f64 / took / MIB;
        let name = format!("{} {way}, {connections} connections, MiB/s", text(kind));
        self.row(&name, asked.map(|rate| rate / MIB), measured, |asked| asked * 0.05);
        Ok(())
    }

    fn row(&self, figure: &str, asked: Option<f64>, measured: f64, bound: impl Fn(f64) -> f64) {
        let name = &self.profile.name;
        match asked {
            None => println!("{name:<14} {figure:<42} {:>12} {measured:>12.2} {:>7}", "no limit", ""),
            Some(asked) => {
                let ratio = if asked > 0.0 { format!("{:.3}", measured / asked) } else { String::new() };
                let mark = if (measured - asked).abs() > bound(asked) { "  OFF" } else { "" };
                println!("{name:<14} {figure:<42} {asked:>12.2} {measured:>12.2} {ratio:>7}{mark}");
            }
        }
    }

    fn create(&self, kind: Kind, key: &str) -> Result<String> {
        let (method, body) = match kind {
            Kind::Artifact => ("ArtifactService/CreateArtifact", format!(r#"{{{IDS},"name":"{key}","version":7}}"#)),
            Kind::Cache => ("CacheService/CreateCacheEntry", format!(r#"{{"key":"{key}","version":"v"}}"#)),
        };
        self.url(method, &body, "signed_upload_url")
    }

    fn finalize(&self, kind: Kind, key: &str, bytes: usize) -> Result<String> {
        match kind {
            Kind::Artifact => {
                let body = format!(r#"{{{IDS},"name":"{key}","size":"{bytes}","hash":"sha256:00"}}"#);
                self.call("ArtifactService/FinalizeArtifact", &body)?;
                let body = format!(r#"{{{IDS},"name":"{key}"}}"#);
                self.url("ArtifactService/GetSignedArtifactURL", &body, "signed_url")
            }
            Kind::Cache => {
                let body = format!(r#"{{"key":"{key}","version":"v","size_bytes":"{bytes}"}}"#);
                self.call("CacheService/FinalizeCacheEntryUpload", &body)?;
                let body = format!(r#"{{"key":"{key}","version":"v"}}"#);
                self.url("CacheService/GetCacheEntryDownloadURL", &body, "signed_download_url")
            }
        }
    }

    fn put(&self, target: &str, body: &[u8]) -> Result<()> {
        let mut stream = TcpStream::connect(self.addr)?;
        exchange(&mut stream, "PUT", target, "x-ms-blob-type: BlockBlob\r\n", body).map(drop)
    }

    fn url(&self, method: &str, body: &str, field: &str) -> Result<String> {
        let answer: serde_json::Value = serde_json::from_slice(&self.call(method, body)?)?;
        let url = answer[field].as_str().ok_or_else(|| format!("{method} gave {answer}"))?;
        let rest = url.strip_prefix("http://").unwrap_or(url);
        Ok(rest[rest.find('/').unwrap_or(0)..].to_owned())
    }

    fn call(&self, method: &str, body: &str) -> Result<Vec<u8>> {
        let target = format!("/twirp/github.actions.results.api.v1.{method}");
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.token);
        exchange(&mut TcpStream::connect(self.addr)?, "POST", &target, &headers, body.as_bytes())
    }
}

const IDS: &str = r#""workflow_run_backend_id":"run","workflow_job_run_backend_id":"job""#;

fn text(kind: Kind) -> &'static str {
    match kind {
        Kind::Artifact => "artifact",
        Kind::Cache => "cache",
    }
}

/// One request; gives the beginning of the answer's body, which is all of a short one.
fn exchange(stream: &mut TcpStream, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<Vec<u8>> {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.set_nodelay(true)?;
    stream.write_all(&[head.as_bytes(), &body[..length.min(64 << 10)]].concat())?;
    stream.write_all(&body[length.min(64 << 10)..])?;
    let (mut buffer, mut filled) = (vec![0; 256 << 10], 0);
    let end = loop {
        let got = stream.read(&mut buffer[filled..])?;
        filled += got;
        if let Some(at) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if got == 0 {
            return Err("the connection ended within a head".into());
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let status: u16 = head.split(' ').nth(1).unwrap_or_default().parse()?;
    if status >= 300 {
        return Err(format!("{method} {}: {status}", target.split('?').next().unwrap_or_default()).into());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
    let mut left = length.parse::<usize>()?.saturating_sub(filled - end);
    let beginning = buffer[end..filled].to_vec();
    while left > 0 {
        let most = left.min(buffer.len());
        let got = stream.read(&mut buffer[..most])?;
        if got == 0 {
            return Err("the connection ended within a body".into());
        }
        left -= got;
    }
    Ok(beginning)
}
