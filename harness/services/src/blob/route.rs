//! Routing of blob requests: authorization, then the operation.

use std::io;
use std::sync::Arc;

use handoff_link::{Call, ServiceKind};

use super::failure::Failure;
use super::get::{self, FileAnswer};
use super::put;
use super::sign::{Access, UrlGrant};
use crate::account::Account;
use crate::clock;
use crate::http::{Exchange, Reply};
use crate::state::State;

/// Prefix of the blobs of cache entries; all others are artifacts.
const CACHE: &str = "/actions-cache/";

enum Answer {
    Plain(Reply),
    File(FileAnswer),
}

/// Answers a blob request.
pub(crate) fn handle(state: &State, exchange: &mut Exchange<'_>) -> io::Result<()> {
    match answer(state, exchange) {
        Ok(Answer::Plain(reply)) => exchange.send(&reply),
        Ok(Answer::File(found)) => found.send(exchange),
        Err(failure) => exchange.send(&failure.reply()?),
    }
}

fn answer(state: &State, exchange: &mut Exchange<'_>) -> Result<Answer, Failure> {
    let required = match exchange.head.method.as_str() {
        "GET" | "HEAD" => Access::Read,
        "PUT" => Access::Write,
        _ => return Err(Failure::new(405, "UnsupportedHttpVerb", "The resource doesn't support the HTTP verb.")),
    };
    let grant = authorize(state, exchange)?;
    if grant.access != required {
        let message = "This request is not authorized to perform this operation using this permission.";
        return Err(Failure::new(403, "AuthorizationPermissionMismatch", message));
    }
    // What has ended takes no blocks, or a sender would learn of the end after its last one.
    state.expire_reservations();
    let blob = state.blobs.get(&exchange.head.path).ok_or_else(Failure::not_found)?;
    match exchange.head.method.as_str() {
        "GET" => get::get(exchange, &blob, &grant).map(Answer::File),
        "HEAD" => get::head(exchange, &blob, &grant).map(Answer::Plain),
        _ => put::put(exchange, &blob).map(Answer::Plain),
    }
}

fn authorize(state: &State, exchange: &mut Exchange<'_>) -> Result<UrlGrant, Failure> {
    let refused = |detail: &str| Failure::new(403, "AuthenticationFailed", detail);
    let grant = UrlGrant::verify(&state.key, &exchange.head.path, &exchange.head.query)
        .map_err(|_| refused("The URL's signature is missing or does not fit the URL."))?;
    let account: Arc<Account> =
        state.accounts.get(&grant.account).ok_or_else(|| refused("The URL belongs to no token of this service."))?;
    // The path is signed, so this service created the blob.
    let kind = if grant.path.starts_with(CACHE) { ServiceKind::Cache } else { ServiceKind::Artifact };
    exchange.attach(&account, Call::Blob(kind));
    let reason = if account.is_revoked() {
        "The token that this URL was made for has been revoked."
    } else if clock::unix_seconds() >= grant.expires {
        "The URL has expired."
    } else {
        return Ok(grant);
    };
    account.count_refused();
    Err(refused(reason))
}
