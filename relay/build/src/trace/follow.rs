//! Live output of a build: its steps and their output as lines, and the reason of a failure.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_model::shell::escaped;

use super::Line;
use super::reason::Reasons;

/// Line-by-line reader of a build's trace, which keeps only what a failure shows.
#[derive(Debug, Default)]
pub struct Follower {
    reasons: Reasons,
    /// Vertices whose start (false) or end (true) was shown.
    shown: BTreeSet<(String, bool)>,
}

impl Follower {
    /// Lines for the terminal from a line of the trace.
    pub fn line(&mut self, text: &str) -> Vec<String> {
        let Some(line) = text.starts_with('{').then(|| serde_json::from_str::<Line>(text).ok()).flatten() else {
            self.reasons.plain_line(text);
            return vec![escaped(text.trim_end())];
        };
        self.reasons.line(&line);
        let mut lines = Vec::new();
        for vertex in line.vertexes.iter().filter(|v| !v.name.is_empty() && v.started.is_some()) {
            if self.shown.insert((vertex.digest.clone(), false)) {
                lines.push(escaped(&vertex.name));
            }
            if vertex.completed.is_some() && self.shown.insert((vertex.digest.clone(), true)) {
                let end = if vertex.cached {
                    "cached".to_owned()
                } else if vertex.error.is_empty() {
                    continue;
                } else {
                    format!("error: {}", vertex.error)
                };
                lines.push(escaped(&format!("{}: {end}", vertex.name)));
            }
        }
        for log in line.logs {
            let bytes = STANDARD.decode(&log.data).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            lines
                .extend(text.split(['\n', '\r']).filter(|l| !l.trim().is_empty()).map(|l| format!("  {}", escaped(l))));
        }
        lines
    }

    /// Reason of the failure in one line: the final error, else the client's last line.
    pub fn into_failure(self) -> String {
        self.reasons.into_failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    const FAILED_RUN: [&str; 4] = [
        r#"{"vertexes":[{"digest":"a","name":"[2/2] RUN make","started":"2026-01-01T00:00:00Z"}]}"#,
        r#"{"logs":[{"vertex":"a","data":"bm8gcnVsZQ=="}]}"#,
        r#"{"vertexes":[{"digest":"a","name":"[2/2] RUN make","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z","error":"process \"make\" did not complete successfully: exit code: 2"}]}"#,
        r#"ERROR: failed to build: failed to solve: process "make" did not complete successfully: exit code: 2"#,
    ];

    #[test]
    fn each_step_is_shown_once_and_the_failure_quotes_its_output() {
        let mut follower = Follower::default();
        let shown: Vec<String> = FAILED_RUN.iter().flat_map(|line| follower.line(line)).collect();
        assert_eq!(shown[..2], ["[2/2] RUN make", "  no rule"]);
        assert_eq!(shown.len(), 4, "{shown:?}");
        let failure = follower.into_failure();
        assert!(failure.starts_with("[2/2] RUN make: process \"make\""), "{failure}");
        assert!(failure.ends_with("its last output: no rule"), "{failure}");
        assert_eq!(Trace::parse(&FAILED_RUN.join("\n")).failure, failure);
    }

    #[test]
    fn failure_without_a_trace_is_the_client_s_last_line() {
        assert_eq!(Trace::parse("\nunknown flag: --output\n\n").failure, "unknown flag: --output");
        assert_eq!(Trace::parse("").failure, "no reason given");
    }
}
