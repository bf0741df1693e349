//! Errors of a results folder, each with its fix.

use std::io;
use std::path::{Path, PathBuf};

use handoff_model::Difference;

/// A results folder cannot be written, read or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}{}", fix(what, source))]
    Io {
        /// Operation.
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The folder holds something that no run has put there.
    #[error("{dir} is not empty and holds no run (it has `{found}`): use another --out")]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// A file stands where the folder should be.
    #[error("{0} is not a folder: use another --out")]
    NotAFolder(PathBuf),
    /// The folder holds a run.
    #[error("{dir} holds a run already ({rows} of {trials} trials done): {}", hold_fix(*rows, *trials))]
    HoldsRun {
        /// The folder.
        dir: PathBuf,
        /// Lines of `measurements.csv`.
        rows: usize,
        /// Trials of its plan.
        trials: usize,
    },
    /// There is nothing to go on with or to report.
    #[error("{0} holds no run (no plan.json): name a results folder: `handoff run --out DIR` makes one")]
    NoRun(PathBuf),
    /// A JSON file of the folder does not read.
    #[error("{path}:{line}: {what}: restore the file, or start again with another --out")]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Fault.
        what: String,
    },
    /// The plan was altered after it was written.
    #[error(
        "{0}: the plan does not match its own hash, so it was edited: restore the file, or start again with another --out"
    )]
    Altered(PathBuf),
    /// An environment that is not what was recorded under its id.
    #[error("{path}: environment `{id}` {what}, so it was edited: restore the file, or start again with another --out")]
    AlteredEnvironment {
        /// The file.
        path: PathBuf,
        /// The environment.
        id: String,
        /// Fault.
        what: &'static str,
    },
    /// File of another major version.
    #[error(
        "{path} has schema version {found}, this handoff reads {known}: use {writer} or another version with schema {found}, or name another folder"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version.
        found: u32,
        /// Ours.
        known: u32,
        /// The handoff that wrote the folder, in words.
        writer: String,
    },
    /// A plan of a newer minor version is not gone on with: rows of this version would lack what is new.
    #[error(
        "{path} has schema version {found}, newer than this handoff's: go on with {writer} or a newer one, or use another --out"
    )]
    NewerPlan {
        /// The file.
        path: PathBuf,
        /// Version.
        found: String,
        /// The handoff that wrote the folder, in words.
        writer: String,
    },
    /// A plan with fields that its version does not have.
    #[error("{path}: unknown field {}: restore the file, or start again with another --out", .fields.join(", "))]
    UnknownFields {
        /// The file.
        path: PathBuf,
        /// The fields, as paths from the top.
        fields: Vec<String>,
    },
    /// Columns that every row needs are not in the file.
    #[error("{path}:1: no column {}: restore the file (docs/format.md lists its columns)", .columns.join(", "))]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
    /// Columns of a file that rows are to be appended to are not ours, or in another order.
    #[error(
        "{0}:1: the columns are not those that this handoff writes: restore the file, or go on with the version that wrote it"
    )]
    OtherColumns(PathBuf),
    /// A file of a run that is not there.
    #[error("{0}: the file is missing from the run: restore it from git or from a copy")]
    Missing(PathBuf),
    /// A directory, a device or a pipe in the place of a file of a run.
    #[error("{0}: it is no regular file: restore it from git or from a copy")]
    NoFile(PathBuf),
    /// A CSV file that was changed as a whole: cut off, saved by another program, its columns moved.
    #[error("{path}:{line}: {what}: restore it from git or from a copy")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The line, from 1; the header is line 1.
        line: u64,
        /// Fault.
        what: String,
    },
    /// Rows that cannot be used, in a folder that rows are to be appended to. No crash leaves such rows.
    #[error(
        "{dir}/{first}{}: restore the file, or delete the line and the trial's line in measurements.csv (a trial without its row there runs again with --resume)",
        more(*.others, .dir)
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// File, lines and fault of the first finding.
        first: String,
        /// Number of other findings.
        others: usize,
    },
    /// `--resume` with other options than those that started the run.
    #[error(
        "{dir} holds a plan with {option} {held}, this call asks for {option} {given}: give {option} {held} or leave it out to go on, or use another --out"
    )]
    OtherPlan {
        /// The folder.
        dir: PathBuf,
        /// The option.
        option: &'static str,
        /// Value in the folder's plan.
        held: String,
        /// Value in this call.
        given: String,
    },
    /// `--resume` on another machine, or by a program from other sources, than those that the run has used.
    #[error(
        "{dir} was measured in another environment: {}: go on with the same machine, programs and sources, give --mixed to mix environments (each row says its own), or use another --out",
        listed(differences)
    )]
    OtherEnvironment {
        /// The folder.
        dir: PathBuf,
        /// Differences, each with the folder's value and this call's.
        differences: Vec<Difference>,
    },
    /// Rows that do not fit the journal: a mistake in the caller.
    #[error("{0}: report this, it is a bug in handoff")]
    Misuse(String),
}

impl JournalError {
    /// Whether the folder holds rows that cannot be used, as opposed to a wrong name or a full disk.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing(_)
                | Self::NoFile(_)
                | Self::Shape { .. }
                | Self::MissingColumns { .. }
                | Self::Damaged { .. }
                | Self::Json { .. }
                | Self::Altered(_)
                | Self::AlteredEnvironment { .. }
                | Self::UnknownFields { .. }
        )
    }

    /// Whether a file is not there, or its folder is none.
    pub(super) fn is_not_there(&self) -> bool {
        match self {
            Self::Missing(_) => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotADirectory,
            _ => false,
        }
    }

    /// Names the operation and the path of an I/O error.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

fn fix(what: &str, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied if what == "read" => ": give yourself the right to read it",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": use another --out, or give yourself the right to write there"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": free some space, then go on with --resume",
        io::ErrorKind::NotADirectory => ": use another --out",
        _ if what == "read" => ": restore it from git or from a copy",
        _ => "",
    }
}

fn more(others: usize, dir: &Path) -> String {
    if others == 0 {
        String::new()
    } else {
        format!(" (and {others} more: `handoff report {}` names them)", dir.display())
    }
}

/// Every difference with both values.
fn listed(differences: &[Difference]) -> String {
    let one = |d: &Difference| format!("{} was {}, is {}", d.name, d.first, d.second);
    differences.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn hold_fix(rows: usize, trials: usize) -> &'static str {
    if rows < trials { "go on with --resume, or use another --out" } else { "use another --out" }
}
