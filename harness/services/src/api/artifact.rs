//! `ArtifactService`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::error::TwirpError;
use super::wire::{self, required};
use crate::blob::{Access, UrlGrant};
use crate::catalog::{Artifact, Conflict};
use crate::clock;
use crate::http::percent;

const ZIP: &str = "application/zip";
/// Characters that the real service refuses in names, besides control characters.
const FORBIDDEN: [char; 9] = ['"', ':', '<', '>', '|', '*', '?', '\\', '/'];

/// Fields of all five requests.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    #[serde(alias = "workflowRunBackendId")]
    workflow_run_backend_id: Option<String>,
    #[serde(alias = "workflowJobRunBackendId")]
    workflow_job_run_backend_id: Option<String>,
    name: Option<String>,
    #[serde(alias = "mimeType")]
    mime_type: Option<String>,
    #[serde(deserialize_with = "wire::int64")]
    size: Option<u64>,
    hash: Option<String>,
    #[serde(alias = "nameFilter")]
    name_filter: Option<String>,
    #[serde(alias = "idFilter", deserialize_with = "wire::int64")]
    id_filter: Option<u64>,
    /// RFC 3339, as protobuf's JSON writes a time.
    #[serde(alias = "expiresAt")]
    expires_at: Option<String>,
}

impl Request {
    // A token accesses the artifacts of its run only.
    fn read(call: &Call<'_>) -> Result<(Self, String), TwirpError> {
        let mut request: Self = wire::read(call.body)?;
        let run = required(request.workflow_run_backend_id.take(), "workflow_run_backend_id")?;
        if run != call.run {
            let own = &call.run;
            return Err(TwirpError::denied(format!(
                "workflow_run_backend_id is {run:?}, and the token's run is {own:?}"
            )));
        }
        Ok((request, run))
    }

    fn name(&mut self) -> Result<String, TwirpError> {
        required(self.name.take(), "name")
    }

    fn find(&mut self, call: &Call<'_>, run: &str) -> Result<Artifact, TwirpError> {
        let name = self.name()?;
        let job = required(self.workflow_job_run_backend_id.take(), "workflow_job_run_backend_id")?;
        let found = call.state.artifacts.find(run, &name).filter(|artifact| artifact.job == job);
        found.ok_or_else(|| TwirpError::not_found(format!("there is no artifact {name} of job {job} in run {run}")))
    }
}

pub(super) fn create(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let name = request.name()?;
    let job = required(request.workflow_job_run_backend_id.take(), "workflow_job_run_backend_id")?;
    wire::refuse_characters("name", &name, &FORBIDDEN)?;
    let expires = request.expires_at.as_deref().map(expiry).transpose()?;
    let id = call.state.next_id();
    let mime = request.mime_type.filter(|mime| !mime.is_empty());
    // Clients treat any path with .zip as a zip, whatever its type, so only zips get this extension. An artifact without a
    // type is a zip, because older clients upload only zips and send no type.
    let extension = if mime.as_deref().is_none_or(|mime| mime == ZIP) { ".zip" } else { "" };
    let path = format!("/actions-results/{run}/artifacts/{id}{extension}");
    let created = clock::unix_seconds();
    let (times, content) = (call.state.reservation(), None);
    let (name_of, path_of) = (name.clone(), path.clone());
    let artifact = Artifact { id, run, job, name: name_of, mime, path: path_of, created, expires, content, times };
    // The blob first: another request may look for it as soon as the name is taken.
    call.state.add_blob(&path, &call.account);
    if call.state.artifacts.create(artifact).is_err() {
        call.state.blobs.remove(&path);
        return Err(TwirpError::taken(format!("an artifact with the name {name} already exists in this run")));
    }
    let url = call.state.blob_url(&call.account, &call.caller, UrlGrant::new(path, Access::Write));
    Ok(json!({ "ok": true, "signed_upload_url": url }))
}

fn expiry(text: &str) -> Result<i64, TwirpError> {
    clock::parse_rfc3339(text)
        .ok_or_else(|| TwirpError::invalid(format!("expires_at is {text:?}: use a time such as 2026-12-01T00:00:00Z")))
}

pub(super) fn finalize(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let artifact = request.find(call, &run)?;
    let (name, size) = (&artifact.name, request.size.unwrap_or(0));
    let blob = call.state.blobs.get(&artifact.path);
    // Sealed before it becomes visible, so that nobody reads a blob that can still change.
    blob.map_or(Err(None), |blob| blob.seal(size)).map_err(|stored| match stored {
        None => TwirpError::not_ready(format!("nothing was uploaded for the artifact {name}: put its blob first")),
        Some(stored) => TwirpError::invalid(format!("size of {name} is {size} but {stored} bytes were uploaded")),
    })?;
    let first = call.state.artifacts.finalize(artifact.id, (size, request.hash), call.state.visible_from());
    let first = first.map_err(|conflict| match conflict {
        Conflict::Missing => TwirpError::not_found(format!("the artifact {name} was deleted")),
        _ => TwirpError::taken(format!("the artifact {name} was finalized before with another size or hash")),
    })?;
    if first {
        call.account.count_entry();
    }
    Ok(json!({ "ok": true, "artifact_id": artifact.id.to_string() }))
}

pub(super) fn list(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (request, run) = Request::read(call)?;
    let selected = |artifact: &Artifact| {
        request.name_filter.as_ref().is_none_or(|name| *name == artifact.name)
            && request.id_filter.is_none_or(|id| id == artifact.id)
    };
    let visible = call.state.artifacts.list(&run, clock::monotonic_ns());
    let artifacts: Vec<Value> = visible.iter().filter(|artifact| selected(artifact)).map(listed).collect();
    Ok(json!({ "artifacts": artifacts }))
}

fn listed(artifact: &Artifact) -> Value {
    let (size, hash) = artifact.content.clone().unwrap_or_default();
    let mut value = json!({
        "workflow_run_backend_id": artifact.run,
        "workflow_job_run_backend_id": artifact.job,
        "database_id": artifact.id.to_string(),
        "name": artifact.name,
        "size": size.to_string(),
        "created_at": clock::rfc3339(artifact.created),
    });
    if let Some(hash) = hash {
        value["digest"] = hash.into();
    }
    value
}

pub(super) fn signed_url(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let artifact = request.find(call, &run)?;
    if !artifact.is_visible(clock::monotonic_ns()) {
        return Err(TwirpError::not_found(format!("artifact {} is not complete", artifact.name)));
    }
    let zip = artifact.mime.as_deref().is_none_or(|mime| mime == ZIP);
    let file = if zip { format!("{}.zip", artifact.name) } else { artifact.name.clone() };
    let mut grant = UrlGrant::new(artifact.path, Access::Read);
    grant.disposition = Some(disposition(&file));
    // An upload without a type may be no zip: then the type of its blob says so.
    grant.content_type = artifact.mime;
    Ok(json!({ "signed_url": call.state.blob_url(&call.account, &call.caller, grant) }))
}

// The plain form serves old clients, the encoded one any character.
fn disposition(file: &str) -> String {
    let plain: String = file.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent::encode(file))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let artifact = request.find(call, &run)?;
    call.state.artifacts.remove(artifact.id);
    call.state.blobs.remove(&artifact.path);
    Ok(json!({ "ok": true, "artifact_id": artifact.id.to_string() }))
}
