//! A service, a token, and an HTTP client so plain that nothing of it is hidden.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use handoff_services::{Service, ServiceConfig, TokenSpec};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) service: Service,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut ServiceConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = ServiceConfig::new(dir.path().join("store"));
        change(&mut config);
        Self { service: Service::start_blocking(config).unwrap(), dir }
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut TokenSpec)) -> String {
        let mut spec = TokenSpec { run: "run-1".into(), job: "job-1".into(), ..TokenSpec::default() };
        change(&mut spec);
        self.service.mint(spec)
    }

    pub(crate) fn api(&self, token: &str) -> Api {
        Api { addr: self.service.addr(), token: token.to_owned(), user_agent: "test".to_owned() }
    }

    /// Files that the store has on the disk.
    pub(crate) fn files(&self) -> usize {
        let store = self.dir.path().join("store");
        std::fs::read_dir(store).unwrap().map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap().count()).sum()
    }
}

/// Calls of the Twirp services.
pub(crate) struct Api {
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
    pub(crate) user_agent: String,
}

impl Api {
    pub(crate) fn call(&self, service: &str, method: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("User-Agent", self.user_agent.as_str()),
        ];
        let path = format!("/twirp/github.actions.results.api.v1.{service}/{method}");
        Http::new(self.addr).send("POST", &path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn artifact(&self, method: &str, fields: Value) -> Answer {
        let mut body = json!({"workflow_run_backend_id": "run-1", "workflow_job_run_backend_id": "job-1"});
        merge(&mut body, fields);
        self.call("ArtifactService", method, &body)
    }

    pub(crate) fn cache(&self, method: &str, fields: Value) -> Answer {
        let mut body = json!({"version": "v1"});
        merge(&mut body, fields);
        self.call("CacheService", method, &body)
    }

    /// Uploads and finalizes an artifact; returns its id.
    pub(crate) fn upload_artifact(&self, name: &str, content: &[u8]) -> String {
        let url = self.artifact("CreateArtifact", json!({"name": name, "version": 7})).ok()["signed_upload_url"].take();
        self.put_blob(url.as_str().unwrap(), content);
        let size = content.len().to_string();
        let done = self.artifact("FinalizeArtifact", json!({"name": name, "size": size, "hash": "sha256:00"})).ok();
        done["artifact_id"].as_str().unwrap().to_owned()
    }

    /// Uploads and finalizes a cache entry; returns its id.
    pub(crate) fn save_cache(&self, key: &str, content: &[u8]) -> String {
        let url = self.cache("CreateCacheEntry", json!({"key": key})).ok()["signed_upload_url"].take();
        self.put_blob(url.as_str().unwrap(), content);
        let fields = json!({"key": key, "size_bytes": content.len().to_string()});
        self.cache("FinalizeCacheEntryUpload", fields).ok()["entry_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn upload_url(&self, key: &str) -> String {
        self.cache("CreateCacheEntry", json!({"key": key})).ok()["signed_upload_url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn download_url(&self, key: &str) -> String {
        let answer = self.cache("GetCacheEntryDownloadURL", json!({"key": key})).ok();
        answer["signed_download_url"].as_str().expect("a hit").to_owned()
    }

    pub(crate) fn put_blob(&self, url: &str, content: &[u8]) -> Answer {
        let answer = Http::new(self.addr).send("PUT", target(url), &[("x-ms-blob-type", "BlockBlob")], content);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer
    }

    pub(crate) fn blob(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Http::new(self.addr).send(method, target(url), headers, body)
    }
}

pub(crate) fn merge(into: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("not an object") };
    into.as_object_mut().unwrap().extend(fields);
}

/// Path and query of a URL of the service, wherever its host points.
pub(crate) fn target(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("no URL: {url}"));
    &rest[rest.find('/').unwrap()..]
}

/// One connection.
pub(crate) struct Http {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Http {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).unwrap(), unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !matches!(method, "GET" | "HEAD") {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        self.write(format!("{head}\r\n").as_bytes());
        self.write(body);
        self.read(method == "HEAD")
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads one answer.
    pub(crate) fn read(&mut self, headless: bool) -> Answer {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill() > 0, "the connection ended within a head");
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        if status != 100 && !headless {
            while self.unread.len() < length {
                assert!(self.fill() > 0, "the connection ended within a body");
            }
            answer.body = self.unread.drain(..length).collect();
            assert!(answer.header("x-ms-request-id").is_some_and(|id| !id.is_empty()), "{head}");
        }
        answer
    }

    fn fill(&mut self) -> usize {
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer).unwrap_or(0);
        self.unread.extend_from_slice(&buffer[..count]);
        count
    }

    /// True once the service has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && self.fill() == 0
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON of an answer that must be a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Status and Twirp code of an error, which is JSON whatever the status.
    pub(crate) fn twirp(&self) -> (u16, String) {
        let json = self.json();
        assert!(json["msg"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        (self.status, json["code"].as_str().unwrap().to_owned())
    }

    /// Status and Azure code of an error, which is XML with the code in a header too.
    pub(crate) fn azure(&self) -> (u16, String) {
        let code = self.header("x-ms-error-code").unwrap().to_owned();
        assert_eq!(self.header("content-type"), Some("application/xml"));
        assert!(self.text().contains(&format!("<Error><Code>{code}</Code>")), "{}", self.text());
        (self.status, code)
    }
}

/// Bytes that repeat nowhere near.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

/// The example that runs the control protocol.
pub(crate) fn serve_example() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let serve = deps.ancestors().nth(2).unwrap().join("examples/serve");
    assert!(serve.exists(), "{} is missing: run `cargo build -p handoff-services --examples`", serve.display());
    serve
}
