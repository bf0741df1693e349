//! A stand-in of the GitHub REST endpoints that `dispatch`, `collect` and `clean` call, on loopback.
//!
//! Fields, paths and codes are those of GitHub's published description (<https://docs.github.com/rest/actions>), as far as they are
//! read here. What a run leaves is made by the test: GitHub's part is to keep it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub body: Value,
}

/// Wrong answer, given once.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status with headers and a message.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// The connection ends without an answer.
    Reset,
    /// An answer that is no JSON.
    Garbage,
}

/// An artifact of a run.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub name: String,
    pub zip: Vec<u8>,
    pub expired: bool,
}

/// State of the GitHub server.
#[derive(Default)]
pub struct State {
    /// Every request, in order; those to the host of the blobs as well.
    pub seen: Vec<Seen>,
    /// Faults for requests whose method and path begin like this.
    pub faults: Vec<(&'static str, &'static str, Fault)>,
    /// Polls of the run until it ends, and its conclusion.
    pub looks: usize,
    pub conclusion: &'static str,
    pub jobs: Vec<Value>,
    pub artifacts: Vec<Artifact>,
    pub caches: Vec<(u64, String)>,
    /// Runs: those that were there before, and those that a dispatch made.
    pub runs: Vec<u64>,
    /// Whether a dispatch says which run it made, as GitHub does, or not, as older servers do.
    pub tells_run: bool,
    pub deleted: Vec<String>,
    blobs: BTreeMap<String, Vec<u8>>,
}

/// The number of the run that a dispatch makes first.
pub const RUN: u64 = 4711;

/// Both servers: the API, and the host that blobs are fetched from.
pub struct GitHub {
    pub api: String,
    state: Arc<Mutex<State>>,
}

impl GitHub {
    pub fn new() -> Self {
        let state =
            Arc::new(Mutex::new(State { conclusion: "success", tells_run: true, runs: vec![7], ..State::default() }));
        let blobs = serve(state.clone(), |state, seen| {
            let found = state.blobs.get(&seen.path).cloned();
            found.map_or_else(|| reply(404, &[], b"no such blob"), |bytes| reply(200, &[], &bytes))
        });
        let api = serve(state.clone(), move |state, seen| answer(state, seen, &blobs));
        Self { api, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Requests whose method and path begin like this.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.state().seen.iter().filter(|s| s.method == method && s.path.starts_with(path)).count()
    }
}

/// A job as the API describes it, created at noon and started `waited` seconds later.
pub fn job(name: &str, waited: u32, conclusion: &str) -> Value {
    json!({
        "name": name, "status": "completed", "conclusion": conclusion,
        "created_at": "2026-01-01T12:00:00Z", "started_at": format!("2026-01-01T12:00:{waited:02}Z"),
    })
}

/// Answers one request a connection, each on a thread of its own.
fn serve(state: Arc<Mutex<State>>, handle: impl Fn(&mut State, &Seen) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (state, handle) = (state.clone(), handle.clone());
            std::thread::spawn(move || {
                let mut connection = connection;
                let Some(seen) = read(&mut connection) else { return };
                let mut state = state.lock().unwrap();
                state.seen.push(seen.clone());
                let answer = match fault(&mut state, &seen) {
                    Some(Fault::Reset) => return,
                    Some(Fault::Garbage) => reply(200, &[], b"<html>nothing"),
                    Some(Fault::Answer(status, headers, message)) => {
                        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                        reply(status, &headers, json!({ "message": message }).to_string().as_bytes())
                    }
                    None => handle(&mut state, &seen),
                };
                let _ = connection.write_all(&answer);
            });
        }
    });
    at
}

fn fault(state: &mut State, seen: &Seen) -> Option<Fault> {
    let place = state.faults.iter().position(|(m, p, _)| *m == seen.method && seen.path.starts_with(p))?;
    Some(state.faults.remove(place).2)
}

