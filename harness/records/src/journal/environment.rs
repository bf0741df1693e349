//! Whether a run goes on in an environment that it has used before.

use std::path::Path;

use handoff_model::{Difference, Environment};

use super::{JournalError, Result};

/// The recorded environment that `now` is the same as; else in what `now` differs from the most similar one.
pub(super) fn find<'a>(
    recorded: &'a [Environment],
    now: &Environment,
) -> std::result::Result<&'a Environment, Vec<Difference>> {
    let compared = recorded.iter().map(|e| (e, e.differences(now)));
    match compared.min_by_key(|(_, differences)| differences.len()) {
        Some((same, differences)) if differences.is_empty() => Ok(same),
        Some((_, differences)) => Err(differences),
        // A folder without an environment says nothing about where its rows are from: all of it differs.
        None => Err(Environment::default().differences(now)),
    }
}

/// Checks that a run has used sources before, without knowing the machine: a program from other sources is refused before
/// anything starts.
///
/// # Errors
/// [`JournalError::OtherEnvironment`] with the digest of the folder's last environment, and `digest`.
pub fn same_sources(dir: &Path, recorded: &[Environment], digest: &str) -> Result<()> {
    let with_digest = |e: &Environment| Environment { source_digest: digest.to_owned(), ..e.clone() };
    let differences = recorded.iter().rev().map(|e| e.differences(&with_digest(e)));
    match differences.min_by_key(Vec::len) {
        Some(differences) if !differences.is_empty() => {
            Err(JournalError::OtherEnvironment { dir: dir.to_owned(), differences })
        }
        _ => Ok(()),
    }
}
