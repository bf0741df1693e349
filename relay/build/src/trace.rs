//! Trace of a build by `BuildKit` (`--progress=rawjson`), as spans and as proof of a cache hit.

use std::collections::BTreeMap;

use handoff_model::{SpanKind, StepCount};
use jiff::Timestamp;
use serde::Deserialize;

mod follow;
mod reason;

pub use follow::Follower;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    vertexes: Vec<Vertex>,
    statuses: Vec<Status>,
    logs: Vec<Log>,
}

#[derive(Debug, Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    /// Digests of the vertices that it needs; empty for a step on `FROM scratch`.
    #[serde(default)]
    inputs: Vec<String>,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Deserialize)]
struct Status {
    id: String,
    vertex: String,
    #[serde(default)]
    current: i64,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
}

/// Part of a step's output.
#[derive(Debug, Deserialize)]
struct Log {
    vertex: String,
    /// In base64.
    #[serde(default)]
    data: String,
}

/// Interval of a vertex or status, on the builder's wall clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Kind.
    pub kind: SpanKind,
    /// Name of the vertex or status.
    pub detail: String,
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// Moved bytes.
    pub bytes: Option<u64>,
}

/// Steps and intervals of a build.
#[derive(Debug, Default)]
pub struct Trace {
    intervals: Vec<Interval>,
    /// Executed steps of the Dockerfile.
    pub executed: Vec<String>,
    /// Steps of the Dockerfile that came from a cache.
    pub cached: Vec<String>,
    /// Executed steps that need no other vertex.
    roots: Vec<String>,
    /// Number of vertices, including preparation; 0 for a trace in an unknown form.
    pub vertices: usize,
    /// Error of a failed build in one line: its final error, else the client's last line.
    pub failure: String,
    /// First unreadable line, which makes the build time unknown.
    pub unread: Option<String>,
}

/// Kind of a vertex by its name in `BuildKit`. Unknown names are preparation, never build.
pub fn kind_of(name: &str) -> SpanKind {
    let name = name.trim();
    PREFIXES.iter().find(|(start, _)| name.starts_with(start)).map_or(SpanKind::Prepare, |(_, kind)| *kind)
}

/// Prefixes of the names of vertices, with their kinds: the first match counts.
const PREFIXES: [(&str, SpanKind); 12] = [
    ("[internal]", SpanKind::Prepare),
    ("[auth]", SpanKind::Prepare),
    ("[", SpanKind::Build),
    ("exporting cache", SpanKind::CacheExport),
    ("exporting to GitHub", SpanKind::CacheExport),
    ("preparing build cache", SpanKind::CacheExport),
    ("exporting", SpanKind::Export),
    ("importing to docker", SpanKind::Load),
    ("sending tarball", SpanKind::Load),
    ("loading", SpanKind::Load),
    ("pushing", SpanKind::Upload),
    ("unpacking", SpanKind::Unpack),
];

/// Step of the Dockerfile.
#[derive(Debug, Default)]
struct Step {
    name: String,
    /// Whether the trace reports the step as cached.
    cached: bool,
    /// Intervals of work that the trace does not report as cached.
    work: Vec<(Timestamp, Timestamp)>,
    /// Whether layers were pulled or unpacked under the step's name.
    pulled: bool,
    /// Whether the step needs another vertex: a base, the context, or an earlier step.
    has_inputs: bool,
}

impl Step {
    /// Whether the step was executed. A cached step may start again to pull its layers; work without a pull is execution.
    ///
    /// For a step without inputs (`WORKDIR` on `FROM scratch`), BuildKit also reports the cache look-up as work: the first
    /// interval, in its `CacheMap`.
    fn executed(&self) -> bool {
        let lookups = usize::from(!self.has_inputs);
        !self.cached || (self.work.len() > lookups && !self.pulled)
    }
}

fn is_pull(status: &str) -> bool {
    status.starts_with("sha256:") || status.starts_with("extracting")
}

/// Vertices by digest, in the order of their first appearance.
#[derive(Debug, Default)]
struct Vertices {
    names: BTreeMap<String, String>,
    steps: Vec<(String, Step)>,
}

impl Vertices {
    fn kind(&self, digest: &str) -> SpanKind {
        self.names.get(digest).map_or(SpanKind::Prepare, |name| kind_of(name))
    }

    fn step(&mut self, digest: &str) -> &mut Step {
        let at = self.steps.iter().position(|(d, _)| d == digest).unwrap_or_else(|| {
            let name = self.names.get(digest).cloned().unwrap_or_default();
            self.steps.push((digest.to_owned(), Step { name, ..Step::default() }));
            self.steps.len() - 1
        });
        &mut self.steps[at].1
    }
}

