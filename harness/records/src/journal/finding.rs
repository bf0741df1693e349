//! Findings about a results folder, by kind, with file and lines.

use std::fmt::{self, Display};

use handoff_model::list::commas;

/// Weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Every row counts; something about the file is worth a word.
    Note,
    /// A crash explains it: the rows belong to a trial that was never committed. `--resume` removes them.
    Crash,
    /// No crash explains it, but `--resume` can remove the rows, for they belong to no committed trial.
    Orphan,
    /// Rows are there that cannot be used.
    Damage,
}

/// One kind of fault in one file, with the lines that have it.
#[derive(Debug)]
pub(super) struct Finding {
    pub file: &'static str,
    pub lines: Vec<u64>,
    pub what: String,
    pub weight: Weight,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, ranges(&self.lines), self.what)
    }
}

/// All findings of a folder. Lines with one fault in one file are one finding, so that a thousand rows are one line.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub fn add(&mut self, weight: Weight, file: &'static str, line: u64, what: impl Into<String>) {
        let what = what.into();
        match self.0.iter_mut().find(|f| f.file == file && f.weight == weight && f.what == what) {
            Some(finding) => finding.lines.push(line),
            None => self.0.push(Finding { file, lines: vec![line], what, weight }),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// The findings of which `--resume` must not make a repair.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        self.iter().filter(|f| f.weight == Weight::Damage)
    }

    /// Each finding as a line.
    pub fn texts(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

/// Line numbers as `2-5,9`.
fn ranges(lines: &[u64]) -> String {
    let mut sorted = lines.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for line in sorted {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == line => *end = line,
            _ => parts.push((line, line)),
        }
    }
    let text = |(start, end): &(u64, u64)| if start == end { start.to_string() } else { format!("{start}-{end}") };
    commas(parts.iter().map(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_one_fault_are_one_finding() {
        let mut findings = Findings::default();
        for line in [4, 2, 3, 9, 9] {
            findings.add(Weight::Damage, "spans.csv", line, "bad");
        }
        findings.add(Weight::Note, "spans.csv", 5, "bad");
        assert_eq!(findings.texts(), ["spans.csv:2-4,9: bad", "spans.csv:5: bad"]);
        assert_eq!(findings.damage().count(), 1);
    }
}
