//! The artifact service: small JSON calls that say where bytes go, where they are and that they are complete.

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

/// What to call a new artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactTarget {
    /// Its name, unique in the run.
    pub name: String,
    /// What its bytes are; the service keeps it as the content type.
    pub mime: String,
    /// The version of the upload protocol: 7 is what GitHub's own client says.
    pub version: u32,
}

impl ArtifactTarget {
    /// A stream of zstd frames.
    pub fn zstd(name: impl Into<String>) -> Self {
        Self { name: name.into(), mime: "application/zstd".to_owned(), version: 7 }
    }
}

/// A job's view of the artifact service. Cheap to share between tasks by reference.
#[derive(Debug)]
pub struct ArtifactClient {
    twirp: Twirp,
    ids: BackendIds,
}

impl ArtifactClient {
    /// A client with the usual patience.
    ///
    /// # Errors
    /// [`Error::BadUrl`] or [`Error::BadToken`] when the endpoint is not usable.
    pub fn new(endpoint: ServiceEndpoint) -> Result<Self, Error> {
        Self::with_retry(endpoint, RetryPolicy::default())
    }

    /// A client that repeats failed operations as `retry` says.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_retry(endpoint: ServiceEndpoint, retry: RetryPolicy) -> Result<Self, Error> {
        let ids = BackendIds::from_token(&endpoint.token)?;
        Ok(Self { twirp: Twirp::new(endpoint, retry, SERVICE)?, ids })
    }

    /// What this client has done on the wire so far.
    pub fn counters(&self) -> &Counters {
        &self.twirp.http.counters
    }

    /// Reserves a name; the answer is where the bytes go.
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
            let why = "it is not ok or names no upload address".to_owned();
            return Err(Error::Answer { what: "CreateArtifact", why });
        }
        Ok(answer.signed_upload_url)
    }

    /// Makes an uploaded artifact visible; gives its number.
    ///
    /// # Errors
    /// [`Error::Status`] when the service does not accept it.
    pub async fn finalize(&self, name: &str, size: u64, sha256: &str) -> Result<u64, Error> {
        self.finalize_as(name, size, Some(format!("sha256:{sha256}"))).await
    }

    /// The same without a digest of the whole: for content that proves itself piece by piece, and whose pieces were
    /// sent out of order.
    ///
    /// # Errors
    /// As [`Self::finalize`].
    pub async fn finalize_unhashed(&self, name: &str, size: u64) -> Result<u64, Error> {
        self.finalize_as(name, size, None).await
    }

    async fn finalize_as(&self, name: &str, size: u64, hash: Option<String>) -> Result<u64, Error> {
        let mut request = self.request(name);
        request.size = Some(size.to_string());
        request.hash = hash;
        let answer = self.twirp.call("FinalizeArtifact", &request).await?;
        let why = "it is not ok or names no artifact".to_owned();
        answer.artifact_id.filter(|_| answer.ok).ok_or(Error::Answer { what: "FinalizeArtifact", why })
    }

    /// The run's complete artifacts, or those of one name.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn list(&self, name: Option<&str>) -> Result<Vec<Artifact>, Error> {
        let mut request = self.request("");
        request.name = None;
        request.name_filter = name;
        Ok(self.twirp.call("ListArtifacts", &request).await?.artifacts)
    }

    /// The newest artifact of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn find(&self, name: &str) -> Result<Artifact, Error> {
        let found = self.list(Some(name)).await?;
        // The filter is the service's; a name that it did not filter is not the one asked for.
        let newest = found.into_iter().filter(|artifact| artifact.name == name).max_by_key(|a| a.database_id);
        newest.ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// Where an artifact's bytes are.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone.
    pub async fn signed_url(&self, artifact: &Artifact) -> Result<String, Error> {
        let answer = self.twirp.call("GetSignedArtifactURL", &Body::of(artifact)).await?;
        if answer.signed_url.is_empty() {
            Err(Error::Answer { what: "GetSignedArtifactURL", why: "it names no address".to_owned() })
        } else {
            Ok(answer.signed_url)
        }
    }

    /// Removes an artifact.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone already.
    pub async fn delete(&self, artifact: &Artifact) -> Result<(), Error> {
        let answer = self.twirp.call("DeleteArtifact", &Body::of(artifact)).await?;
        if answer.ok { Ok(()) } else { Err(Error::Answer { what: "DeleteArtifact", why: "it is not ok".to_owned() }) }
    }

    /// Writes the blob behind the address that [`Self::create`] gave.
    pub fn writer(&self, url: String) -> BlobWriter {
        BlobWriter::new(Arc::clone(&self.twirp.http), url)
    }

    /// Reads the blob of an artifact, by the address that [`Self::signed_url`] gave.
    pub fn reader(&self, artifact: &Artifact, url: String) -> RemoteBlob {
        RemoteBlob::new(Arc::clone(&self.twirp.http), url, artifact.name.clone(), artifact.size)
    }

    fn request<'a>(&'a self, name: &'a str) -> Body<'a> {
        Body::new(&self.ids.run, &self.ids.job, name)
    }
}

/// Characters that the service allows in no artifact's name.
pub const FORBIDDEN_IN_NAMES: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(FORBIDDEN_IN_NAMES) { Err(Error::BadName(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_service_refuses_are_refused_before_asking() {
        for bad in ["", "a/b", "a\\b", "a:b", "what?", "a\nb", "\"", "<", ">", "|", "*"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        check_name("image-1.0 (amd64)").unwrap();
    }
}
