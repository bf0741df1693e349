//! Twirp's error codes.

use serde_json::json;

use crate::http::Reply;
use crate::token::TokenError;

/// An error answer of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TwirpError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Seconds after which to come again.
    retry_after: Option<u64>,
}

impl TwirpError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_argument", message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "malformed", message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "permission_denied", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    pub(crate) fn bad_route(message: impl Into<String>) -> Self {
        Self::new(404, "bad_route", message)
    }

    pub(crate) fn taken(message: impl Into<String>) -> Self {
        Self::new(409, "already_exists", message)
    }

    pub(crate) fn too_many(retry_after: u64) -> Self {
        let message = format!("rate limit exceeded: too many cache entries a minute, retry in {retry_after} s");
        Self { retry_after: Some(retry_after), ..Self::new(429, "resource_exhausted", message) }
    }

    /// What a fault of the profile answers instead of the service.
    pub(crate) fn injected(retry_after: u64) -> Self {
        let message = format!("rate limit exceeded (a fault of the link profile): retry in {retry_after} s");
        Self { retry_after: Some(retry_after), ..Self::new(429, "resource_exhausted", message) }
    }

    pub(crate) fn not_ready(message: impl Into<String>) -> Self {
        Self::new(412, "failed_precondition", message)
    }

    /// Every client parses the body of an error as JSON, whatever the status.
    pub(crate) fn reply(&self) -> Reply {
        let reply = Reply::json(self.status, &json!({ "code": self.code, "msg": self.message }));
        match self.retry_after {
            Some(seconds) => reply.with("Retry-After", seconds.to_string()),
            None => reply,
        }
    }
}

impl From<TokenError> for TwirpError {
    fn from(error: TokenError) -> Self {
        Self::new(401, "unauthenticated", error.to_string())
    }
}
