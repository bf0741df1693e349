//! Errors of an experiment's definition.

/// A definition that makes no plan: one line that says what is wrong, where, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExperimentError(pub(crate) String);

/// Result with an [`ExperimentError`], unless it names another error.
pub(crate) type Result<T, E = ExperimentError> = std::result::Result<T, E>;

/// Fault without a line: its key finds the line in a matrix file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The key of the matrix file, where one alone is at fault.
    pub key: Option<&'static str>,
    /// Fault and fix.
    pub problem: String,
}

impl Fault {
    /// A fault of one key.
    #[expect(clippy::needless_pass_by_value, reason = "`map_err` hands an error over by value")]
    pub fn at(key: &'static str, problem: impl ToString) -> Self {
        Self { key: Some(key), problem: problem.to_string() }
    }
}

impl From<String> for Fault {
    /// A fault of no single key.
    fn from(problem: String) -> Self {
        Self { key: None, problem }
    }
}

impl From<Fault> for ExperimentError {
    fn from(fault: Fault) -> Self {
        Self(fault.problem)
    }
}
