//! Reservation of an artifact's name, which an unfinished send must not burn.
//!
//! The service answers 409 for a name from its creation on, also where the answer to the creation was lost or its sender was
//! killed, until the run ends (actions/upload-artifact#531). So a send takes the next attempt: `NAME`, `NAME.attempt-2` and so
//! on. Receivers take the newest complete one.

use std::sync::Arc;

use crate::error::Error;
use crate::target::{ATTEMPTS, ArtifactTarget, attempt};
use crate::token::BackendIds;
use crate::twirp::Twirp;
use crate::wire::{Answer, Artifact, Request as Body};

/// Calls of the artifact service.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) twirp: Arc<Twirp>,
    pub(crate) ids: Arc<BackendIds>,
}

/// Reserved name.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) name: String,
    pub(crate) url: String,
}

impl Calls {
    pub(crate) fn request<'a>(&'a self, name: &'a str) -> Body<'a> {
        Body::new(&self.ids.run, &self.ids.job, name)
    }

    /// Lists the run's complete artifacts, all or those of exactly one name.
    pub(crate) async fn list(&self, name: Option<&str>) -> Result<Vec<Artifact>, Error> {
        let mut request = self.request("");
        request.name = None;
        request.name_filter = name;
        let mut found = self.twirp.call("ListArtifacts", &request).await?.artifacts;
        // Checked again, because the filter is the service's.
        found.retain(|artifact| name.is_none_or(|name| artifact.name == name));
        Ok(found)
    }

    /// Reserves the first attempt of a name that is free.
    pub(crate) async fn reserve(&self, target: &ArtifactTarget) -> Result<Reservation, Error> {
        for number in 1..=ATTEMPTS {
            let name = attempt(&target.name, number);
            if let Some(url) = self.reserve_attempt(target, &name).await? {
                return Ok(Reservation { name, url });
            }
        }
        Err(Error::Burnt { name: target.name.clone(), attempts: ATTEMPTS })
    }

    /// Reserves one attempt; `None` where an unfinished send has it.
    async fn reserve_attempt(&self, target: &ArtifactTarget, name: &str) -> Result<Option<String>, Error> {
        const WHAT: &str = "CreateArtifact";
        let mut request = self.request(name);
        request.version = Some(target.version);
        request.mime_type = Some(&target.mime);
        request.expires_at = target.expires_at(jiff::Timestamp::now());
        let json = Twirp::encode(WHAT, &request)?;
        let mut backoff = self.twirp.http.backoff();
        let mut deleted = false;
        loop {
            match self.twirp.try_call(WHAT, json.clone()).await {
                Ok(Answer { ok: true, signed_upload_url, .. }) if !signed_upload_url.is_empty() => {
                    return Ok(Some(signed_upload_url));
                }
                Ok(_) => return Err(Error::answer(WHAT, "it is not ok or has no upload URL")),
                Err(Error::Status { status: 409, .. }) => {
                    if !self.list(Some(name)).await?.is_empty() {
                        return Err(Error::Taken(target.name.clone()));
                    }
                    // Only after a lost answer is it this sender's own: another send of this job may still run.
                    if deleted || !backoff.is_ambiguous() || !self.delete_unfinished(name).await {
                        return Ok(None);
                    }
                    deleted = true;
                }
                Err(failure) => backoff.after(failure).await?,
            }
        }
    }

    /// Deletes an unfinished artifact of this job; returns whether the service did so.
    pub(crate) async fn delete_unfinished(&self, name: &str) -> bool {
        let _running = self.twirp.http.pulse.run();
        let Ok(json) = Twirp::encode("DeleteArtifact", &self.request(name)) else { return false };
        // Once: what follows works without it too, and a failure that is being reported must not wait.
        self.twirp.try_call("DeleteArtifact", json).await.is_ok_and(|answer| answer.ok)
    }

    /// Makes an uploaded artifact visible. Where an answer was lost, the list says whether it is.
    pub(crate) async fn finalize(&self, name: &str, size: u64, sha256: Option<&str>) -> Result<u64, Error> {
        const WHAT: &str = "FinalizeArtifact";
        let mut request = self.request(name);
        request.size = Some(size.to_string());
        request.hash = sha256.map(|sha256| format!("sha256:{sha256}"));
        let json = Twirp::encode(WHAT, &request)?;
        let mut backoff = self.twirp.http.backoff();
        let failure = loop {
            match self.twirp.try_call(WHAT, json.clone()).await {
                Ok(answer) => {
                    let id = answer.artifact_id.filter(|_| answer.ok);
                    return id.ok_or_else(|| Error::answer(WHAT, "it is not ok or has no artifact id"));
                }
                Err(failure) => match backoff.after(failure).await {
                    Ok(()) => {}
                    Err(last) if backoff.is_ambiguous() => break last,
                    Err(last) => return Err(last),
                },
            }
        };
        let Ok(listed) = self.list(Some(name)).await else { return Err(failure) };
        let ours = listed.into_iter().find(|artifact| {
            let digest = artifact.digest.as_deref().zip(request.hash.as_deref());
            artifact.workflow_job_run_backend_id == self.ids.job
                && artifact.size == size
                && digest.is_none_or(|(listed, sent)| listed.eq_ignore_ascii_case(sent))
        });
        ours.map(|artifact| artifact.database_id).ok_or(failure)
    }

    /// Gets a signed URL for the download of an artifact.
    pub(crate) async fn signed_url(&self, artifact: &Artifact) -> Result<String, Error> {
        let answer = self.twirp.call("GetSignedArtifactURL", &Body::of(artifact)).await?;
        if answer.signed_url.is_empty() {
            return Err(Error::answer("GetSignedArtifactURL", "it has no download URL"));
        }
        Ok(answer.signed_url)
    }
}
