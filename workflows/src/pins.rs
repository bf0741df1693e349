//! Pins: every action by commit and every outside program by version, in one dated data file.

use std::fs;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::WorkflowError;
use crate::yaml::Node;

/// Path of the data file from the workspace's root.
pub const FILE: &str = "workflows/pins.toml";

/// Days after which [`Pins::stale`] asks for another comparison with the newest versions.
pub const CHECK_AFTER_DAYS: i32 = 120;

/// Action at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// `owner/name`.
    pub action: String,
    /// Tag of the commit.
    pub tag: String,
    /// Commit.
    pub commit: String,
}

/// Program or package, at a version that another file of the checkout pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Name in that file.
    pub name: String,
    /// Version in that file.
    pub version: String,
    /// File, from the workspace's root.
    pub file: String,
    /// Reason for an older version, or another fact about the choice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// All pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Day on which all of them were last compared with the newest versions.
    pub checked: Date,
    /// Pins in the order of the file, with the newest version of an action first.
    pub pin: Vec<Pin>,
    /// Programs, with the files that pin them.
    pub program: Vec<Program>,
}

impl Pins {
    /// Pins compiled into the binary.
    ///
    /// # Errors
    /// As for [`Pins::parse`].
    pub fn built_in() -> Result<Self, WorkflowError> {
        Self::parse(include_str!("../pins.toml"))
    }

    /// Pins in the text of a data file.
    ///
    /// # Errors
    /// The text cannot be read, or a pin is not a commit.
    pub fn parse(text: &str) -> Result<Self, WorkflowError> {
        let pins: Self = toml::from_str(text).map_err(|e| WorkflowError::Pins(e.to_string()))?;
        match pins.pin.iter().find(|p| !is_commit(&p.commit)) {
            Some(pin) => Err(WorkflowError::Pins(format!(
                "{}: `{}` is not a commit: use its 40 hex digits",
                pin.action, pin.commit
            ))),
            None => Ok(pins),
        }
    }

    /// Warning that the comparison with the newest versions is too old on that day; none if it is not.
    pub fn stale(&self, today: Date) -> Option<String> {
        let days = (today - self.checked).get_days();
        (days > CHECK_AFTER_DAYS).then(|| {
            format!(
                "{FILE}: the pins were last compared with the newest versions {days} days ago, on {}: compare them, move them \
                 with `handoff workflows pin` or in their files, and set `checked`",
                self.checked
            )
        })
    }

    /// Value of `uses` for `owner/name[/folder][@major]`: the newest pin, or that of a major version.
    ///
    /// # Errors
    /// The action has no pin.
    pub fn uses(&self, action: &str) -> Result<Node, WorkflowError> {
        let (path, major) = action.split_once('@').map_or((action, None), |(p, m)| (p, Some(m)));
        let name: String = path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        let fits =
            |p: &&Pin| p.action == name && major.is_none_or(|m| p.tag == m || p.tag.starts_with(&format!("{m}.")));
        let missing = || WorkflowError::Pins(format!("no pin for `{action}`: add one to {FILE}"));
        let pin = self.pin.iter().find(fits).ok_or_else(missing)?;
        let mut note = pin.tag.clone();
        if path == "actions/cache" {
            // The linter zizmor reads this note.
            note.push_str(" # zizmor: ignore[cache-poisoning] nothing that is built here is released");
        }
        Ok(Node::Noted(format!("{path}@{}", pin.commit), note))
    }

    /// Sets the pin of an action's major version in the file and keeps the file's comment.
    ///
    /// # Errors
    /// The file cannot be read or written, or `commit` is not a commit.
    pub fn set(file: &Path, action: &str, tag: &str, commit: &str) -> Result<(), WorkflowError> {
        let io = |e: &dyn std::fmt::Display| WorkflowError::Pins(format!("{}: {e}", file.display()));
        let text = fs::read_to_string(file).map_err(|e| io(&e))?;
        let mut pins = Self::parse(&text)?;
        let major = |tag: &str| tag.split('.').next().unwrap_or_default().to_owned();
        let new = Pin { action: action.to_owned(), tag: tag.to_owned(), commit: commit.to_owned() };
        let same = pins.pin.iter().position(|p| p.action == action && major(&p.tag) == major(tag));
        let first = pins.pin.iter().position(|p| p.action == action).unwrap_or(pins.pin.len());
        match same {
            Some(at) => pins.pin[at] = new,
            None => pins.pin.insert(first, new),
        }
        let comment: Vec<String> = text.lines().take_while(|l| l.starts_with('#')).map(|l| format!("{l}\n")).collect();
        let body = toml::to_string(&pins).map_err(|e| io(&e))?;
        Self::parse(&body)?;
        let text = format!("{}\n{body}", comment.concat());
        crate::replace::replace(file, text.as_bytes())
            .map_err(|source| WorkflowError::Write { path: file.to_owned(), source })
    }
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_pin_is_used_unless_a_major_is_named() {
        let pins = Pins::built_in().unwrap();
        let uses = |a: &str| match pins.uses(a).unwrap() {
            Node::Noted(text, tag) => (text.split_once('@').unwrap().0.to_owned(), tag),
            other => panic!("{other:?}"),
        };
        assert_eq!(uses("actions/cache/save"), ("actions/cache/save".into(), "v6.1.0".into()));
        assert_eq!(uses("actions/cache/save@v4").1, "v4");
        assert!(pins.uses("some/other").unwrap_err().to_string().contains("workflows/pins.toml"));
    }

    #[test]
    fn pin_moves_within_its_major_and_the_comment_stays() {
        let dir = std::env::temp_dir().join(format!("handoff-pins-{}", std::process::id()));
        let old = include_str!("../pins.toml");
        fs::write(&dir, old).unwrap();
        let commit = "0123456789012345678901234567890123456789";
        Pins::set(&dir, "actions/cache", "v6.2.0", commit).unwrap();
        Pins::set(&dir, "actions/cache", "v7.0.0", commit).unwrap();
        assert!(Pins::set(&dir, "actions/cache", "v7.0.0", "main").is_err());
        let text = fs::read_to_string(&dir).unwrap();
        fs::remove_file(&dir).unwrap();
        let tags: Vec<_> = Pins::parse(&text)
            .unwrap()
            .pin
            .into_iter()
            .filter(|p| p.action == "actions/cache")
            .map(|p| p.tag)
            .collect();
        assert_eq!(tags, ["v7.0.0", "v6.2.0", "v4"]);
        assert_eq!(text.split_once("\n\n").unwrap().0, old.split_once("\n\n").unwrap().0, "the comment");
        assert!(text.contains("checked = ") && text.contains("name = \"@actions/cache\""), "{text}");
    }

    #[test]
    fn pins_are_stale_after_120_days() {
        let pins = Pins { checked: Date::constant(2026, 11, 27), ..Pins::built_in().unwrap() };
        assert_eq!(pins.stale(Date::constant(2027, 3, 27)), None);
        let warning = pins.stale(Date::constant(2027, 3, 28)).unwrap();
        assert!(warning.contains("121 days ago") && warning.contains("2026-11-27"), "{warning}");
        assert_eq!(pins.stale(Date::constant(2026, 1, 1)), None, "a clock that is behind");
    }
}
