//! Tests with shortened traces of BuildKit.

use super::*;

const TRACE: &str = r#"{"vertexes":[{"digest":"a","name":"[internal] load build context","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z"},{"digest":"c","name":"[3/3] RUN y","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:04Z","cached":true}]}
not json
{"vertexes":[{"digest":"d","name":"exporting to image","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:09Z"}],"statuses":[{"id":"exporting layers","vertex":"d","current":0,"timestamp":"2026-01-01T00:00:06Z","started":"2026-01-01T00:00:04Z","completed":"2026-01-01T00:00:06Z"},{"id":"unpacking to docker.io/x","vertex":"d","started":"2026-01-01T00:00:06Z","completed":"2026-01-01T00:00:09Z"}]}"#;

#[test]
fn steps_exports_and_preparation_have_different_kinds() {
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
}

#[test]
fn cached_step_that_pulls_its_layer_is_not_executed() {
    let cached = r#"{"vertexes":[{"digest":"b","name":"[2/2] RUN x","inputs":["a"],"started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:01Z","cached":true}]}"#;
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
fn executed_step_or_empty_trace_is_a_cache_miss() {
    let vertex = |name: &str| {
        format!(
            r#"{{"vertexes":[{{"digest":"{name}","name":"{name}","inputs":["x"],"started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z"}}]}}"#
        )
    };
    let missed =
        |names: &[&str]| Trace::parse(&names.iter().map(|n| vertex(n)).collect::<Vec<_>>().join("\n")).cache_missed();
    assert_eq!(missed(&["[internal] load build definition from Dockerfile"]), None, "scratch and LABEL");
    assert_eq!(missed(&["[internal] load .dockerignore", "[1/1] FROM docker.io/library/base:1"]), None, "base and ENV");
    let step = missed(&["[1/2] FROM docker.io/library/base:1", "[2/2] RUN x"]);
    assert_eq!(step.as_deref(), Some("cache missed: [2/2] RUN x"));
    assert!(missed(&[]).unwrap().contains("trace is empty"));
    assert!(Trace::parse("#1 [internal] load\n#2 DONE").cache_missed().is_some(), "not the raw form");
}

#[test]
fn error_of_a_vertex_is_the_failure() {
    let line = r#"{"vertexes":[{"digest":"b","name":"[2/3] RUN x","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:04Z","error":"exit code: 1"}]}"#;
    assert_eq!(Trace::parse(line).failure, "[2/3] RUN x: exit code: 1");
}

const WORKDIR: &str = r#"{"vertexes":[{"digest":"w","name":"[1/1] WORKDIR /w"}]}
{"vertexes":[{"digest":"w","name":"[1/1] WORKDIR /w","started":"2026-11-26T14:29:05.487685714Z","completed":"2026-11-26T14:29:05.487707442Z"}]}
{"vertexes":[{"digest":"w","name":"[1/1] WORKDIR /w","started":"2026-11-26T14:29:05.488431316Z","completed":"2026-11-26T14:29:05.488493723Z"CACHED}]}"#;

#[test]
fn cache_lookup_of_a_step_without_inputs_is_not_an_execution() {
    let hit = Trace::parse(&WORKDIR.replace("CACHED", r#","cached":true"#));
    assert_eq!((hit.cache_missed(), hit.cached.len()), (None, 1));
    // The same step without the word was executed, and the reason says why no cache could have it.
    let miss = Trace::parse(&WORKDIR.replace("CACHED", "")).cache_missed().unwrap();
    assert!(miss.starts_with("cache missed: [1/1] WORKDIR /w (BuildKit exports no cache"), "{miss}");
    // A step with inputs is not looked for by work of its own: all of its work is execution.
    let needs =
        WORKDIR.replace("CACHED", r#","cached":true"#).replace(r#""digest":"w","#, r#""digest":"w","inputs":["b"],"#);
    assert_eq!(Trace::parse(&needs).cache_missed().as_deref(), Some("cache missed: [1/1] WORKDIR /w"));
}