fn read(connection: &mut TcpStream) -> Option<Seen> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut first = head.lines().next()?.split(' ');
    let header = |name: &str| {
        let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let mut body = vec![0; header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0)];
    connection.read_exact(&mut body).ok()?;
    Some(Seen {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        token: header("authorization"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn json_reply(value: &Value) -> Vec<u8> {
    reply(200, &[("content-type", "application/json")], value.to_string().as_bytes())
}

/// A page of a list, as the API cuts it.
fn page(entries: &[Value], key: &str, query: &str) -> Vec<u8> {
    let number = |name: &str, default: usize| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.and_then(|v| v.parse().ok()).unwrap_or(default)
    };
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let part: Vec<Value> = entries.iter().skip((page - 1) * size).take(size).cloned().collect();
    let mut answer = json!({ "total_count": entries.len() });
    answer[key] = part.into();
    json_reply(&answer)
}

fn answer(state: &mut State, seen: &Seen, blobs: &str) -> Vec<u8> {
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let Some(rest) = path.strip_prefix("/repos/you/handoff") else {
        return reply(404, &[], br#"{"message":"Not Found"}"#);
    };
    let parts: Vec<&str> = rest.split('/').filter(|p| !p.is_empty()).collect();
    let run = |state: &State, id: u64| {
        let ended = state.looks == 0;
        json!({
            "id": id, "html_url": format!("https://github.com/you/handoff/actions/runs/{id}"), "event": "workflow_dispatch",
            "status": if ended { "completed" } else { "in_progress" },
            "conclusion": if ended { Value::from(state.conclusion) } else { Value::Null },
        })
    };
    match (seen.method.as_str(), &parts[..]) {
        ("GET", []) => json_reply(&json!({ "default_branch": "trunk" })),
        ("GET", ["actions", "workflows", "handoff.yml", "runs"]) => {
            let runs: Vec<Value> = state.runs.iter().rev().map(|id| run(state, *id)).collect();
            page(&runs, "workflow_runs", query)
        }
        ("POST", ["actions", "workflows", "handoff.yml", "dispatches"]) => {
            let id = RUN + state.runs.len() as u64 - 1;
            state.runs.push(id);
            if state.tells_run && seen.body["return_run_details"] == true {
                return json_reply(&json!({ "workflow_run_id": id, "run_url": "", "html_url": "" }));
            }
            reply(204, &[], b"")
        }
        ("GET", ["actions", "runs", id]) => {
            let id: u64 = id.parse().unwrap();
            if !state.runs.contains(&id) {
                return reply(404, &[], br#"{"message":"Not Found"}"#);
            }
            let answer = json_reply(&run(state, id));
            state.looks = state.looks.saturating_sub(1);
            answer
        }
        ("GET", ["actions", "runs", _, "jobs"]) => page(&state.jobs, "jobs", query),
        ("GET", ["actions", "runs", _, "artifacts"]) => {
            let named = query.split('&').find_map(|pair| pair.strip_prefix("name="));
            let entry = |(id, a): (usize, &Artifact)| json!({ "id": id, "name": a.name, "expired": a.expired });
            let all = state.artifacts.iter().enumerate();
            let all: Vec<Value> = all.filter(|(_, a)| named.is_none_or(|n| n == a.name)).map(entry).collect();
            page(&all, "artifacts", query)
        }
        ("GET", ["actions", "artifacts", id, "zip"]) => {
            let zip = state.artifacts[id.parse::<usize>().unwrap()].zip.clone();
            let at = format!("/signed/{id}?sig=x");
            state.blobs.insert(at.clone(), zip);
            reply(302, &[("location", &format!("{blobs}{at}"))], b"")
        }
        ("GET", ["actions", "caches"]) => {
            let all: Vec<Value> = state.caches.iter().map(|(id, key)| json!({ "id": id, "key": key })).collect();
            page(&all, "actions_caches", query)
        }
        ("DELETE", ["actions", kind @ ("artifacts" | "caches"), id]) => {
            state.deleted.push(format!("{kind}/{id}"));
            reply(204, &[], b"")
        }
        _ => reply(404, &[], br#"{"message":"Not Found"}"#),
    }
}
