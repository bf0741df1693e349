//! `BuildKit`'s own account of a build (`--progress=rawjson`), turned into spans and into the proof of a cache hit.

use std::collections::BTreeMap;

use handoff_model::{SpanKind, StepCount};
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
    current: i64,
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
    /// The first line that does not read: what it said is missing here, so that no time of a build follows from the rest.
    pub unread: Option<String>,
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
    } else if name.starts_with("pushing") {
        SpanKind::Upload
    } else if name.starts_with("unpacking") {
        SpanKind::Unpack
    } else {
        SpanKind::Prepare
    }
}

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
}

impl Step {
    /// A cached step may be opened again to fetch what it was cached with: then layers are pulled under its name. At work
    /// without that, it was executed.
    fn executed(&self) -> bool {
        !self.cached || (!self.work.is_empty() && !self.pulled)
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
    /// Reads a trace. Lines that are not JSON (warnings of the client) are passed over; one that is, but does not read, is kept in
    /// `unread`.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let mut vertices = Vertices::default();
        // A vertex or status tells its end more than once: the last telling wins.
        let mut others: BTreeMap<(String, Timestamp), Interval> = BTreeMap::new();
        let mut statuses: BTreeMap<(String, String), Interval> = BTreeMap::new();
        for (number, text) in text.lines().enumerate().filter(|(_, line)| line.starts_with('{')) {
            let line = match serde_json::from_str::<Line>(text) {
                Ok(line) => line,
                Err(error) => {
                    trace.unread.get_or_insert_with(|| format!("line {} of BuildKit's trace: {error}", number + 1));
                    continue;
                }
            };
            for v in line.vertexes {
                if !v.name.is_empty() {
                    vertices.names.insert(v.digest.clone(), v.name.clone());
                }
                if !v.error.is_empty() {
                    trace.error = Some(format!("{}: {}", v.name, v.error));
                }
                let (Some(start), Some(end)) = (v.started, v.completed) else { continue };
                let kind = vertices.kind(&v.digest);
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

    fn add_step(&mut self, step: Step) {
        let executed = step.executed();
        let kind = if executed { SpanKind::Build } else { SpanKind::Download };
        for (start, end) in step.work {
            self.intervals.push(Interval { kind, detail: step.name.clone(), start, end, bytes: None });
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
                (SpanKind::Export, "exporting to image"),
                (SpanKind::Export, "exporting layers"),
                (SpanKind::Unpack, "unpacking to docker.io/x"),
                (SpanKind::Build, "[2/3] RUN x"),
            ]
        );
    }

    #[test]
    fn steps_of_a_trace_with_an_unreadable_line_are_unknown() {
        assert_eq!(Trace::parse(TRACE).steps(), Some(StepCount { executed: 1, cached: 1 }));
        let odd = TRACE.replacen("\"digest\":\"b\"", "\"digest\":7", 1);
        let trace = Trace::parse(&odd);
        assert_eq!((trace.steps(), trace.executed.len()), (None, 1));
        let unread = trace.unread.unwrap();
        assert!(unread.starts_with("line 2 of BuildKit's trace: invalid type"), "{unread}");
        let recorder = Recorder::start();
        recorder.count_steps(Some(StepCount { executed: 1, cached: 0 }));
        recorder.count_steps(None);
        recorder.count_steps(Some(StepCount { executed: 1, cached: 0 }));
        assert_eq!(recorder.steps(), None);
    }

    #[test]
    fn a_cached_step_that_is_opened_again_to_pull_its_layer_is_not_executed() {
        let cached = r#"{"vertexes":[{"digest":"b","name":"[2/2] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:01Z","cached":true}]}"#;
        let again = r#"{"vertexes":[{"digest":"b","name":"[2/2] RUN x","started":"2026-01-01T00:00:02Z","completed":"2026-01-01T00:00:05Z"}]}"#;
        let pull = r#"{"statuses":[{"id":"sha256:ab","vertex":"b","current":7,"started":"2026-01-01T00:00:03Z","completed":"2026-01-01T00:00:04Z"}]}"#;
        let hit = Trace::parse(&[cached, again, pull].join("\n"));
        assert_eq!((hit.executed.len(), hit.cached.len()), (0, 1));
        assert!(hit.intervals.iter().all(|i| i.kind == SpanKind::Download), "{:?}", hit.intervals);
        assert_eq!(hit.intervals.iter().filter_map(|i| i.bytes).sum::<u64>(), 7);
        // Without a pull the step was at work itself: a blob was missing and the step ran again.
        let miss = Trace::parse(&[cached, again].join("\n"));
        assert_eq!(miss.executed, ["[2/2] RUN x"]);
    }

    #[test]
    fn an_error_of_a_vertex_is_kept() {
        let line = r#"{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z","error":"exit code: 1"}]}"#;
        assert_eq!(Trace::parse(line).error.unwrap(), "[2/3] RUN x: exit code: 1");
    }
}
