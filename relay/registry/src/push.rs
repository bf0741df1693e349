//! Requests of a pushing engine or builder: the push part of the OCI distribution specification, and reads of small blobs.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::Error;
use crate::answers::{invalid_digest, manifest_answer, referrers, tags};
use crate::claims::Claim;
use crate::digest::Digest;
use crate::earlier_image::EarlierImage;
use crate::index::Manifest;
use crate::manifest_check::{Checked, check, is_repository};
use crate::sender_state::{KnownBlob, SenderState};
use crate::wire::{Answer, Handler, Reply, Route, query, route};

/// Largest manifest in bytes, by the specification.
const MAX_MANIFEST_BYTES: usize = 4 << 20;

/// Handler of a pushing client's requests.
pub(crate) struct PushHandler(pub(crate) Arc<SenderState>);

impl Handler for PushHandler {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some((name, what)) = route(request.uri().path()) else {
            return Answer::refused(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "the path is none of the registry API");
        };
        if what != Route::Base && !is_repository(&name) {
            let why = format!("{name} is not a repository's name: use lower-case letters, digits and . _ - /");
            return Answer::refused(StatusCode::BAD_REQUEST, "NAME_INVALID", why);
        }
        let method = request.method().clone();
        if let Some(earlier) = &self.0.earlier
            && EarlierImage::is_requested(&name, &method)
        {
            return earlier.answer(request).await;
        }
        let answered = match (&method, what) {
            (_, Route::Base) => Ok(Answer::bytes(StatusCode::OK, "application/json", "{}")),
            (&Method::POST, Route::NewUpload) => self.begin(&name, request).await,
            (&Method::PATCH, Route::Upload(id)) => self.chunk(&name, &id, request).await,
            (&Method::PUT, Route::Upload(id)) => self.finish(&name, &id, request).await,
            (&Method::GET, Route::Upload(id)) => self.status(&name, &id).await,
            (&Method::DELETE, Route::Upload(id)) => Ok(self.abandon(&id)),
            (&Method::HEAD | &Method::GET, Route::Blob(digest)) => self.blob(&method, &digest).await,
            (&Method::PUT, Route::Manifest(reference)) => self.manifest(&name, &reference, request).await,
            (&Method::HEAD | &Method::GET, Route::Manifest(reference)) => {
                Ok(manifest_answer(&reference, self.0.manifest(&reference)))
            }
            (&Method::GET, Route::Tags) => Ok(tags(&name, request.uri(), self.0.tags())),
            (&Method::GET, Route::Referrers(digest)) => Ok(self.0.with_manifests(|all| referrers(&digest, all))),
            _ => Err(Answer::refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "this method is not supported here: a relay sender takes pushes",
            )),
        };
        answered.unwrap_or_else(|refused| refused)
    }
}

/// Whether `text` is a valid tag.
fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = text.bytes();
    text.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

/// Answer with the location and the progress of an upload.
fn progress(status: StatusCode, name: &str, id: &str, size: u64) -> Answer {
    Answer::new(status)
        .header("location", format!("/v2/{name}/blobs/uploads/{id}"))
        .header("range", format!("0-{}", size.saturating_sub(1)))
        .header("docker-upload-uuid", id)
}

fn created(name: &str, digest: &Digest) -> Answer {
    Answer::new(StatusCode::CREATED).header("location", format!("/v2/{name}/blobs/{digest}")).digest(digest)
}

fn unknown_upload() -> Answer {
    Answer::refused(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "the upload is unknown or finished: begin a new one")
}

/// Parses `0-9` into the first and the last byte.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.trim_start_matches("bytes ").split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.split('/').next()?.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

/// Number of bytes that a chunk's Content-Range announces. `size` is that of the upload so far.
fn announced(headers: &http::HeaderMap, size: u64) -> Result<Option<u64>, Box<Answer>> {
    let Some(range) = headers.get("content-range") else { return Ok(None) };
    let refused = |status, why: &str| Answer::refused(status, "BLOB_UPLOAD_INVALID", why);
    let Some((first, last)) = range.to_str().ok().and_then(content_range) else {
        return Err(Box::new(refused(StatusCode::BAD_REQUEST, "the Content-Range is not FIRST-LAST")));
    };
    if first != size {
        let answer = refused(StatusCode::RANGE_NOT_SATISFIABLE, &format!("the next byte is {size}"));
        return Err(Box::new(answer.header("range", format!("0-{}", size.saturating_sub(1)))));
    }
    let bytes = (last - first).saturating_add(1);
    let length = headers.get("content-length").and_then(|l| l.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length != bytes) {
        return Err(Box::new(other_size(bytes)));
    }
    Ok(Some(bytes))
}

