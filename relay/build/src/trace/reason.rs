//! Reason of a failed build in one line: the final error, its step, and the step's last output.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_model::shell::{escaped, last_lines};

/// Bytes of a step's output that are kept.
const KEPT_BYTES: usize = 8 << 10;
/// Lines of a step's output in an error.
const SHOWN_LINES: usize = 5;
/// Characters of a step's output in an error.
const SHOWN_CHARS: usize = 600;

/// Errors and outputs of a trace.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    names: BTreeMap<String, String>,
    /// Errors of vertices in the order of the trace, without those of cancelled vertices.
    errors: Vec<(String, String)>,
    /// Last bytes of each vertex's output.
    outputs: BTreeMap<String, Vec<u8>>,
    /// Final error of the client: `ERROR: failed to solve: …`.
    final_error: Option<String>,
    /// Last line of the client.
    last_line: Option<String>,
}

/// Whether a step was cancelled because another step failed, which is never the cause.
fn is_cancelled(error: &str) -> bool {
    error.starts_with("Canceled") || error.trim_end().ends_with("context canceled")
}

/// Message of the client without the prefixes of every failure.
fn bare(line: &str) -> &str {
    let mut text = line.trim();
    for prefix in ["ERROR:", "error:", "failed to build:", "failed to solve:", "rpc error: code = Unknown desc ="] {
        text = text.strip_prefix(prefix).unwrap_or(text).trim_start();
    }
    text
}

impl Reasons {
    /// Adds the name and error of a vertex.
    fn vertex(&mut self, digest: &str, name: &str, error: &str) {
        if !name.is_empty() {
            self.names.insert(digest.to_owned(), name.to_owned());
        }
        if !error.is_empty() && !is_cancelled(error) {
            self.errors.retain(|(of, _)| of != digest);
            self.errors.push((digest.to_owned(), error.to_owned()));
        }
    }

    /// Adds a part of a vertex's output.
    fn output(&mut self, digest: &str, base64: &str) {
        let Ok(bytes) = STANDARD.decode(base64) else { return };
        let kept = self.outputs.entry(digest.to_owned()).or_default();
        kept.extend(bytes);
        if kept.len() > 2 * KEPT_BYTES {
            kept.drain(..kept.len() - KEPT_BYTES);
        }
    }

    /// Adds a line of the trace.
    pub(super) fn line(&mut self, line: &super::Line) {
        for log in &line.logs {
            self.output(&log.vertex, &log.data);
        }
        for v in &line.vertexes {
            self.vertex(&v.digest, &v.name, &v.error);
        }
    }

    /// Adds a line of the client, which is not part of the trace.
    pub(super) fn plain_line(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.last_line = Some(escaped(line.trim()));
        }
        if line.trim_start().starts_with("ERROR:") {
            self.final_error = Some(bare(line).to_owned());
        }
    }

    /// Failure of a failed build in one line.
    pub(super) fn into_failure(mut self) -> String {
        let last_line = self.last_line.take();
        self.into_error().or(last_line).unwrap_or_else(|| "no reason given".to_owned())
    }

    /// Failure in one line; none if the trace has no error.
    fn into_error(self) -> Option<String> {
        let final_error = self.final_error.as_deref().filter(|error| !is_cancelled(error));
        // If several steps failed, the client's final error names the cause.
        let same = |error: &str| final_error.is_some_and(|last| last.contains(error) || error.contains(last));
        let cause = self.errors.iter().find(|(_, error)| same(error));
        let cause = cause.or_else(|| self.errors.last().filter(|_| final_error.is_none()));
        let Some((digest, error)) = cause else {
            return final_error.map(escaped);
        };
        let name = self.names.get(digest).map_or("", String::as_str);
        let mut text = escaped(&if name.is_empty() { error.clone() } else { format!("{name}: {error}") });
        let output = self.outputs.get(digest).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let output = last_lines(&output, SHOWN_LINES, SHOWN_CHARS);
        if !output.is_empty() {
            text.push_str("; its last output: ");
            text.push_str(&output);
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: &str = r#"failed to calculate checksum of ref ab::cd: "/busybox": not found"#;
    const CANCELLED: &str = "context canceled";

    fn reason(reports: &[(&str, &str, &str)], last_words: &str) -> Option<String> {
        let mut reasons = Reasons::default();
        for (digest, name, error) in reports {
            reasons.vertex(digest, name, error);
        }
        reasons.plain_line(last_words);
        reasons.into_error()
    }

    #[test]
    fn cancelled_step_is_never_the_cause() {
        let missing = ("a", "[1/3] COPY busybox /bin/busybox", MISSING);
        let cancelled = ("a", "[1/3] COPY busybox /bin/busybox", CANCELLED);
        let other = ("b", "[internal] load build context", CANCELLED);
        let last = format!("ERROR: failed to build: failed to solve: {MISSING}");
        let expected = format!("[1/3] COPY busybox /bin/busybox: {MISSING}");
        for reports in [
            [missing, cancelled, other],
            [missing, other, cancelled],
            [cancelled, missing, other],
            [cancelled, other, missing],
            [other, missing, cancelled],
            [other, cancelled, missing],
        ] {
            assert_eq!(reason(&reports, &last).as_deref(), Some(expected.as_str()), "{reports:?}");
            assert_eq!(
                reason(&reports, "").as_deref(),
                Some(expected.as_str()),
                "{reports:?}, the client said nothing"
            );
            let said = reason(&reports, "ERROR: failed to solve: Canceled: context canceled");
            assert_eq!(said.as_deref(), Some(expected.as_str()), "{reports:?}, the client was cancelled too");
        }
        // Where the step itself was only cancelled, the build's final error is the reason.
        assert_eq!(reason(&[cancelled, other], &last).as_deref(), Some(MISSING));
        assert_eq!(reason(&[cancelled], ""), None);
    }

    #[test]
    fn failure_of_two_steps_names_that_of_the_final_error() {
        let reports = [("a", "[a 1/1] RUN x", "exit code: 3"), ("b", "[b 1/1] RUN y", "exit code: 4")];
        let last = "ERROR: failed to build: failed to solve: process \"x\" did not complete successfully: exit code: 3";
        assert_eq!(reason(&reports, last).as_deref(), Some("[a 1/1] RUN x: exit code: 3"));
    }

    #[test]
    fn failed_step_shows_its_last_output_in_one_bounded_line() {
        let mut reasons = Reasons::default();
        reasons.vertex("a", "[2/2] RUN make", "exit code: 1");
        let long = "x".repeat(40_000);
        for piece in [long.as_str(), "\none\ntwo\n", "\u{1b}[31mthree\u{1b}[0m\r\nfo", "ur\nfive\nsix\n"] {
            reasons.output("a", &STANDARD.encode(piece));
        }
        reasons.output("b", &STANDARD.encode("another step's"));
        let error = reasons.into_error().unwrap();
        assert_eq!(
            error,
            r"[2/2] RUN make: exit code: 1; its last output: two | \u{1b}[31mthree\u{1b}[0m | four | five | six"
        );
    }
}
