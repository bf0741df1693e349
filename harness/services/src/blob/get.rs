//! Get Blob and Get Blob Properties.

use std::fs::File;

use handoff_link::RequestKind;

use super::content::{Blob, Committed};
use super::failure::Failure;
use super::range::{Wanted, wanted};
use super::sign::UrlGrant;
use crate::account::Attempt;
use crate::clock;
use crate::http::{Exchange, Reply};

/// An answer and the part of the file that is its body.
pub(super) struct Found {
    pub(super) reply: Reply,
    file: File,
    pieces: Vec<(u64, u64)>,
    start: u64,
    length: u64,
}

/// Finds what a GET asks for.
pub(super) fn get(exchange: &mut Exchange<'_>, blob: &Blob, grant: &UrlGrant) -> Result<Found, Failure> {
    exchange.record.kind = RequestKind::GetBlob;
    let (committed, file) = blob.open()?;
    conditions(exchange, &committed)?;
    let size = committed.layout.size();
    // The SDKs send their own header, since intermediaries may act on the standard one.
    let header = exchange.head.header("x-ms-range").or_else(|| exchange.head.header("range"));
    let (status, start, length) = match wanted(header, size) {
        Wanted::All => (200, 0, size),
        Wanted::Part { start, length } => (206, start, length),
        Wanted::Beyond => {
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
    Ok(Found { reply, file, pieces: committed.layout.pieces(start, length), start, length })
}

impl Found {
    /// Sends it; a client that goes away in the middle will come back for the rest.
    pub(super) fn send(&self, exchange: &mut Exchange<'_>) -> std::io::Result<()> {
        let result = exchange.send_file(&self.reply, &self.file, &self.pieces, self.length);
        if result.is_err() {
            exchange.note_failure(&Attempt::Read(&exchange.head.path, self.start, self.start + self.length));
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

// The download clients state the ETag when they take up a broken range.
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

fn properties(reply: Reply, committed: &Committed, grant: &UrlGrant) -> Reply {
    let content_type = grant.content_type.as_deref().or(committed.content_type.as_deref());
    let reply = reply
        .with("Content-Type", content_type.unwrap_or("application/octet-stream"))
        .with("ETag", &*committed.etag)
        .with("Last-Modified", clock::http_date(committed.modified))
        .with("Accept-Ranges", "bytes")
        .with("x-ms-blob-type", "BlockBlob");
    match &grant.disposition {
        Some(disposition) => reply.with("Content-Disposition", disposition.as_str()),
        None => reply,
    }
}