/// Refusal of a chunk with another size than announced.
fn other_size(announced: u64) -> Answer {
    let why = format!("the chunk does not have the {announced} bytes of its Content-Range");
    Answer::refused(StatusCode::BAD_REQUEST, "SIZE_INVALID", why)
}

impl PushHandler {
    async fn begin(&self, name: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let shared = &self.0;
        if let Some(digest) = query(request.uri(), "mount").and_then(|d| d.parse::<Digest>().ok())
            && let Ok(Some(_)) = shared.blob(&digest).await
        {
            return Ok(created(name, &digest));
        }
        let id = shared.begin();
        if query(request.uri(), "digest").is_some() {
            return self.finish(name, &id, request).await;
        }
        Ok(progress(StatusCode::ACCEPTED, name, &id, 0))
    }

    /// Reads a request's body into an upload. The claim is that on a blob that this request uploads as the first.
    async fn receive(
        &self,
        id: &str,
        request: Request<Incoming>,
        digest: Option<&Digest>,
    ) -> Result<(u64, Option<Claim>), Answer> {
        let shared = &self.0;
        let upload = shared.upload(id).ok_or_else(unknown_upload)?;
        let mut upload = upload.lock().await;
        let upload = upload.as_mut().ok_or_else(unknown_upload)?;
        let announced = announced(request.headers(), upload.size()).map_err(|refused| *refused)?;
        let mut claim = None;
        if let Some(digest) = digest.filter(|_| upload.size() == 0) {
            claim = shared.claims.claim(digest).await;
            if claim.is_none() || shared.has(digest) {
                upload.set_duplicate();
            }
        }
        let (mut body, mut bytes_read) = (request.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|e| Answer::refused(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", e.to_string()))?;
            if let Ok(bytes) = frame.into_data() {
                bytes_read += bytes.len() as u64;
                if announced.is_some_and(|announced| bytes_read > announced) {
                    break;
                }
                shared.count_received(bytes.len() as u64);
                upload.push(&shared.sink, &bytes, digest).await.map_err(|e| self.broken(&e))?;
                claim.iter().for_each(Claim::note_bytes);
            }
        }
        match announced {
            // A part of the chunk is in the upload, so the client cannot go on with it.
            Some(announced) if bytes_read != announced => {
                shared.end(id);
                Err(other_size(announced))
            }
            _ => Ok((upload.size(), claim)),
        }
    }

    /// Answer for a failure of the store. It also fails the transfer, so that nothing is committed.
    fn broken(&self, error: &Error) -> Answer {
        self.0.fail(error);
        Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error)
    }

    async fn chunk(&self, name: &str, id: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let (size, _) = self.receive(id, request, None).await?;
        Ok(progress(StatusCode::ACCEPTED, name, id, size))
    }

    async fn finish(&self, name: &str, id: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let shared = &self.0;
        let digest = query(request.uri(), "digest").unwrap_or_default().parse::<Digest>().map_err(invalid_digest)?;
        let (_, claim) = self.receive(id, request, Some(&digest)).await?;
        let upload = shared.upload(id).ok_or_else(unknown_upload)?;
        let upload = upload.lock().await.take().ok_or_else(unknown_upload)?;
        shared.end(id);
        let pushed = upload.finish(&shared.sink, &digest).await.map_err(|error| match error {
            Error::Damaged { got, .. } => invalid_digest(format!("what was pushed has the digest {got}")),
            error => self.broken(&error),
        })?;
        shared.keep(&digest, pushed);
        if let Some(claim) = claim {
            claim.complete();
        }
        Ok(created(name, &digest))
    }

    async fn status(&self, name: &str, id: &str) -> Result<Answer, Answer> {
        let upload = self.0.upload(id).ok_or_else(unknown_upload)?;
        let size = upload.lock().await.as_ref().map_or(0, crate::upload::Upload::size);
        Ok(progress(StatusCode::NO_CONTENT, name, id, size))
    }

    fn abandon(&self, id: &str) -> Answer {
        if self.0.upload(id).is_none() {
            return unknown_upload();
        }
        self.0.end(id);
        Answer::new(StatusCode::NO_CONTENT)
    }

