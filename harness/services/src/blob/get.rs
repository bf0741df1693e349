//! Get Blob and Get Blob Properties.

use handoff_link::RequestKind;

use super::content::{Blob, Committed};
use super::failure::Failure;
use super::range::{RequestedRange, requested_range};
use super::sign::UrlGrant;
use crate::account::Attempt;
use crate::clock;
use crate::http::{Exchange, FileBody, Reply};

/// Answer whose body is a part of a file.
pub(super) struct FileAnswer {
    pub(super) reply: Reply,
    body: FileBody,
    start: u64,
}

/// Answers a GET.
pub(super) fn get(exchange: &mut Exchange<'_>, blob: &Blob, grant: &UrlGrant) -> Result<FileAnswer, Failure> {
    exchange.record.kind = RequestKind::GetBlob;
    let (committed, file) = blob.open()?;
    conditions(exchange, &committed)?;
    let size = committed.layout.size();
    // The SDKs send x-ms-range, because intermediaries may act on the standard header.
    let header = exchange.head.header("x-ms-range").or_else(|| exchange.head.header("range"));
    let header = header.filter(|_| is_same_version(exchange, &committed));
    let (status, start, length) = match requested_range(header, size) {
        RequestedRange::Whole => (200, 0, size),
        RequestedRange::Partial { start, length } => (206, start, length),
        RequestedRange::PastEnd => {
            let message = "The range specified is invalid for the current size of the resource.".to_owned();
            return Err(Failure::Refused { status: 416, code: "InvalidRange", message, size: Some(size) });
        }
    };
    let mut reply = properties(Reply::new(status), &committed, grant).with_length(length);
    if status == 206 {
        exchange.record.range = Some((start, length));
        reply = reply.with("Content-Range", format!("bytes {start}-{}/{size}", start + length - 1));
    }
    exchange.note_attempt(&Attempt::Read(&exchange.head.path, start, start + length));
    Failure::injected(exchange)?;
    let body = FileBody { file, pieces: committed.layout.pieces(start, length), length };
    Ok(FileAnswer { reply, body, start })
}

impl FileAnswer {
    /// Sends the answer. A client that disconnects before its end is expected to retry the rest.
    pub(super) fn send(&self, exchange: &mut Exchange<'_>) -> std::io::Result<()> {
        let result = exchange.send_file(&self.reply, &self.body);
        if result.is_err() {
            exchange.note_failure(&Attempt::Read(&exchange.head.path, self.start, self.start + self.body.length));
        }
        result
    }
}

/// Answers a HEAD.
pub(super) fn head(exchange: &mut Exchange<'_>, blob: &Blob, grant: &UrlGrant) -> Result<Reply, Failure> {
    exchange.record.kind = RequestKind::HeadBlob;
    Failure::injected(exchange)?;
    let (committed, _) = blob.open()?;
    conditions(exchange, &committed)?;
    Ok(properties(Reply::new(200), &committed, grant).with_length(committed.layout.size()))
}

// The download clients send the ETag when they resume a broken range.
fn conditions(exchange: &Exchange<'_>, committed: &Committed) -> Result<(), Failure> {
    let lists = |name: &str| {
        let header = exchange.head.header(name)?;
        Some(header.split(',').any(|tag| tag.trim() == "*" || tag.trim() == committed.etag))
    };
    if lists("if-match") == Some(false) {
        return Err(Failure::new(412, "ConditionNotMet", "The condition specified using HTTP headers is not met."));
    }
    if lists("if-none-match") == Some(true) {
        return Err(Failure::new(304, "ConditionNotMet", ""));
    }
    Ok(())
}

// A client that resumes gets the whole blob instead of a range of another version (RFC 9110, If-Range).
fn is_same_version(exchange: &Exchange<'_>, committed: &Committed) -> bool {
    let version = exchange.head.header("if-range").map(str::trim);
    version.is_none_or(|version| version == committed.etag || version == clock::http_date(committed.modified))
}

fn properties(reply: Reply, committed: &Committed, grant: &UrlGrant) -> Reply {
    let content_type = grant.content_type.as_deref().or(committed.content_type.as_deref());
    reply
        .with("Content-Type", content_type.unwrap_or("application/octet-stream"))
        .with("ETag", &*committed.etag)
        .with("Last-Modified", clock::http_date(committed.modified))
        .with("Accept-Ranges", "bytes")
        .with("x-ms-blob-type", "BlockBlob")
        .with_optional("Content-Disposition", grant.disposition.as_deref())
}
