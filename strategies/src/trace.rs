//! `BuildKit`'s own account of a build (`--progress=rawjson`), turned into spans and into the proof of a cache hit.

use std::collections::BTreeMap;

use handoff_model::SpanKind;
use jiff::Timestamp;
use serde::Deserialize;

use crate::Recorder;

#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    vertexes: Vec<Vertex>,
    #[serde(default)]
    statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
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
    current: u64,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
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
    /// The last error of a vertex.
    pub error: Option<String>,
}

/// What a vertex is, by its name. Names are `BuildKit`'s; unknown ones count as preparation, never as build.
pub fn kind_of(name: &str) -> SpanKind {
    let name = name.trim();
    if name.starts_with("[internal]") || name.starts_with("[auth]") {
        SpanKind::Prepare
    } else if name.starts_with('[') {
        SpanKind::Build
    } else if name.starts_with("exporting cache")
        || name.starts_with("exporting to GitHub")
        || name.starts_with("preparing build cache")
    {
        SpanKind::CacheExport
    } else if name.starts_with("exporting") {
        SpanKind::Export
    } else if name.starts_with("importing to docker")
        || name.starts_with("sending tarball")
        || name.starts_with("loading")
    {
        SpanKind::Load
    } else if name.starts_with("unpacking") {
        SpanKind::Unpack
    } else {
        SpanKind::Prepare
    }
}

impl Trace {
    /// Reads a trace. Lines that are not JSON (warnings of the client) are passed over.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        // A vertex tells its end more than once; keyed by start, the last telling wins.
        let mut vertexes: BTreeMap<(String, Timestamp), Interval> = BTreeMap::new();
        let mut statuses: BTreeMap<(String, String), Interval> = BTreeMap::new();
        let mut steps: BTreeMap<String, (String, bool)> = BTreeMap::new();
        for line in text.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok()) {
            for v in line.vertexes {
                if !v.name.is_empty() {
                    names.insert(v.digest.clone(), v.name.clone());
                }
                if !v.error.is_empty() {
                    trace.error = Some(format!("{}: {}", v.name, v.error));
                }
                let name = names.get(&v.digest).cloned().unwrap_or_default();
                let kind = kind_of(&name);
                let (Some(start), Some(end)) = (v.started, v.completed) else { continue };
                if kind == SpanKind::Build {
                    let step = steps.entry(v.digest.clone()).or_insert((name.clone(), true));
                    step.1 &= v.cached;
                }
                if !(kind == SpanKind::Build && v.cached) {
                    let key = (v.digest.clone(), start);
                    vertexes.insert(key, Interval { kind, detail: name, start, end, bytes: None });
                }
            }
            for s in line.statuses {
                let (Some(start), Some(end)) = (s.started, s.completed) else { continue };
                let owner = names.get(&s.vertex).map_or(SpanKind::Prepare, |n| kind_of(n));
                let kind = match kind_of(&s.id) {
                    SpanKind::Prepare => owner,
                    own => own,
                };
                // Pulling layers of an imported cache is told under the step that they belong to: no step was executed.
                let (kind, detail) = if s.id.starts_with("sha256:") || s.id.starts_with("extracting") {
                    let kind = if s.id.starts_with("extracting") { SpanKind::Unpack } else { SpanKind::Download };
                    (if owner == SpanKind::Build { kind } else { owner }, s.id.clone())
                } else {
                    (kind, s.id.clone())
                };
                if kind == SpanKind::Build || s.id.starts_with("sha256:") && kind == SpanKind::Prepare {
                    continue;
                }
                let bytes = (s.current > 0).then_some(s.current);
                statuses.insert((s.vertex, s.id), Interval { kind, detail, start, end, bytes });
            }
        }
        for (name, cached) in steps.into_values() {
            if cached { trace.cached.push(name) } else { trace.executed.push(name) }
        }
        trace.intervals = vertexes.into_values().chain(statuses.into_values()).collect();
        trace
    }

    /// Puts the trace's intervals on a side's clock.
    pub fn record(&self, recorder: &Recorder) {
        for i in &self.intervals {
            recorder.record(i.kind, &i.detail, recorder.from_wall(i.start), recorder.from_wall(i.end), i.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"{"vertexes":[{"digest":"a","name":"[internal] load build context","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z"},{"digest":"c","name":"[3/3] RUN y","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:04Z","cached":true}]}
not json
{"vertexes":[{"digest":"d","name":"exporting to image","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:09Z"}],"statuses":[{"id":"exporting layers","vertex":"d","current":0,"timestamp":"2026-01-01T00:00:06Z","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:06Z"},{"id":"unpacking to docker.io/x","vertex":"d","started":"2026-01-01T00:00:06Z","completed":"2026-01-01T00:00:09Z"}]}"#;

    #[test]
    fn steps_exports_and_preparation_are_told_apart() {
        let trace = Trace::parse(TRACE);
        assert_eq!((trace.executed, trace.cached), (vec!["[2/3] RUN x".to_owned()], vec!["[3/3] RUN y".to_owned()]));
        let kinds: Vec<(SpanKind, &str)> = trace.intervals.iter().map(|i| (i.kind, i.detail.as_str())).collect();
        assert_eq!(
            kinds,
            [
                (SpanKind::Prepare, "[internal] load build context"),
                (SpanKind::Build, "[2/3] RUN x"),
                (SpanKind::Export, "exporting to image"),
                (SpanKind::Export, "exporting layers"),
                (SpanKind::Unpack, "unpacking to docker.io/x"),
            ]
        );
    }

    #[test]
    fn an_error_of_a_vertex_is_kept() {
        let line = r#"{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z","error":"exit code: 1"}]}"#;
        assert_eq!(Trace::parse(line).error.unwrap(), "[2/3] RUN x: exit code: 1");
    }
}
