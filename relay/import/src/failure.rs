//! Failure of an import, told apart by what the caller does next.

use serde::{Deserialize, Serialize};

use crate::Error;

/// What failed, which decides what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The import is not surely right here, or not possible. The engine's own pull may succeed.
    Refused,
    /// The image did not arrive whole. A pull of the same transfer fails too, unless the cause passes.
    Transfer,
    /// The engine's store or this machine failed. A pull needs both too.
    Store,
}

/// Failure of an import. The engine shows nothing of the image then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}")]
pub struct ImportError {
    /// What failed.
    pub kind: FailureKind,
    /// Reason in one line, with what fixes it.
    pub reason: String,
}

impl ImportError {
    /// Refusal with a reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, reason)
    }

    /// Failed transfer with a reason.
    pub fn transfer(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Transfer, reason)
    }

    /// Failed store or machine with a reason.
    pub fn store(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Store, reason)
    }

    fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        // A reason may quote another program. It stays one line.
        let reason = reason.trim().replace(['\n', '\r'], "; ");
        Self { kind, reason }
    }
}

impl From<Error> for ImportError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            error if error.is_refusal() => FailureKind::Refused,
            Error::Decode { .. } | Error::Digest { .. } | Error::Size { .. } | Error::Source { .. } => {
                FailureKind::Transfer
            }
            _ => FailureKind::Store,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<handoff_containerd::Error> for ImportError {
    fn from(error: handoff_containerd::Error) -> Self {
        use handoff_containerd::Error as Containerd;
        let kind = match &error {
            Containerd::NotSure(_) | Containerd::Name(_) => FailureKind::Refused,
            Containerd::Damaged { .. } | Containerd::Manifest(_) | Containerd::Digest(_) => FailureKind::Transfer,
            _ => FailureKind::Store,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_from_the_cause() {
        let of = |error: Error| ImportError::from(error).kind;
        assert_eq!(of(Error::MediaType("x".to_owned())), FailureKind::Refused);
        assert_eq!(of(Error::Size { what: "blob", stated: 1, got: 2 }), FailureKind::Transfer);
        assert_eq!(of(Error::Stopped), FailureKind::Store);
        let damaged = handoff_containerd::Error::Damaged { digest: "d".to_owned(), why: "w".to_owned() };
        assert_eq!(ImportError::from(damaged).kind, FailureKind::Transfer);
        assert_eq!(ImportError::store("a\nb\n").reason, "a; b");
    }
}