/// Kind of a status by its own id, else of its vertex. Within a step, only pulled and unpacked layers have their own kind.
fn status_kind(id: &str, owner: SpanKind) -> Option<SpanKind> {
    match (owner, kind_of(id)) {
        (SpanKind::Build, _) if id.starts_with("extracting") => Some(SpanKind::Unpack),
        (SpanKind::Build, _) => id.starts_with("sha256:").then_some(SpanKind::Download),
        (_, SpanKind::Prepare | SpanKind::Build) => Some(owner),
        (_, kind) => Some(kind),
    }
}

impl Trace {
    /// Reads a trace. Lines that are not JSON are messages of the client, of which the last is the build's final error.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let mut vertices = Vertices::default();
        // The trace reports the end of a vertex or status repeatedly: the last report counts.
        let mut others: BTreeMap<(String, Timestamp), Interval> = BTreeMap::new();
        let mut statuses: BTreeMap<(String, String), Interval> = BTreeMap::new();
        let mut reasons = reason::Reasons::default();
        for (number, text) in text.lines().enumerate() {
            if !text.starts_with('{') {
                reasons.plain_line(text);
                continue;
            }
            let line = match serde_json::from_str::<Line>(text) {
                Ok(line) => line,
                Err(error) => {
                    trace.unread.get_or_insert_with(|| format!("line {} of BuildKit's trace: {error}", number + 1));
                    continue;
                }
            };
            reasons.line(&line);
            for v in line.vertexes {
                if !v.name.is_empty() {
                    vertices.names.insert(v.digest.clone(), v.name.clone());
                }
                let kind = vertices.kind(&v.digest);
                if kind == SpanKind::Build && !v.inputs.is_empty() {
                    vertices.step(&v.digest).has_inputs = true;
                }
                let (Some(start), Some(end)) = (v.started, v.completed) else { continue };
                if kind != SpanKind::Build {
                    let detail = vertices.names.get(&v.digest).cloned().unwrap_or_default();
                    others.insert((v.digest, start), Interval { kind, detail, start, end, bytes: None });
                } else if v.cached {
                    vertices.step(&v.digest).cached = true;
                } else {
                    let step = vertices.step(&v.digest);
                    step.work.retain(|(s, _)| *s != start);
                    step.work.push((start, end));
                }
            }
            for s in line.statuses {
                let owner = vertices.kind(&s.vertex);
                if owner == SpanKind::Build && is_pull(&s.id) {
                    vertices.step(&s.vertex).pulled = true;
                }
                let (Some(start), Some(end), Some(kind)) = (s.started, s.completed, status_kind(&s.id, owner)) else {
                    continue;
                };
                let bytes = u64::try_from(s.current).ok().filter(|bytes| *bytes > 0);
                statuses.insert((s.vertex, s.id.clone()), Interval { kind, detail: s.id, start, end, bytes });
            }
        }
        trace.vertices = vertices.names.len();
        trace.failure = reasons.into_failure();
        trace.intervals = others.into_values().chain(statuses.into_values()).collect();
        for (_, step) in vertices.steps {
            trace.add_step(step);
        }
        trace
    }

    /// Numbers of executed and cached steps; none after an unreadable line.
    pub fn steps(&self) -> Option<StepCount> {
        let count = StepCount { executed: self.executed.len() as u64, cached: self.cached.len() as u64 };
        self.unread.is_none().then_some(count)
    }

    /// Reason why the build is not a proven cache hit, if any.
    ///
    /// A Dockerfile without steps (`FROM` and `ENV` only) is a hit. A trace without vertices proves nothing.
    pub fn cache_missed(&self) -> Option<String> {
        // `FROM` appears as a step although it executes nothing.
        if let Some(step) = self.executed.iter().find(|step| !step.contains("] FROM ")) {
            let why = if self.roots.contains(step) {
                " (BuildKit exports no cache of a step that is made from nothing, such as WORKDIR on FROM scratch: it runs in every job; \
                 strategies that move the image have no such limit)"
            } else {
                ""
            };
            return Some(format!("cache missed: {step}{why}"));
        }
        (self.vertices == 0).then(|| {
            "no proof of a cache hit: the build's trace is empty, because this version of BuildKit writes an unknown form".to_owned()
        })
    }

    fn add_step(&mut self, step: Step) {
        let executed = step.executed();
        let kind = if executed { SpanKind::Build } else { SpanKind::Download };
        for (start, end) in step.work {
            self.intervals.push(Interval { kind, detail: step.name.clone(), start, end, bytes: None });
        }
        if executed && !step.has_inputs {
            self.roots.push(step.name.clone());
        }
        if executed { self.executed.push(step.name) } else { self.cached.push(step.name) }
    }

    /// Intervals of the build. Sending a tarball is a load if the engine gets it (`loads`), else part of the export.
    pub fn intervals(&self, loads: bool) -> impl Iterator<Item = Interval> {
        self.intervals.iter().map(move |interval| {
            let kind = if interval.kind == SpanKind::Load && !loads { SpanKind::Export } else { interval.kind };
            Interval { kind, ..interval.clone() }
        })
    }
}

#[cfg(test)]
mod tests;
