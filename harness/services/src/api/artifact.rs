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
/// Characters that the real service refuses in names.
const FORBIDDEN: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

/// Fields of all five requests; each method takes what it needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    workflow_run_backend_id: Option<String>,
    workflow_job_run_backend_id: Option<String>,
    name: Option<String>,
    mime_type: Option<String>,
    #[serde(deserialize_with = "wire::int64")]
    size: Option<u64>,
    hash: Option<String>,
    name_filter: Option<String>,
    #[serde(deserialize_with = "wire::int64")]
    id_filter: Option<u64>,
}

impl Request {
    // A token reaches the artifacts of its own run only.
    fn read(call: &Call<'_>) -> Result<(Self, String), TwirpError> {
        let mut request: Self = wire::read(call.body)?;
        let run = required(request.workflow_run_backend_id.take(), "workflow_run_backend_id")?;
        if run != call.run {
            return Err(TwirpError::denied("workflow_run_backend_id is not the token's run"));
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
        found.ok_or_else(|| TwirpError::not_found(format!("there is no artifact {name} of this job in this run")))
    }
}

pub(super) fn create(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let name = request.name()?;
    let job = required(request.workflow_job_run_backend_id.take(), "workflow_job_run_backend_id")?;
    if name.contains(FORBIDDEN) {
        return Err(TwirpError::invalid("the name has a character that is not allowed"));
    }
    let id = call.state.next_id();
    let mime = request.mime_type.filter(|mime| !mime.is_empty());
    // Clients take what ends in .zip for a zip, whatever its type: only zips may. One without a type is by an older
    // client, whose artifacts were always taken for zips.
    let extension = if mime.as_deref().is_none_or(|mime| mime == ZIP) { ".zip" } else { "" };
    let path = format!("/actions-results/{run}/artifacts/{id}{extension}");
    let created = clock::unix_seconds();
    let artifact = Artifact { id, run, job, name: name.clone(), mime, path: path.clone(), created, content: None };
    // The blob first: once the name is taken, another request may look for it.
    call.state.add_blob(&path, &call.account);
    if call.state.artifacts.create(artifact).is_err() {
        call.state.blobs.remove(&path);
        return Err(TwirpError::taken(format!("an artifact with the name {name} already exists in this run")));
    }
    let url = call.state.blob_url(&call.account, &call.caller, UrlGrant::new(path, Access::Write));
    Ok(json!({ "ok": true, "signed_upload_url": url }))
}

pub(super) fn finalize(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (mut request, run) = Request::read(call)?;
    let artifact = request.find(call, &run)?;
    let size = request.size.unwrap_or(0);
    let blob = call.state.blobs.get(&artifact.path);
    // Before it becomes visible: nobody may read a blob that can still change.
    blob.map_or(Err(None), |blob| blob.seal(size)).map_err(|stored| match stored {
        None => TwirpError::not_ready("nothing was uploaded for this artifact"),
        Some(stored) => TwirpError::invalid(format!("size is {size} but {stored} bytes were uploaded")),
    })?;
    let first =
        call.state.artifacts.finalize(artifact.id, (size, request.hash)).map_err(|conflict| match conflict {
            Conflict::Missing => TwirpError::not_found("the artifact was deleted"),
            _ => TwirpError::taken("the artifact was finalized before with another size or hash"),
        })?;
    if first {
        call.account.count_entry();
    }
    Ok(json!({ "ok": true, "artifact_id": artifact.id.to_string() }))
}

pub(super) fn list(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (request, run) = Request::read(call)?;
    let wanted = |artifact: &Artifact| {
        request.name_filter.as_ref().is_none_or(|name| *name == artifact.name)
            && request.id_filter.is_none_or(|id| id == artifact.id)
    };
    let artifacts: Vec<Value> =
        call.state.artifacts.list(&run).iter().filter(|artifact| wanted(artifact)).map(listed).collect();
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
    if artifact.content.is_none() {
        return Err(TwirpError::not_found(format!("artifact {} is not complete", artifact.name)));
    }
    let zip = artifact.mime.as_deref().is_none_or(|mime| mime == ZIP);
    let file = if zip { format!("{}.zip", artifact.name) } else { artifact.name.clone() };
    let mut grant = UrlGrant::new(artifact.path, Access::Read);
    grant.disposition = Some(disposition(&file));
    // A client that states no type may upload what is no zip, and says so with the blob's own type.
    grant.content_type = artifact.mime;
    Ok(json!({ "signed_url": call.state.blob_url(&call.account, &call.caller, grant) }))
}

// The plain form for old clients, the encoded one for any character.
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
