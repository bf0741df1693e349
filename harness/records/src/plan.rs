//! Reads a stored plan, also one that a newer version has written.
//!
//! A plan of the same or an older version may hold no field that is not known here: it is a typo. A plan of a newer minor version
//! may, and keeps all others; serde itself tells which fields it has left out, so there is no list of the known ones.

use handoff_model::plan::{Plan, SCHEMA_MINOR, SCHEMA_VERSION, digest};
use serde::Deserialize;
use serde_json::Value;

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

/// A stored plan that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanReadError {
    /// It is no JSON, or a field is missing or of another type.
    #[error("line {line}: {what}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The fault.
        what: String,
    },
    /// It is of another major version.
    #[error("schema version {found} is not {SCHEMA_VERSION}")]
    Version {
        /// Version.
        found: u32,
    },
    /// It has fields that its version does not have.
    #[error("unknown field {}", .0.join(", "))]
    Unknown(Vec<String>),
    /// It was changed after it was written.
    #[error("the plan does not match its own hash")]
    Altered,
}

impl From<serde_json::Error> for PlanReadError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), what: error.to_string() }
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

/// Reads a plan from the bytes of its file.
///
/// # Errors
/// A plan of another major version, one that was changed after it was written, an unknown field in a plan that is not newer, or text
/// that is no plan.
pub fn read(bytes: &[u8]) -> Result<ReadPlan, PlanReadError> {
    let Version { schema_version, schema_minor } = serde_json::from_slice(bytes)?;
    if schema_version != SCHEMA_VERSION {
        return Err(PlanReadError::Version { found: schema_version });
    }
    let mut unknown: Vec<String> = Vec::new();
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let plan: Plan = serde_ignored::deserialize(&mut text, |path| unknown.push(named(&path)))?;
    text.end()?;
    let newer = schema_minor > SCHEMA_MINOR;
    if !unknown.is_empty() && !newer {
        return Err(PlanReadError::Unknown(unknown));
    }
    let intact = if newer {
        // The writer's hash is over its own fields, too: they are hashed as they stand.
        let Hashed { hash, request, trials } = serde_json::from_slice(bytes)?;
        digest(&(request, trials)).is_ok_and(|digest| digest == hash)
    } else {
        plan.is_intact()
    };
    if intact { Ok(ReadPlan { plan, unknown }) } else { Err(PlanReadError::Altered) }
}

#[cfg(test)]
mod tests;
