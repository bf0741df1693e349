//! Artifact service: calls that create, finalize, find and delete artifacts.

use std::sync::Arc;

use crate::attempts::Calls;
use crate::blob::{BlobWriter, UploadSource};
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::{DownloadSource, RemoteBlob};
use crate::retry::{Counters, RetryPolicy};
use crate::target::{ArtifactTarget, is_attempt};
use crate::token::BackendIds;
use crate::twirp::Twirp;
use crate::wire::{Artifact, Request as Body};

const SERVICE: &str = "ArtifactService";
/// Client of the artifact service. Share it between tasks by reference.
#[derive(Debug)]
pub struct ArtifactClient(Calls);

/// Reserved artifact that is being uploaded. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArtifactUpload {
    calls: Calls,
    writer: BlobWriter,
}

impl ArtifactUpload {
    /// Writer of the artifact's blob.
    pub fn writer(&self) -> &BlobWriter {
        &self.writer
    }

    /// Name under which it is reserved: the target's, or an attempt of it.
    pub async fn name(&self) -> String {
        self.writer.name().await
    }

    /// Makes the uploaded artifact visible; returns its number. Content with a digest of each piece, whose pieces were sent out
    /// of order, needs no digest of the whole.
    ///
    /// # Errors
    /// [`Error::Status`] when the service does not accept it. Where an answer was lost, a listed artifact is no error.
    pub async fn finalize(&self, size: u64, sha256: Option<&str>) -> Result<u64, Error> {
        self.calls.finalize(&self.name().await, size, sha256).await
    }

    /// Deletes the unfinished artifact where the service allows it, so that its name is free again. A failure is ignored, because
    /// the next send takes another attempt of the name.
    pub async fn abandon(&self) {
        self.calls.delete_unfinished(&self.name().await).await;
    }
}

impl ArtifactClient {
    /// Creates a client with the default retries.
    ///
    /// # Errors
    /// [`Error::BadUrl`] or [`Error::BadToken`] when the endpoint is not usable, [`Error::BadProxy`] for a variable of a proxy.
    pub fn new(endpoint: ServiceEndpoint) -> Result<Self, Error> {
        Self::with_retry(endpoint, RetryPolicy::default())
    }

    /// Creates a client that retries failed operations by `retry`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_retry(endpoint: ServiceEndpoint, retry: RetryPolicy) -> Result<Self, Error> {
        let ids = Arc::new(BackendIds::from_token(&endpoint.token)?);
        Ok(Self(Calls { twirp: Arc::new(Twirp::new(endpoint, retry, SERVICE)?), ids }))
    }

    /// Counters of this client's requests.
    pub fn counters(&self) -> &Counters {
        &self.0.twirp.http.counters
    }

    /// Reserves a name for an upload.
    ///
    /// A name that an earlier send left unfinished gets an attempt number, which [`Self::find`] knows. While no block is stored,
    /// the upload takes a new reservation when its link has ended.
    ///
    /// # Errors
    /// [`Error::BadName`] and [`Error::BadPlan`] for the target; [`Error::Taken`] when another send has completed the name;
    /// [`Error::Burnt`] when no attempt is left.
    pub async fn create(&self, target: &ArtifactTarget) -> Result<ArtifactUpload, Error> {
        target.check()?;
        let reserved = self.0.reserve(target).await?;
        let source = UploadSource::Artifact(self.0.clone(), target.clone());
        let writer = BlobWriter::new(Arc::clone(&self.0.twirp), source, reserved.name, reserved.url);
        Ok(ArtifactUpload { calls: self.0.clone(), writer })
    }

    /// Lists the run's finalized artifacts, all or those of one name.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn list(&self, name: Option<&str>) -> Result<Vec<Artifact>, Error> {
        self.0.list(name).await
    }

    /// Finds the newest complete artifact of that name, whatever its attempt.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, and only then: a caller that waits for it may look again.
    pub async fn find(&self, name: &str) -> Result<Artifact, Error> {
        let newest = self.all_of(name).await?.into_iter().max_by_key(|artifact| artifact.database_id);
        newest.ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// All complete attempts of a name.
    async fn all_of(&self, name: &str) -> Result<Vec<Artifact>, Error> {
        let mut listed = self.list(None).await?;
        listed.retain(|artifact| is_attempt(&artifact.name, name));
        Ok(listed)
    }

    /// Gets a signed URL for the download of an artifact.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone.
    pub async fn signed_url(&self, artifact: &Artifact) -> Result<String, Error> {
        self.0.signed_url(artifact).await
    }

    /// Deletes an artifact; returns whether it was still there.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn delete(&self, artifact: &Artifact) -> Result<bool, Error> {
        match self.0.twirp.call("DeleteArtifact", &Body::of(artifact)).await {
            Ok(answer) if answer.ok => Ok(true),
            Ok(_) => Err(Error::answer("DeleteArtifact", "it is not ok")),
            // Deleted by another, or by an attempt whose answer was lost.
            Err(Error::Status { status: 404, .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Deletes all complete artifacts of a name, whatever their attempt; returns their number.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn delete_named(&self, name: &str) -> Result<usize, Error> {
        let mut deleted = 0;
        for artifact in self.all_of(name).await? {
            deleted += usize::from(self.delete(&artifact).await?);
        }
        Ok(deleted)
    }

    /// Reader of an artifact's blob at a URL from [`Self::signed_url`]. It asks for a new URL when this one has ended.
    pub fn reader(&self, artifact: &Artifact, url: String) -> RemoteBlob {
        RemoteBlob::new(DownloadSource::Artifact(self.0.clone(), artifact.clone()), url, artifact.size)
    }
}
