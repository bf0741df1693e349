//! `BuildKit`'s own account of a build (`--progress=rawjson`), turned into spans and into the proof of a cache hit.

use std::collections::BTreeMap;

use handoff_model::{SpanKind, StepCount};
use jiff::Timestamp;
use serde::Deserialize;

use crate::Recorder;

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
    /// The vertices that it needs; none are told of what is made from nothing.
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

/// A piece of a step's output.
#[derive(Debug, Deserialize)]
struct Log {
    vertex: String,
    /// In base64.
    #[serde(default)]
    data: String,
}

/// One vertex or status with the interval it took.
#[derive(Debug, Clone, PartialEq)]
struct Interval {
    kind: SpanKind,
    detail: String,
    start: Timestamp,
    end: Timestamp,
    bytes: Option<u64>,
}

/// What a trace says.
#[derive(Debug, Default)]
pub struct Trace {
    intervals: Vec<Interval>,
    /// Steps of the Dockerfile that were executed.
    pub executed: Vec<String>,
    /// Steps of the Dockerfile that came from a cache.
    pub cached: Vec<String>,
    /// Those executed ones that need no other vertex.
    roots: Vec<String>,
    /// Vertices that the trace tells of, preparation included: none in a trace that could not be read.
    pub vertices: usize,
    /// Why the build failed, in one line, if it did: its final error, else the client's last line.
    pub failure: String,
    /// The first line that does not read: what it said is missing here, so that no time of a build follows from the rest.
    pub unread: Option<String>,
}

/// What a vertex is, by its name. Names are `BuildKit`'s; unknown ones count as preparation, never as build.
pub fn kind_of(name: &str) -> SpanKind {
    let name = name.trim();
    BEGINNINGS.iter().find(|(start, _)| name.starts_with(start)).map_or(SpanKind::Prepare, |(_, kind)| *kind)
}

/// How names of vertices begin, with what such a vertex is: the first that fits counts.
const BEGINNINGS: [(&str, SpanKind); 12] = [
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

/// What is known of one step of the Dockerfile.
#[derive(Debug, Default)]
struct Step {
    name: String,
    /// It was told to come from a cache.
    cached: bool,
    /// Intervals in which it was at work and not told as cached.
    work: Vec<(Timestamp, Timestamp)>,
    /// Layers were pulled or unpacked under its name.
    pulled: bool,
    /// It needs another vertex: a base, the context, a step before it.
    has_inputs: bool,
}

impl Step {
    /// A cached step may be opened again to fetch what it was cached with: then layers are pulled under its name. At work
    /// without that, it was executed.
    ///
    /// Of a step without inputs (`WORKDIR` on `FROM scratch`) BuildKit tells the look into its cache as work too: the first
    /// interval, in its `CacheMap`.
    fn executed(&self) -> bool {
        let looks = usize::from(!self.has_inputs);
        !self.cached || (self.work.len() > looks && !self.pulled)
    }
}

fn is_pull(status: &str) -> bool {
    status.starts_with("sha256:") || status.starts_with("extracting")
}

/// Vertices by digest, in the order in which they were first told.
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

/// What a status is: what its own words say, else what its vertex is. Under a step only pulled layers are told apart;
/// the rest of it is the step itself.
fn status_kind(id: &str, owner: SpanKind) -> Option<SpanKind> {
    match (owner, kind_of(id)) {
        (SpanKind::Build, _) if id.starts_with("extracting") => Some(SpanKind::Unpack),
        (SpanKind::Build, _) => id.starts_with("sha256:").then_some(SpanKind::Download),
        (_, SpanKind::Prepare | SpanKind::Build) => Some(owner),
        (_, own) => Some(own),
    }
}

impl Trace {
    /// Reads a trace. Lines that are not JSON are the client's own: its last words are the build's final error. A line that is
    /// JSON but does not read is kept in `unread`.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let mut vertices = Vertices::default();
        // A vertex or status tells its end more than once: the last telling wins.
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

    /// How many steps were executed, and how many came from a cache; none where a line did not read.
    pub fn steps(&self) -> Option<StepCount> {
        let count = StepCount { executed: self.executed.len() as u64, cached: self.cached.len() as u64 };
        self.unread.is_none().then_some(count)
    }

    /// Why this is no build that had everything from the cache, if so.
    ///
    /// A Dockerfile may have no step at all (`FROM` and `ENV` alone): then nothing was executed, and that is a hit. A trace
    /// without any vertex proves nothing.
    pub fn cache_missed(&self) -> Option<String> {
        // Naming a base image executes nothing, and is told as a step all the same.
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
            "no proof of a cache hit: the build's trace is empty, so BuildKit writes it in a form that is not known here".to_owned()
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

    /// Puts the trace's intervals on a side's clock. A tarball that a builder sends is a load where it goes into the
    /// engine, and part of the export where it becomes a file.
    pub fn record(&self, recorder: &Recorder, loads: bool) {
        for i in &self.intervals {
            let kind = if i.kind == SpanKind::Load && !loads { SpanKind::Export } else { i.kind };
            recorder.record(kind, &i.detail, recorder.from_wall(i.start), recorder.from_wall(i.end), i.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
