//! The artifact service: small JSON calls that say where bytes go, where they are and that they are complete.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Resolve, ServiceEndpoint, Target, parse};
use crate::error::Error;
use crate::http::Http;
use crate::retry::{Counters, Patience, RetryPolicy};
use crate::token::BackendIds;
use crate::wire::{CreateAnswer, Int, ListAnswer, OkAnswer, Request as Body, UrlAnswer, explain};

const SERVICE: &str = "/twirp/github.actions.results.api.v1.ArtifactService/";
/// A call that is not answered in this time is repeated.
const CALL: Duration = Duration::from_mins(1);
/// A connection without a byte for this long counts as broken.
const STALL: Duration = Duration::from_mins(1);

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

/// An artifact that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The run that made it.
    pub workflow_run_backend_id: String,
    /// The job that made it.
    pub workflow_job_run_backend_id: String,
    /// The service's number for it: later ones are larger.
    #[serde(with = "Int")]
    pub database_id: u64,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    #[serde(with = "Int")]
    pub size: u64,
    /// Digest of its bytes (`sha256:` and hex), where the uploader gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A job's view of the artifact service. Cheap to share between tasks by reference.
#[derive(Debug)]
pub struct ArtifactClient {
    pub(crate) http: Arc<Http>,
    pub(crate) retry: RetryPolicy,
    endpoint: ServiceEndpoint,
    origin: String,
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
        let target = Target::of(&parse(&endpoint.results_url)?)?;
        let ids = BackendIds::from_token(&endpoint.token)?;
        let http = Arc::new(Http::new(Resolve::of(&target), STALL));
        Ok(Self { http, retry, origin: format!("http://{}", target.authority()), ids, endpoint })
    }

    /// What this client has done on the wire so far.
    pub fn counters(&self) -> &Counters {
        &self.http.counters
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
        let answer: CreateAnswer = self.call("CreateArtifact", &request).await?;
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
        let mut request = self.request(name);
        request.size = Some(size.to_string());
        request.hash = Some(format!("sha256:{sha256}"));
        let answer: OkAnswer = self.call("FinalizeArtifact", &request).await?;
        match answer {
            OkAnswer { ok: true, artifact_id: Some(id) } => Ok(id),
            _ => Err(Error::Answer { what: "FinalizeArtifact", why: "it is not ok or names no artifact".to_owned() }),
        }
    }

    /// The run's complete artifacts, or those of one name.
    ///
    /// # Errors
    /// [`Error::Status`] and broken connections after all retries.
    pub async fn list(&self, name: Option<&str>) -> Result<Vec<Artifact>, Error> {
        let mut request = self.request("");
        request.name = None;
        request.name_filter = name;
        let answer: ListAnswer<Artifact> = self.call("ListArtifacts", &request).await?;
        Ok(answer.artifacts)
    }

    /// The newest artifact of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn find(&self, name: &str) -> Result<Artifact, Error> {
        let found = self.list(Some(name)).await?;
        // The filter is the service's; a name that it did not filter is not the one asked for.
        let newest = found.into_iter().filter(|artifact| artifact.name == name).max_by_key(|a| a.database_id);
        newest.ok_or_else(|| Error::NotFound { name: name.to_owned() })
    }

    /// Where an artifact's bytes are.
    ///
    /// # Errors
    /// [`Error::Status`] when it is gone.
    pub async fn signed_url(&self, artifact: &Artifact) -> Result<String, Error> {
        let answer: UrlAnswer = self.call("GetSignedArtifactURL", &Body::of(artifact)).await?;
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
        let answer: OkAnswer = self.call("DeleteArtifact", &Body::of(artifact)).await?;
        if answer.ok { Ok(()) } else { Err(Error::Answer { what: "DeleteArtifact", why: "it is not ok".to_owned() }) }
    }

    fn request<'a>(&'a self, name: &'a str) -> Body<'a> {
        Body::new(&self.ids.run, &self.ids.job, name)
    }

    async fn call<T: DeserializeOwned>(&self, method: &'static str, body: &Body<'_>) -> Result<T, Error> {
        let json = serde_json::to_vec(body).map_err(|e| Error::Answer { what: method, why: e.to_string() })?;
        let json = Bytes::from(json);
        let mut patience = Patience::new(self.retry, &self.http.counters);
        loop {
            match self.try_call(method, json.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    async fn try_call<T: DeserializeOwned>(&self, method: &'static str, json: Bytes) -> Result<T, Error> {
        let url = format!("{}{SERVICE}{method}", self.origin);
        let request = Request::post(&url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.endpoint.token))
            .header("user-agent", USER_AGENT)
            .body(Full::new(json))
            .map_err(|e| Error::BadUrl { url, why: e.to_string() })?;
        let exchange = self.http.send(request, CALL).await?;
        if !(200..300).contains(&exchange.status()) {
            return Err(exchange.refused(method, explain).await);
        }
        let body = exchange.body().await?;
        serde_json::from_slice(&body).map_err(|e| Error::Answer { what: method, why: e.to_string() })
    }
}

/// What we say we are.
pub(crate) const USER_AGENT: &str = concat!("handoff/", env!("CARGO_PKG_VERSION"));

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/']) {
        Err(Error::BadName { name: name.to_owned() })
    } else {
        Ok(())
    }
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