    async fn blob(&self, method: &Method, digest: &str) -> Result<Answer, Answer> {
        let digest = digest.parse::<Digest>().map_err(invalid_digest)?;
        let unknown = |why: &str| Answer::refused(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", why);
        let answer = match self.0.blob(&digest).await.map_err(|error| self.broken(&error))? {
            Some(KnownBlob::Small(bytes)) => Answer::bytes(StatusCode::OK, "application/octet-stream", bytes),
            Some(held) if method == Method::HEAD => {
                let (_, pieces) = tokio::sync::mpsc::channel(1);
                Answer::with(StatusCode::OK, Reply::Pieces { size: held.size(), pieces })
                    .header("content-type", "application/octet-stream")
            }
            Some(_) => return Err(unknown("the blob was forwarded and is not kept here: pull it from a receiver")),
            None => return Err(unknown("the blob was not pushed")),
        };
        Ok(answer.digest(&digest))
    }

    async fn manifest(&self, name: &str, reference: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let invalid = |why: String| Answer::refused(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", why);
        let header = request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let body = Limited::new(request.into_body(), MAX_MANIFEST_BYTES).collect().await;
        let body = body.map_err(|e| Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", e))?.to_bytes();
        let digest = Digest::of(&body);
        let named = reference.parse::<Digest>().ok();
        if named.is_none() && !is_tag(reference) {
            return Err(invalid_digest(format!("{reference} is neither a tag nor a digest by sha256")));
        }
        if named.as_ref().is_some_and(|named| *named != digest) {
            return Err(invalid_digest(format!("the manifest has the digest {digest}")));
        }
        let found = check(&body, &header).map_err(invalid)?;
        if let Some(layer) = found.foreign.first() {
            return Err(invalid(format!(
                "layer {layer} is not distributable, so the image cannot be sent: rebuild the image without this layer"
            )));
        }
        self.check_references(&found).await?;
        let text = String::from_utf8(body.to_vec()).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
        let media_type = found.media_type;
        self.0.keep_manifest(&digest, Manifest { media_type, text }, named.is_none().then_some(reference));
        let answer = Answer::new(StatusCode::CREATED)
            .header("location", format!("/v2/{name}/manifests/{digest}"))
            .digest(&digest);
        // The header confirms that the manifest is listed among the referrers.
        Ok(if let Some(subject) = found.subject { answer.header("oci-subject", subject.as_str()) } else { answer })
    }

    /// Checks a manifest against the blobs and manifests that were pushed.
    async fn check_references(&self, found: &Checked) -> Result<(), Answer> {
        let invalid = |why: String| Answer::refused(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", why);
        for (blob, size) in &found.blobs {
            let held = self.0.blob(blob).await.map_err(|error| self.broken(&error))?;
            let missing = || format!("{blob} was not pushed");
            let held =
                held.ok_or_else(|| Answer::refused(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", missing()))?;
            if held.size() != *size {
                return Err(invalid(format!("{blob} has {} bytes, the manifest states {size}", held.size())));
            }
        }
        let (mut is_any_pushed, mut is_runnable_pushed) = (false, false);
        for child in &found.children {
            let Some(manifest) = self.0.with_manifests(|all| all.get(&child.digest).cloned()) else { continue };
            let (size, digest) = (manifest.text.len() as u64, &child.digest);
            if size != child.size {
                return Err(invalid(format!("{digest} has {size} bytes, the index states {}", child.size)));
            }
            if child.media_type.as_ref().is_some_and(|stated| *stated != manifest.media_type) {
                return Err(invalid(format!("{digest} has another media type than the index states")));
            }
            is_any_pushed = true;
            is_runnable_pushed |= child.is_runnable;
        }
        // An index is relayed with the platforms that were pushed. One of them must be there: attestations alone run nowhere. The
        // specification's own tests push empty indexes, so these are refused when they are committed as an image.
        let has_runnable = found.children.iter().any(|child| child.is_runnable);
        let is_pushed = if has_runnable { is_runnable_pushed } else { is_any_pushed || found.children.is_empty() };
        if !is_pushed {
            let why = "no runnable manifest of the index was pushed";
            return Err(Answer::refused(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_tags_are_accepted() {
        for good in ["1", "v1.2-rc_3", "_x"] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".x", "-x", "sha256:ab", "a/b", &"x".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
    }

    #[test]
    fn content_range_of_a_chunk_is_parsed() {
        assert_eq!(content_range("0-9"), Some((0, 9)));
        assert_eq!(content_range("bytes 10-19/20"), Some((10, 19)));
        for bad in ["x", "9-0", "1-", "-1"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
