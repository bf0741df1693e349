//! Outputs of a step, and its summary.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use crate::error::one_line;
use crate::print::mib;
use crate::report::{Report, Route};
use crate::{Command, Error};

/// End of a command, for its outputs and its summary.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) command: Command,
    pub(crate) name: &'a str,
    pub(crate) report: &'a Report,
    pub(crate) error: Option<&'a Error>,
    pub(crate) seconds: f64,
}

/// Value of an output in one line: a line break in it would begin another output.
fn output(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}={}", one_line(value));
}

impl End<'_> {
    /// Text for the file of outputs, outcome first: a step that fails has it too.
    pub(crate) fn outputs(&self) -> String {
        let mut text = String::new();
        output(&mut text, "outcome", self.error.map_or("success", Error::outcome));
        if let Some(error) = self.error {
            output(&mut text, "reason", &error.line());
        }
        let images = &self.report.images;
        let joined =
            |part: fn(&crate::report::ImageDigest) -> &str| images.iter().map(part).collect::<Vec<_>>().join(",");
        output(&mut text, "image", &joined(|i| &i.image));
        output(&mut text, "digest", &joined(|i| &i.digest));
        output(&mut text, "images", &serde_json::to_string(images).unwrap_or_else(|_| "[]".to_owned()));
        output(&mut text, "bytes", &self.report.bytes.to_string());
        output(&mut text, "seconds", &format!("{:.1}", self.seconds));
        text
    }

    /// Three lines of Markdown.
    pub(crate) fn summary(&self) -> String {
        let code = |text: &str| format!("`{}`", one_line(text).replace('`', "'"));
        let names: Vec<_> = self.report.images.iter().map(|i| code(&i.image)).collect();
        let what = if names.is_empty() { String::new() } else { format!(" {}", names.join(", ")) };
        let done = self.command.done();
        let name = code(self.name);
        if let Some(error) = self.error {
            let begun = format!("{} of {} after {:.1} s", mib(self.report.bytes), name, self.seconds);
            return format!("**Handoff:** not {done}{what}\n- {}\n- {begun}\n", code(&error.line()));
        }
        let rate = mib((self.report.bytes as f64 / self.seconds.max(0.1)) as u64);
        let mut how = format!("{} in {:.1} s ({rate}/s), as {name}", mib(self.report.bytes), self.seconds);
        if self.report.reused_bytes > 0 {
            let _ = write!(how, "; {} were stored already", mib(self.report.reused_bytes));
        }
        match self.report.import {
            Some(Route::Import) => how.push_str("; imported into the engine's store"),
            Some(Route::Pull) => how.push_str("; pulled by the engine"),
            None => {}
        }
        if let Some(steps) = self.report.steps {
            let _ = write!(how, "; build steps: {} executed, {} cached", steps.executed, steps.cached);
        }
        let digests: Vec<_> = self.report.images.iter().map(|i| code(&i.digest)).collect();
        format!("**Handoff:** {done}{what}\n- {how}\n- {}\n", digests.join(", "))
    }
}

/// Appends to a file that another step may have begun.
pub(crate) fn append(option: &str, path: &Path, text: &str) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| {
        Error::Failed(format!("cannot write {} ({option}): {e}{}", path.display(), handoff_model::io_fix(&e)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new();
        report.image("a:1", "sha256:aa");
        report.image("b:1", "sha256:bb");
        report.bytes = 3 << 20;
        report
    }

    #[test]
    fn several_images_are_joined_by_commas_and_listed_as_json() {
        let report = report();
        let end = End { command: Command::Send, name: "app", report: &report, error: None, seconds: 1.5 };
        let outputs = end.outputs();
        assert_eq!(
            outputs.lines().collect::<Vec<_>>(),
            [
                "outcome=success",
                "image=a:1,b:1",
                "digest=sha256:aa,sha256:bb",
                r#"images=[{"image":"a:1","digest":"sha256:aa"},{"image":"b:1","digest":"sha256:bb"}]"#,
                "bytes=3145728",
                "seconds=1.5",
            ]
        );
        let summary = end.summary();
        assert_eq!(summary.lines().count(), 3, "{summary}");
        assert!(summary.contains("sent `a:1`, `b:1`") && summary.contains("3.0 MiB in 1.5 s (2.0 MiB/s)"), "{summary}");
    }

    #[test]
    fn failed_transfer_has_an_outcome_and_a_reason_that_cannot_become_another_output() {
        let error = Error::Failed("broke\noutcome=success".to_owned());
        let report = Report::new();
        let end = End { command: Command::Receive, name: "a`b", report: &report, error: Some(&error), seconds: 0.0 };
        let outputs = end.outputs();
        assert!(outputs.starts_with("outcome=failure\nreason=broke; outcome=success\nimage=\n"), "{outputs}");
        assert_eq!(end.summary().lines().count(), 3);
        assert!(end.summary().contains("`a'b`"), "a name does not end its own quotation");
        let error = Error::TimedOut("late".to_owned());
        assert!(End { error: Some(&error), ..end }.outputs().starts_with("outcome=timeout\n"));
    }
}
