//! Errors of blob requests, with Azure's codes.

use std::io;

use crate::http::{Exchange, Reply};

/// Failure of a blob request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Answer with an error code.
    Refused {
        /// HTTP status.
        status: u16,
        /// Azure's error code.
        code: &'static str,
        /// Message.
        message: String,
        /// Size of the blob, for a range past its end.
        size: Option<u64>,
    },
    /// Broken connection of the client, which gets no answer.
    Disconnected(io::Error),
}

impl Failure {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { status, code, message: message.into(), size: None }
    }

    /// Failure of the store's disk. Clients retry a 500.
    pub(crate) fn disk(error: &io::Error) -> Self {
        Self::new(500, "InternalError", format!("the store cannot be read or written: {error}"))
    }

    /// Error of an injected fault. Call it after the attempt is noted, so that a retry is counted.
    pub(crate) fn injected(exchange: &Exchange<'_>) -> Result<(), Self> {
        match exchange.refusal() {
            None => Ok(()),
            Some((503, _)) => Err(Self::new(503, "ServerBusy", "The server is busy (a fault of the link profile).")),
            Some((status, _)) => Err(Self::new(status, "InternalError", "A fault of the link profile.")),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "BlobNotFound", "The specified blob does not exist.")
    }

    /// Answer to the client; the connection's error when it is broken.
    pub(crate) fn reply(self) -> io::Result<Reply> {
        let (status, code, message, size) = match self {
            Self::Disconnected(error) => return Err(error),
            Self::Refused { status, code, message, size } => (status, code, message, size),
        };
        if status == 304 {
            return Ok(Reply::new(status));
        }
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{}</Message></Error>",
            escape(&message)
        );
        let reply = Reply::new(status).with("x-ms-error-code", code).with_body("application/xml", xml);
        Ok(reply.with_optional("Content-Range", size.map(|size| format!("bytes */{size}"))))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disconnected(error)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_is_xml_with_azures_code() {
        let reply = Failure::new(404, "BlobNotFound", "a < b & c").reply().unwrap();
        let head = reply.head("id", "date", true);
        assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("x-ms-error-code: BlobNotFound\r\n"), "{head}");
        assert!(String::from_utf8(reply.body).unwrap().contains("<Message>a &lt; b &amp; c</Message>"));
        assert!(Failure::from(io::Error::other("gone")).reply().is_err());
    }
}
