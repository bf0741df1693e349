//! Artifact service: calls that create, finalize, find and delete artifacts.

use std::sync::Arc;

use crate::attempts::{Calls, ends_as_attempt, is_attempt};
use crate::blob::{BlobWriter, UploadSource};
use crate::endpoint::ServiceEndpoint;
use crate::error::Error;
use crate::remote::{DownloadSource, RemoteBlob};
use crate::retry::{Counters, RetryPolicy};
use crate::token::BackendIds;
use crate::twirp::Twirp;
use crate::wire::{Artifact, Request as Body};

const SERVICE: &str = "ArtifactService";
/// Longest time in days for which the service keeps an artifact, by the settings of an enterprise.
const MAX_DAYS: u32 = 400;

/// Name and type of a new artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactTarget {
    /// Name, unique in the run.
    pub name: String,
    /// Media type; the service stores it as the content type.
    pub mime: String,
    /// Version of the upload protocol; GitHub's client sends 7.
    pub version: u32,
    /// Days after which the service deletes the artifact; by default those of the repository's settings.
    pub expires_in_days: Option<u32>,
}

impl ArtifactTarget {
    /// Target with a media type.
    pub fn new(name: impl Into<String>, mime: impl Into<String>) -> Self {
        Self { name: name.into(), mime: mime.into(), version: 7, expires_in_days: None }
    }

    /// Target for a stream of zstd frames.
    pub fn zstd(name: impl Into<String>) -> Self {
        Self::new(name, "application/zstd")
    }

    /// Time of its end, as the service reads it.
    pub(crate) fn expires_at(&self, now: jiff::Timestamp) -> Option<String> {
        let hours = 24 * i64::from(self.expires_in_days?);
        now.checked_add(jiff::SignedDuration::from_hours(hours)).ok().map(|end| end.to_string())
    }

    fn check(&self) -> Result<(), Error> {
        check_name(&self.name)?;
        let days = self.expires_in_days.is_none_or(|days| (1..=MAX_DAYS).contains(&days));
        Error::check_range(days, "the number of days of an artifact", "from 1 to 400")
    }
}

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
        signed_url(&self.0.twirp, artifact).await
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
        RemoteBlob::new(DownloadSource::Artifact(Arc::clone(&self.0.twirp), artifact.clone()), url, artifact.size)
    }
}

pub(crate) async fn signed_url(twirp: &Twirp, artifact: &Artifact) -> Result<String, Error> {
    let answer = twirp.call("GetSignedArtifactURL", &Body::of(artifact)).await?;
    if answer.signed_url.is_empty() {
        return Err(Error::answer("GetSignedArtifactURL", "it has no download URL"));
    }
    Ok(answer.signed_url)
}

/// Characters that the service forbids in artifact names.
pub const FORBIDDEN_IN_NAMES: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

fn check_name(name: &str) -> Result<(), Error> {
    let bad = name.is_empty() || name.contains(FORBIDDEN_IN_NAMES) || ends_as_attempt(name);
    if bad { Err(Error::BadName(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_name_is_refused_before_any_request() {
        for bad in ["", "a/b", "a\\b", "a:b", "what?", "a\nb", "\"", "<", ">", "|", "*", "a.attempt-2"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        check_name("image-1.0 (amd64)").unwrap();
    }

    #[test]
    fn days_become_the_time_of_the_end_and_are_bounded() {
        let days = |expires_in_days| ArtifactTarget { expires_in_days, ..ArtifactTarget::zstd("n") };
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        assert_eq!(days(Some(5)).expires_at(now).as_deref(), Some("2026-12-02T10:00:00Z"));
        assert_eq!(days(None).expires_at(now), None);
        for bad in [0, 401] {
            assert!(days(Some(bad)).check().unwrap_err().to_string().contains("from 1 to 400"), "{bad}");
        }
        days(Some(90)).check().unwrap();
    }
}
