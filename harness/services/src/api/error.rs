//! Twirp's error codes.

use serde_json::json;

use crate::http::Reply;
use crate::token::TokenError;

/// Error answer of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TwirpError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Seconds in Retry-After.
    retry_after: Option<u64>,
}

/// Defines a constructor for each code, with its status.
macro_rules! codes {
    ($($name:ident: $status:literal $code:literal,)*) => {
        impl TwirpError {
            $(pub(crate) fn $name(message: impl Into<String>) -> Self {
                Self::new($status, $code, message)
            })*
        }
    };
}
codes! {
    invalid: 400 "invalid_argument",
    malformed: 400 "malformed",
    denied: 403 "permission_denied",
    not_found: 404 "not_found",
    bad_route: 404 "bad_route",
    taken: 409 "already_exists",
    not_ready: 412 "failed_precondition",
}

impl TwirpError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn too_many(retry_after: u64) -> Self {
        let message = format!("rate limit exceeded: too many cache entries a minute, retry in {retry_after} s");
        Self { retry_after: Some(retry_after), ..Self::new(429, "resource_exhausted", message) }
    }

    /// Error of an injected fault.
    pub(crate) fn injected(retry_after: u64) -> Self {
        let message = format!("rate limit exceeded (a fault of the link profile): retry in {retry_after} s");
        Self { retry_after: Some(retry_after), ..Self::new(429, "resource_exhausted", message) }
    }

    /// Answer with a JSON body, which every client parses whatever the status.
    pub(crate) fn reply(&self) -> Reply {
        let reply = Reply::json(self.status, &json!({ "code": self.code, "msg": self.message }));
        reply.with_optional("Retry-After", self.retry_after.map(|seconds| seconds.to_string()))
    }
}

impl From<TokenError> for TwirpError {
    fn from(error: TokenError) -> Self {
        Self::new(401, "unauthenticated", error.to_string())
    }
}
