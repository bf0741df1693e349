//! Reads a stored plan, also one that a newer version has written.
//!
//! A plan of the same or an older version may hold no field that is not known here: it is a typo. A plan of a newer minor version
//! may, and keeps all others; serde itself tells which fields it has left out, so there is no list of the known ones.

use std::path::Path;

use handoff_model::plan::{Plan, SCHEMA_MINOR, SCHEMA_VERSION, digest};
use serde::Deserialize;
use serde_json::Value;

use super::{JournalError, Result};

/// A stored plan that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPlan {
    /// The plan, without the fields that are not known here.
    pub plan: Plan,
    /// Fields that were left out, as paths from the top, for example `request.weather`: the plan is of a newer minor version.
    pub unknown: Vec<String>,
}

impl ReadPlan {
    /// Whether the plan is of a newer minor version than this one writes.
    pub fn is_newer(&self) -> bool {
        self.plan.schema_minor > SCHEMA_MINOR
    }
}

/// The part of a plan that every version has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
    #[serde(default)]
    schema_minor: u32,
}

/// The hashed parts as they stand in the file, unknown fields included.
#[derive(Deserialize)]
struct Hashed {
    hash: String,
    request: Value,
    trials: Value,
}

/// The path of a field. `serde_ignored` writes an optional part as `?`.
fn named(path: &serde_ignored::Path) -> String {
    path.to_string().replace(".?", "")
}

/// Reads a plan from the bytes of its file. `writer` names the version that wrote the folder, for the message of an error.
///
/// # Errors
/// A plan of another major version, one that was changed after it was written, an unknown field in a plan that is not newer, or text
/// that is no plan.
pub fn read(path: &Path, bytes: &[u8], writer: impl FnOnce() -> String) -> Result<ReadPlan> {
    let path = path.to_owned();
    let json = |e: serde_json::Error| JournalError::Json { path: path.clone(), line: e.line(), what: e.to_string() };
    let Version { schema_version, schema_minor } = serde_json::from_slice(bytes).map_err(json)?;
    if schema_version != SCHEMA_VERSION {
        return Err(JournalError::Version { path, found: schema_version, known: SCHEMA_VERSION, writer: writer() });
    }
    let mut unknown: Vec<String> = Vec::new();
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let plan: Plan = serde_ignored::deserialize(&mut text, |path| unknown.push(named(&path))).map_err(json)?;
    text.end().map_err(json)?;
    let newer = schema_minor > SCHEMA_MINOR;
    if !unknown.is_empty() && !newer {
        return Err(JournalError::UnknownFields { path, fields: unknown });
    }
    let intact = if newer {
        // The writer's hash is over its own fields, too: they are hashed as they stand.
        let Hashed { hash, request, trials } = serde_json::from_slice(bytes).map_err(json)?;
        digest(&(request, trials)).is_ok_and(|digest| digest == hash)
    } else {
        plan.is_intact()
    };
    if intact { Ok(ReadPlan { plan, unknown }) } else { Err(JournalError::Altered(path)) }
}

#[cfg(test)]
mod tests;
