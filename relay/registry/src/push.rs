//! Requests of a pushing engine or builder: the push part of the OCI distribution specification, and reads of small blobs.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::Error;
use crate::answers::{invalid_digest, manifest_answer, referrers, tags};
use crate::digest::Digest;
use crate::earlier_image::EarlierImage;
use crate::index::Manifest;
use crate::manifest::references;
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
    Some((first.trim().parse().ok()?, last.split('/').next()?.trim().parse().ok()?))
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

    /// Reads a request's body into an upload.
    async fn receive(&self, id: &str, request: Request<Incoming>, digest: Option<&Digest>) -> Result<u64, Answer> {
        let shared = &self.0;
        let upload = shared.upload(id).ok_or_else(unknown_upload)?;
        let mut upload = upload.lock().await;
        let upload = upload.as_mut().ok_or_else(unknown_upload)?;
        if let Some(range) = request.headers().get("content-range") {
            let first = range.to_str().ok().and_then(content_range).map(|(first, _)| first);
            if first != Some(upload.size()) {
                let size = upload.size();
                let why = format!("the next byte is {size}");
                let range = format!("0-{}", size.saturating_sub(1));
                return Err(Answer::refused(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", why)
                    .header("range", range));
            }
        }
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|e| Answer::refused(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", e.to_string()))?;
            if let Ok(bytes) = frame.into_data() {
                shared.count_received(bytes.len() as u64);
                upload.push(&shared.sink, &bytes, digest).await.map_err(|e| self.broken(&e))?;
            }
        }
        Ok(upload.size())
    }

    /// Answer for a failure of the store. It also fails the transfer, so that nothing is committed.
    fn broken(&self, error: &Error) -> Answer {
        self.0.fail(error);
        Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error)
    }

    async fn chunk(&self, name: &str, id: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let size = self.receive(id, request, None).await?;
        Ok(progress(StatusCode::ACCEPTED, name, id, size))
    }

    async fn finish(&self, name: &str, id: &str, request: Request<Incoming>) -> Result<Answer, Answer> {
        let shared = &self.0;
        let digest = query(request.uri(), "digest").unwrap_or_default().parse::<Digest>().map_err(invalid_digest)?;
        self.receive(id, request, Some(&digest)).await?;
        let upload = shared.upload(id).ok_or_else(unknown_upload)?;
        let upload = upload.lock().await.take().ok_or_else(unknown_upload)?;
        shared.end(id);
        let pushed = upload.finish(&shared.sink, &digest).await.map_err(|error| match error {
            Error::Damaged { got, .. } => invalid_digest(format!("what was pushed has the digest {got}")),
            error => self.broken(&error),
        })?;
        shared.keep(&digest, pushed);
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
        let missing = |why: String| Answer::refused(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", why);
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
        let found = references(&body).map_err(invalid)?;
        if let Some(layer) = found.foreign.first() {
            return Err(invalid(format!(
                "layer {layer} is not distributable, so the image cannot be sent: rebuild the image without this layer"
            )));
        }
        for blob in &found.blobs {
            let held = self.0.blob(blob).await.map_err(|error| self.broken(&error))?;
            held.ok_or_else(|| missing(format!("{blob} was not pushed")))?;
        }
        // An index is relayed with the platforms that were pushed; at least one must be there.
        if !found.manifests.is_empty()
            && !found.manifests.iter().any(|m| self.0.with_manifests(|all| all.contains_key(m)))
        {
            return Err(missing("no manifest of the index was pushed".to_owned()));
        }
        let text = String::from_utf8(body.to_vec()).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
        let media_type =
            if header.is_empty() { "application/vnd.oci.image.manifest.v1+json".to_owned() } else { header };
        self.0.keep_manifest(&digest, Manifest { media_type, text }, named.is_none().then_some(reference));
        let answer = Answer::new(StatusCode::CREATED)
            .header("location", format!("/v2/{name}/manifests/{digest}"))
            .digest(&digest);
        // The header confirms that the manifest is listed among the referrers.
        Ok(if let Some(subject) = found.subject { answer.header("oci-subject", subject.as_str()) } else { answer })
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
        assert_eq!(content_range("x"), None);
    }
}
