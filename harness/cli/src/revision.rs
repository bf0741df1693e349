//! The revision that this program was built from: `build.rs` computes it.

use handoff_machine::Revision;

/// Version, commit and short digest of the sources: what `handoff --version` prints.
pub const VERSION: &str = env!("HANDOFF_VERSION");

/// Commit that was checked out when this program was built; a placeholder where there was none, for example in an archive.
pub const COMMIT: &str = match option_env!("HANDOFF_HEAD") {
    Some(commit) => commit,
    None => "COMMIT",
};

/// Revision of this program, which a run records.
pub fn revision() -> Revision {
    let sources = [env!("HANDOFF_SOURCE_DIGEST"), env!("HANDOFF_SOURCE_COMMIT")];
    let [source_digest, source_commit] = sources.map(str::to_owned);
    Revision { handoff: VERSION.to_owned(), source_digest, source_commit }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn program_carries_the_digest_of_the_sources_that_it_was_built_from() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert_eq!(super::revision().source_digest, handoff_source::digest(&root).unwrap());
        assert!(super::VERSION.starts_with(env!("CARGO_PKG_VERSION")), "{}", super::VERSION);
    }
}
