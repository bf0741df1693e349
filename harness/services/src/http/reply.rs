//! Answer before it is written.

use std::fmt::Write as _;

use http::StatusCode;

/// Answer with status, headers and a body in memory. Answers to HEAD and files have a length instead of a body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    length: Option<u64>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), length: None }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_optional(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.headers.extend(value.map(|value| (name, value.into())));
        self
    }

    pub(crate) fn with_body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with("Content-Type", content_type)
    }

    /// Sets the length of a body that is absent (HEAD) or sent separately (a file).
    pub(crate) fn with_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).with_body("application/json", value.to_string())
    }

    /// Text of the head. Every answer has a request id, because BuildKit's client dereferences it unchecked.
    pub(crate) fn head(&self, request_id: &str, date: &str, keep_alive: bool) -> String {
        let mut text = String::with_capacity(512);
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let _ = write!(text, "HTTP/1.1 {} {}\r\n", self.status, reason.unwrap_or("Status"));
        for (name, value) in &self.headers {
            // A line break in a value would start another header.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let length = self.length.unwrap_or(self.body.len() as u64);
        let _ = write!(text, "Content-Length: {length}\r\nx-ms-request-id: {request_id}\r\nDate: {date}\r\n");
        text.push_str(if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_has_length_and_request_id_and_no_injected_header() {
        let reply = Reply::new(200).with("X-A", "b\r\nX-Evil: 1").with_body("text/plain", "abc");
        let head = reply.head("id-1", "now", true);
        assert_eq!(
            head,
            "HTTP/1.1 200 OK\r\nX-A: bX-Evil: 1\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\
             x-ms-request-id: id-1\r\nDate: now\r\n\r\n"
        );
        assert!(Reply::new(416).with_length(7).head("i", "d", false).contains("Content-Length: 7\r\n"));
    }
}
