//! A client so plain that it is not the limit: one thread and one socket a connection, large buffers, nothing is looked at.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use handoff_link::profile::{Direction, Profile, ServiceKind};
use handoff_services::{Service, ServiceConfig, TokenSpec};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const IDS: &str = r#""workflow_run_backend_id":"run","workflow_job_run_backend_id":"job""#;

/// A service under a profile, and a token of it.
pub struct LoadedService {
    pub profile: Profile,
    service: Service,
    token: String,
    keys: std::cell::Cell<u32>,
}

impl LoadedService {
    pub fn new(profile: Profile) -> Result<Self> {
        // In memory where there is such a folder, as the disk is not what is measured.
        let memory = std::path::Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let number = BENCHES.fetch_add(1, Ordering::Relaxed);
        let dir = above.join(format!("handoff-calibrate-{}-{number}", std::process::id()));
        let service = Service::start_blocking(ServiceConfig { profile: profile.clone(), ..ServiceConfig::new(dir) })?;
        let token = service.mint(TokenSpec { run: "run".into(), job: "job".into(), ..TokenSpec::default() });
        Ok(Self { profile, service, token, keys: std::cell::Cell::new(0) })
    }

    /// Seconds that `connections` at once take for `bytes` each, without the time of one request, which is a figure of its own.
    pub fn seconds(&self, kind: ServiceKind, direction: Direction, connections: u64, bytes: usize) -> Result<f64> {
        self.keys.set(self.keys.get() + 1);
        let key = format!("{:?}-{}", direction, self.keys.get());
        let body = vec![7; bytes];
        let (body, addr) = (body.as_slice(), self.service.addr());
        // One blob serves all readers: each connection gets the same bytes.
        let mut targets = Vec::new();
        if direction == Direction::Up {
            for at in 0..connections {
                targets.push(self.create(kind, &format!("{key}-{at}"))?);
            }
        } else {
            let target = self.create(kind, &key)?;
            put(&mut TcpStream::connect(addr)?, &target, body)?;
            let target = self.finalize(kind, &key, bytes)?;
            targets.resize(connections as usize, target);
        }
        let start = Instant::now();
        std::thread::scope(|scope| {
            let moves: Vec<_> = targets
                .iter()
                .map(|target| {
                    scope.spawn(move || {
                        let mut stream = TcpStream::connect(addr)?;
                        match direction {
                            Direction::Up => put(&mut stream, target, body),
                            Direction::Down => exchange(&mut stream, "GET", target, "", &[]).map(drop),
                        }
                    })
                })
                .collect();
            moves.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err("a thread panicked".into())))
        })?;
        let took = start.elapsed().as_secs_f64() - self.profile.request_ms(kind) / 1e3;
        self.service.purge("run");
        Ok(took)
    }

    pub fn create(&self, kind: ServiceKind, key: &str) -> Result<String> {
        let (method, body) = match kind {
            ServiceKind::Artifact => {
                ("ArtifactService/CreateArtifact", format!(r#"{{{IDS},"name":"{key}","version":7}}"#))
            }
            ServiceKind::Cache => ("CacheService/CreateCacheEntry", format!(r#"{{"key":"{key}","version":"v"}}"#)),
        };
        self.url(method, &body, "signed_upload_url")
    }

    fn finalize(&self, kind: ServiceKind, key: &str, bytes: usize) -> Result<String> {
        match kind {
            ServiceKind::Artifact => {
                let body = format!(r#"{{{IDS},"name":"{key}","size":"{bytes}","hash":"sha256:00"}}"#);
                self.call("ArtifactService/FinalizeArtifact", &body)?;
                let body = format!(r#"{{{IDS},"name":"{key}"}}"#);
                self.url("ArtifactService/GetSignedArtifactURL", &body, "signed_url")
            }
            ServiceKind::Cache => {
                let body = format!(r#"{{"key":"{key}","version":"v","size_bytes":"{bytes}"}}"#);
                self.call("CacheService/FinalizeCacheEntryUpload", &body)?;
                let body = format!(r#"{{"key":"{key}","version":"v"}}"#);
                self.url("CacheService/GetCacheEntryDownloadURL", &body, "signed_download_url")
            }
        }
    }

    fn url(&self, method: &str, body: &str, field: &str) -> Result<String> {
        let answer: serde_json::Value = serde_json::from_slice(&self.call(method, body)?)?;
        let url = answer[field].as_str().ok_or_else(|| format!("{method} gave {answer}"))?;
        let rest = url.strip_prefix("http://").unwrap_or(url);
        Ok(rest[rest.find('/').unwrap_or(0)..].to_owned())
    }

    pub fn call(&self, method: &str, body: &str) -> Result<Vec<u8>> {
        call(self.service.addr(), &self.token, method, body)
    }

    pub fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    pub fn token(&self) -> &str {
        &self.token
    }
}

pub fn call(addr: SocketAddr, token: &str, method: &str, body: &str) -> Result<Vec<u8>> {
    let target = format!("/twirp/github.actions.results.api.v1.{method}");
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    exchange(&mut TcpStream::connect(addr)?, "POST", &target, &headers, body.as_bytes())
}

fn put(stream: &mut TcpStream, target: &str, body: &[u8]) -> Result<()> {
    exchange(stream, "PUT", target, "x-ms-blob-type: BlockBlob\r\n", body).map(drop)
}

/// One request; gives the beginning of the answer's body, which is all of a short one.
pub fn exchange(stream: &mut TcpStream, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<Vec<u8>> {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.set_nodelay(true)?;
    stream.write_all(&[head.as_bytes(), &body[..length.min(64 << 10)]].concat())?;
    stream.write_all(&body[length.min(64 << 10)..])?;
    let (mut buffer, mut filled) = (vec![0; 1 << 20], 0);
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
        return Err(format!("{status} for {method} {}", target.split('?').next().unwrap_or_default()).into());
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
