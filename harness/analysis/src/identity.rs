//! The four levels of identity over the trials of a cell.

use std::collections::BTreeSet;

use handoff_model::list::and;
use handoff_records::MeasurementRow;
use serde::Serialize;

/// Results of one level, counted in trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LevelCount {
    /// Equal.
    pub equal: usize,
    /// Different.
    pub different: usize,
    /// Not known: producer or consumer has no such level.
    pub absent: usize,
}

/// Finding of a level over the trials of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Known and equal in every trial.
    Equal,
    /// Known and different in every trial.
    Different,
    /// Known in no trial.
    Absent,
    /// Neither: equal in some trials, different or not known in others.
    Mixed,
}

impl LevelCount {
    fn add(&mut self, equal: Option<bool>) {
        match equal {
            Some(true) => self.equal += 1,
            Some(false) => self.different += 1,
            None => self.absent += 1,
        }
    }

    /// All trials.
    pub fn n(self) -> usize {
        self.equal + self.different + self.absent
    }

    /// Finding of all trials.
    pub fn finding(self) -> Finding {
        match (self.equal, self.different, self.absent) {
            (_, 0, 0) if self.equal > 0 => Finding::Equal,
            (0, _, 0) if self.different > 0 => Finding::Different,
            (0, 0, _) => Finding::Absent,
            _ => Finding::Mixed,
        }
    }
}

/// The identity of what arrived over the completed trials of a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Every file of the image's tree.
    pub content: LevelCount,
    /// The uncompressed layers, in order.
    pub layers: LevelCount,
    /// The image's config.
    pub config: LevelCount,
    /// The index or manifest.
    pub index: LevelCount,
    /// Reasons and findings, each once.
    pub notes: BTreeSet<String>,
}

impl Identity {
    /// Identity over rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a MeasurementRow>) -> Self {
        let mut all = Self::default();
        for row in rows {
            all.content.add(row.content_equal);
            all.layers.add(row.layers_equal);
            all.config.add(row.config_equal);
            all.index.add(row.index_equal);
            all.notes.extend(row.identity_note.split("; ").filter(|n| !n.is_empty()).map(str::to_owned));
        }
        all
    }

    /// Identity in words: `content, layers and config identical; index differs`. Notes of the rows follow in brackets:
    /// they are what evidence there is for a reason.
    pub fn words(&self) -> String {
        let named = |finding: Finding| -> Vec<&'static str> {
            self.levels().iter().filter(|(_, c)| c.finding() == finding).map(|(name, _)| *name).collect()
        };
        let mut parts = Vec::new();
        for (finding, one, many) in [
            (Finding::Equal, "identical", "identical"),
            (Finding::Different, "differs", "differ"),
            (Finding::Mixed, "differs in some trials", "differ in some trials"),
            (Finding::Absent, "not known", "not known"),
        ] {
            let names = named(finding);
            if !names.is_empty() {
                parts.push(format!("{} {}", and(&names), if names.len() == 1 { one } else { many }));
            }
        }
        let notes: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        format!("{}{notes}", parts.join("; "))
    }

    /// The levels by name, from what is in the image to what it is called.
    pub fn levels(&self) -> [(&'static str, LevelCount); 4] {
        [("content", self.content), ("layers", self.layers), ("config", self.config), ("index", self.index)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_level_is_equal_only_if_every_trial_is() {
        let count = |values: &[Option<bool>]| {
            let mut count = LevelCount::default();
            for value in values {
                count.add(*value);
            }
            count.finding()
        };
        assert_eq!(count(&[Some(true), Some(true)]), Finding::Equal);
        assert_eq!(count(&[Some(false)]), Finding::Different);
        assert_eq!(count(&[None, None]), Finding::Absent);
        assert_eq!(count(&[]), Finding::Absent);
        assert_eq!(count(&[Some(true), None]), Finding::Mixed);
        assert_eq!(count(&[Some(true), Some(false)]), Finding::Mixed);
    }
}
