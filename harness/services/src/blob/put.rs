//! Put Block, Put Block List and Put Blob.

use super::blocklist::{self, MAX_BLOCKS};
use super::checksum::Checksum;
use super::content::{Blob, Committed, Region};
use super::failure::Failure;
use handoff_link::RequestKind;

use crate::account::Attempt;
use crate::clock;
use crate::http::{Exchange, Reply};

/// Largest block list in bytes: more than a full list of the longest ids with white space.
const MAX_LIST: u64 = 16 << 20;
/// Largest block in bytes (Azure's limit).
const MAX_BLOCK: u64 = 4000 << 20;
/// Largest Put Blob in bytes (Azure's limit).
const MAX_PUT_BLOB: u64 = 5000 << 20;

/// Answers a PUT.
pub(super) fn put(exchange: &mut Exchange<'_>, blob: &Blob) -> Result<Reply, Failure> {
    let operation = exchange.head.query.get("comp").map(str::to_owned);
    match operation.as_deref() {
        Some("block") => put_block(exchange, blob),
        Some("blocklist") => put_block_list(exchange, blob),
        None => put_blob(exchange, blob),
        Some(other) => Err(Failure::new(
            400,
            "InvalidQueryParameterValue",
            format!("comp={other} is not supported: use comp=block or comp=blocklist"),
        )),
    }
}

fn put_block(exchange: &mut Exchange<'_>, blob: &Blob) -> Result<Reply, Failure> {
    exchange.record.kind = RequestKind::PutBlock;
    let text = exchange.head.query.get("blockid").unwrap_or_default().to_owned();
    exchange.note_attempt(&Attempt::Write(&exchange.head.path, "block", &text));
    let id = blocklist::block_id(&text).ok_or_else(|| {
        let message = format!("blockid {text:?} is not base64 of 1 to 64 bytes");
        Failure::new(400, "InvalidQueryParameterValue", message)
    })?;
    receive(exchange, blob, MAX_BLOCK)?.stage(id)?;
    Ok(Reply::new(201))
}

fn put_block_list(exchange: &mut Exchange<'_>, blob: &Blob) -> Result<Reply, Failure> {
    exchange.record.kind = RequestKind::PutBlockList;
    exchange.note_attempt(&Attempt::Write(&exchange.head.path, "blocklist", ""));
    Failure::injected(exchange)?;
    length(exchange, MAX_LIST)?;
    let mut checksum = Checksum::of(exchange)?;
    let body = exchange.read_body(MAX_LIST)?.unwrap_or_default();
    checksum.update(&body);
    checksum.verify()?;
    let list = std::str::from_utf8(&body).map_err(|error| error.to_string()).and_then(blocklist::parse).map_err(
        |problem| Failure::new(400, "InvalidXmlDocument", format!("The body is not a block list: {problem}.")),
    )?;
    if list.len() > MAX_BLOCKS {
        return Err(Failure::new(400, "BlockListTooLong", format!("A blob has at most {MAX_BLOCKS} blocks.")));
    }
    let content_type = exchange.head.header("x-ms-blob-content-type").map(str::to_owned);
    Ok(created(&*blob.commit(&list, content_type)?))
}

fn put_blob(exchange: &mut Exchange<'_>, blob: &Blob) -> Result<Reply, Failure> {
    exchange.record.kind = RequestKind::PutBlob;
    exchange.note_attempt(&Attempt::Write(&exchange.head.path, "blob", ""));
    match exchange.head.header("x-ms-blob-type") {
        Some("BlockBlob") => {}
        None => return Err(Failure::new(400, "MissingRequiredHeader", "x-ms-blob-type is missing: send BlockBlob")),
        Some(other) => {
            let message = format!("x-ms-blob-type: {other} is not supported: send BlockBlob");
            return Err(Failure::new(400, "InvalidHeaderValue", message));
        }
    }
    let of = |name: &str| exchange.head.header(name).map(str::to_owned);
    let content_type = of("x-ms-blob-content-type").or_else(|| of("content-type"));
    let committed = receive(exchange, blob, MAX_PUT_BLOB)?.put(content_type)?;
    Ok(created(&committed))
}

// Writes the body to its final region.
fn receive<'a>(exchange: &mut Exchange<'_>, blob: &'a Blob, limit: u64) -> Result<Region<'a>, Failure> {
    Failure::injected(exchange)?;
    let mut checksum = Checksum::of(exchange)?;
    let region = blob.reserve(length(exchange, limit)?)?;
    let mut at = 0;
    exchange.read_pieces(|piece| {
        checksum.update(piece);
        region.write(at, piece).map_err(|error| Failure::disk(&error))?;
        at += piece.len() as u64;
        Ok::<(), Failure>(())
    })?;
    checksum.verify()?;
    Ok(region)
}

fn length(exchange: &Exchange<'_>, limit: u64) -> Result<u64, Failure> {
    match exchange.content_length() {
        None => Err(Failure::new(411, "MissingContentLengthHeader", "The length of the body is missing.")),
        Some(length) if length > limit => {
            Err(Failure::new(413, "RequestBodyTooLarge", format!("The body has {length} bytes: send at most {limit}.")))
        }
        Some(length) => Ok(length),
    }
}

fn created(committed: &Committed) -> Reply {
    Reply::new(201).with("ETag", &*committed.etag).with("Last-Modified", clock::http_date(committed.modified))
}
