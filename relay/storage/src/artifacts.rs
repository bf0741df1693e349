//! Artifact service: calls that create, finalize, find and delete artifacts.

use std::sync::Arc;

use crate::blob::BlobWriter;
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::RemoteBlob;
use crate::retry::{Counters, RetryPolicy};
use crate::token::BackendIds;
use crate::twirp::Twirp;
use crate::wire::{Artifact, Request as Body};

const SERVICE: &str = "ArtifactService";

/// Name and type of a new artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactTarget {
    /// Name, unique in the run.
    pub name: String,
    /// Media type; the service stores it as the content type.
    pub mime: String,
    /// Version of the upload protocol; GitHub's client sends 7.
    pub version: u32,
}

impl ArtifactTarget {
    /// Target for a stream of zstd frames.
    pub fn zstd(name: impl Into<String>) -> Self {
        Self { name: name.into(), mime: "application/zstd".to_owned(), version: 7 }
    }
}

/// Client of the artifact service. Share it between tasks by reference.
#[derive(Debug)]
pub struct ArtifactClient {
    twirp: Twirp,
    ids: BackendIds,
}

impl ArtifactClient {
    /// Creates a client with the default retries.
    ///
    /// # Errors
    /// [`Error::BadUrl`] or [`Error::BadToken`] when the endpoint is not usable.
    pub fn new(endpoint: ServiceEndpoint) -> Result<Self, Error> {
        Self::with_retry(endpoint, RetryPolicy::default())
    }

    /// Creates a client that retries failed operations by `retry`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_retry(endpoint: ServiceEndpoint, retry: RetryPolicy) -> Result<Self, Error> {
        let ids = BackendIds::from_token(&endpoint.token)?;
        Ok(Self { twirp: Twirp::new(endpoint, retry, SERVICE)?, ids })
    }

    /// Counters of this client's requests.
    pub fn counters(&self) -> &Counters {
        &self.twirp.http.counters
    }

    /// Reserves a name; returns the signed URL for the upload.
    ///
    /// # Errors
    /// [`Error::BadName`]; [`Error::Status`] with 409 when the name is taken.
    pub async fn create(&self, target: &ArtifactTarget) -> Result<String, Error> {
        check_name(&target.name)?;
        let mut request = self.request(&target.name);
        request.version = Some(target.version);
        request.mime_type = Some(&target.mime);
        let answer = self.twirp.call("CreateArtifact", &request).await?;
        if !answer.ok || answer.signed_upload_url.is_empty() {
            return Err(Error::answer("CreateArtifact", "it is not ok or has no upload URL"));
        }
        Ok(answer.signed_upload_url)
    }

    /// Makes an uploaded artifact visible; returns its number. Content with a digest of each piece, whose pieces were sent out of
    /// order, needs no digest of the whole.
    ///
    /// # Errors
    /// [`Error::Status`] when the service does not accept it.
    pub async fn finalize(&self, name: &str, size: u64, sha256: Option<&str>) -> Result<u64, Error> {
        let mut request = self.request(name);
        request.size = Some(size.to_string());
        request.hash = sha256.map(|sha256| format!("sha256:{sha256}"));
        let answer = self.twirp.call("FinalizeArtifact", &request).await?;
        let id = answer.artifact_id.filter(|_| answer.ok);
        id.ok_or_else(|| Error::answer("FinalizeArtifact", "it is not ok or has no artifact id"))
    }

    /// Lists the run's finalized artifacts, all or those of one name.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn list(&self, name: Option<&str>) -> Result<Vec<Artifact>, Error> {
        let mut request = self.request("");
        request.name = None;
        request.name_filter = name;
        Ok(self.twirp.call("ListArtifacts", &request).await?.artifacts)
    }

    /// Finds the newest artifact of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn find(&self, name: &str) -> Result<Artifact, Error> {
        let found = self.list(Some(name)).await?;
        // Checked again, because the filter is the service's.
        let newest = found.into_iter().filter(|artifact| artifact.name == name).max_by_key(|a| a.database_id);
        newest.ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// Gets a signed URL for the download of an artifact.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone.
    pub async fn signed_url(&self, artifact: &Artifact) -> Result<String, Error> {
        let answer = self.twirp.call("GetSignedArtifactURL", &Body::of(artifact)).await?;
        if answer.signed_url.is_empty() {
            return Err(Error::answer("GetSignedArtifactURL", "it has no download URL"));
        }
        Ok(answer.signed_url)
    }

    /// Deletes an artifact.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone already.
    pub async fn delete(&self, artifact: &Artifact) -> Result<(), Error> {
        let answer = self.twirp.call("DeleteArtifact", &Body::of(artifact)).await?;
        if answer.ok { Ok(()) } else { Err(Error::answer("DeleteArtifact", "it is not ok")) }
    }

    /// Writer of the blob at a URL from [`Self::create`].
    pub fn writer(&self, url: String) -> BlobWriter {
        BlobWriter::new(Arc::clone(&self.twirp.http), url)
    }

    /// Reader of an artifact's blob at a URL from [`Self::signed_url`].
    pub fn reader(&self, artifact: &Artifact, url: String) -> RemoteBlob {
        RemoteBlob::new(Arc::clone(&self.twirp.http), url, artifact.name.clone(), artifact.size)
    }

    fn request<'a>(&'a self, name: &'a str) -> Body<'a> {
        Body::new(&self.ids.run, &self.ids.job, name)
    }
}

/// Characters that the service forbids in artifact names.
pub const FORBIDDEN_IN_NAMES: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(FORBIDDEN_IN_NAMES) { Err(Error::BadName(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_name_is_refused_before_any_request() {
        for bad in ["", "a/b", "a\\b", "a:b", "what?", "a\nb", "\"", "<", ">", "|", "*"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        check_name("image-1.0 (amd64)").unwrap();
    }
}
