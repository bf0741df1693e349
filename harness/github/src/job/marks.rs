//! Marks of a job on the machine's monotonic clock, one line each in one file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use handoff_model::{Span, SpanKind};
use handoff_strategies::recorder::monotonic_ns;
use serde::{Deserialize, Serialize};

use super::JOB_DIR;
use crate::{GithubError, Result};

/// Mark that starts the clock.
pub(super) const START: &str = "start";
/// Mark that stops the clock.
pub(super) const STOP: &str = "stop";

/// Mark of the start of a span, which lasts until the next mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub monotonic_ns: u64,
    pub what: String,
    pub detail: String,
}

fn file(dir: &Path) -> PathBuf {
    dir.join(JOB_DIR).join("marks.jsonl")
}

/// Writes a mark: `start`, `stop`, or the name of a span that lasts until the next mark.
///
/// # Errors
/// The name is not a span, or the file cannot be written.
pub fn mark(dir: &Path, what: &str, detail: &str) -> Result<()> {
    // The time comes first, so that the cost of the mark counts to the new span.
    let now = monotonic_ns();
    mark_at(dir, now, what, detail)
}

pub(super) fn mark_at(dir: &Path, monotonic_ns: u64, what: &str, detail: &str) -> Result<()> {
    if what != START && what != STOP {
        what.parse::<SpanKind>().map_err(GithubError::job)?;
    }
    let path = file(dir);
    let line = serde_json::to_string(&Mark { monotonic_ns, what: what.to_owned(), detail: detail.to_owned() });
    let line = line.map_err(GithubError::job)?;
    let mut marks = OpenOptions::new().create(true).append(true).open(&path).map_err(GithubError::io("open", &path))?;
    writeln!(marks, "{line}").map_err(GithubError::io("write", &path))
}

/// All marks so far.
pub(super) fn read(dir: &Path) -> Result<Vec<Mark>> {
    let path = file(dir);
    let text = fs::read_to_string(&path).map_err(GithubError::io("read", &path))?;
    let parse =
        |line: &str| serde_json::from_str(line).map_err(|e| GithubError::Job(format!("{}: {e}", path.display())));
    text.lines().map(parse).collect()
}

/// Spans on the role's clock, and the time of the `stop` mark, if there is one.
pub(super) fn spans(marks: &[Mark]) -> (Vec<Span>, Option<u64>) {
    let origin = marks.iter().find(|m| m.what == START).map_or(0, |m| m.monotonic_ns);
    let at = |m: &Mark| m.monotonic_ns.saturating_sub(origin);
    let spans = marks.windows(2).filter_map(|pair| {
        let kind: SpanKind = pair[0].what.parse().ok()?;
        Some(Span { kind, detail: pair[0].detail.clone(), start_ns: at(&pair[0]), end_ns: at(&pair[1]), bytes: None })
    });
    (spans.collect(), marks.iter().find(|m| m.what == STOP).map(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_lasts_until_the_next_mark_and_a_typo_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(JOB_DIR)).unwrap();
        for (at, what) in [(100, "start"), (110, "upload"), (150, "load"), (170, "stop")] {
            mark_at(dir.path(), at, what, "x").unwrap();
        }
        assert!(mark(dir.path(), "uplaod", "").unwrap_err().to_string().contains("upload"));
        let marks = read(dir.path()).unwrap();
        let (list, end) = spans(&marks);
        let short: Vec<_> = list.iter().map(|s| (s.kind, s.start_ns, s.end_ns)).collect();
        assert_eq!(short, [(SpanKind::Upload, 10, 50), (SpanKind::Load, 50, 70)]);
        assert_eq!(end, Some(70));
        assert_eq!(spans(&marks[..3]).1, None);
    }
}
