//! `CacheService`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::error::TwirpError;
use super::wire::{self, required};
use crate::blob::{Access, UrlGrant};
use crate::catalog::{Conflict, Entry};
use crate::clock;
use crate::token::{READ, WRITE};

const MAX_KEY: usize = 512;

/// Fields of all three requests.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    key: Option<String>,
    version: Option<String>,
    #[serde(alias = "restoreKeys")]
    restore_keys: Option<Vec<String>>,
    #[serde(alias = "sizeBytes", deserialize_with = "wire::int64")]
    size_bytes: Option<u64>,
}

impl Request {
    fn read(call: &Call<'_>) -> Result<(Self, String, String), TwirpError> {
        let mut request: Self = wire::read(call.body)?;
        let key = required(request.key.take(), "key")?;
        let version = required(request.version.take(), "version")?;
        for key in request.restore_keys.iter().flatten().chain([&key]) {
            check_key(key)?;
        }
        Ok((request, key, version))
    }
}

fn check_key(key: &str) -> Result<(), TwirpError> {
    let length = key.chars().count();
    if length > MAX_KEY {
        return Err(TwirpError::invalid(format!("the key {key:?} has {length} characters: use at most {MAX_KEY}")));
    }
    wire::refuse_characters("key", key, &[','])
}

// The scope that the token writes: the last writable one, after which BuildKit also names its index.
fn write_scope(call: &Call<'_>) -> Option<String> {
    call.scopes.iter().rev().find(|scope| scope.permission & WRITE != 0).map(|scope| scope.name.clone())
}

// GitHub's answer to a read-only token: no error status, because clients read the message only of a success. `@actions/cache`
// tells a denial from a taken key by the beginning of the message.
fn write_denied() -> Value {
    json!({ "ok": false, "message": "cache write denied: token has no writable scopes" })
}

pub(super) fn create(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (_, key, version) = Request::read(call)?;
    let Some(scope) = write_scope(call) else { return Ok(write_denied()) };
    call.state.may_create_entry().map_err(TwirpError::too_many)?;
    let id = call.state.next_id();
    let run = call.run.clone();
    let path = format!("/actions-cache/{run}/entries/{id}");
    call.state.add_blob(&path, &call.account);
    let times = call.state.reservation();
    let entry = Entry { id, key, version, scope, run, path: path.clone(), size: None, used: 0, times };
    let key = entry.key.clone();
    call.account.note_created(id);
    if call.state.caches.create(entry).is_err() {
        call.state.blobs.remove(&path);
        return Err(TwirpError::taken(format!("cache entry with the key {key} already exists in this scope")));
    }
    let url = call.state.blob_url(&call.account, &call.caller, UrlGrant::new(path, Access::Write));
    Ok(json!({ "ok": true, "signed_upload_url": url }))
}

pub(super) fn finalize(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (request, key, version) = Request::read(call)?;
    let Some(scope) = write_scope(call) else { return Ok(write_denied()) };
    let entry = call.state.caches.find(&key, &version, &scope);
    let entry = entry
        .ok_or_else(|| TwirpError::not_found(format!("there is no cache entry {key} to finalize: create it first")))?;
    let size = request.size_bytes.unwrap_or(0);
    let blob = call.state.blobs.get(&entry.path);
    // Sealed before it becomes visible, so that nobody reads a blob that can still change.
    blob.map_or(Err(None), |blob| blob.seal(size)).map_err(|stored| match stored {
        None => TwirpError::not_ready(format!("nothing was uploaded for the cache entry {key}: put its blob first")),
        Some(stored) => TwirpError::invalid(format!("size_bytes of {key} is {size} but {stored} bytes were uploaded")),
    })?;
    let first = call.state.caches.finalize(entry.id, size, call.state.visible_from());
    let first = first.map_err(|conflict| match conflict {
        Conflict::Missing => TwirpError::not_found(format!("the cache entry {key} was removed")),
        _ => TwirpError::taken(format!("the cache entry {key} was finalized before with another size")),
    })?;
    if first {
        call.account.count_entry();
        // Evicted after the save, so that a new entry replaces old ones.
        call.state.keep_within_storage();
    }
    Ok(json!({ "ok": true, "entry_id": entry.id.to_string() }))
}

pub(super) fn download_url(call: &Call<'_>) -> Result<Value, TwirpError> {
    let (request, key, version) = Request::read(call)?;
    let readable = call.scopes.iter().filter(|scope| scope.permission & READ != 0);
    let restore_keys = request.restore_keys.unwrap_or_default();
    let scopes = readable.map(|scope| scope.name.as_str());
    let found = call.state.caches.look_up(scopes, &version, &key, &restore_keys, clock::monotonic_ns());
    // A miss is an answer, not an error.
    let Some(entry) = found else { return Ok(json!({ "ok": false })) };
    call.account.count_found(entry.id, entry.size.unwrap_or(0));
    let url = call.state.blob_url(&call.account, &call.caller, UrlGrant::new(entry.path, Access::Read));
    Ok(json!({ "ok": true, "signed_download_url": url, "matched_key": entry.key }))
}
