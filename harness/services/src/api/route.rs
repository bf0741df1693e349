//! Routing of calls: token, body, method.

use std::io;
use std::sync::Arc;

use handoff_link::{Call as LinkCall, RequestKind};
use serde_json::Value;

use super::call::Call;
use super::error::TwirpError;
use super::{artifact, cache};
use crate::account::{Account, Attempt};
use crate::clock;
use crate::http::{Exchange, Reply};
use crate::state::{Caller, State};
use crate::token::{self, Scope, TokenError};

const PREFIX: &str = "/twirp/github.actions.results.api.v1.";
const MAX_BODY: u64 = 1 << 20;

/// Method of one of the services.
type Method = fn(&Call<'_>) -> Result<Value, TwirpError>;

/// Answers a call, or any request with an unknown path.
pub(crate) fn handle(state: &State, exchange: &mut Exchange<'_>) -> io::Result<()> {
    exchange.record.kind = RequestKind::Rpc;
    let (account, run, scopes) = match authenticate(state, exchange) {
        Ok(bearer) => bearer,
        Err(error) => return exchange.send(&TwirpError::from(error).reply()),
    };
    let method = match method(exchange) {
        Ok(method) => method,
        Err(error) => return exchange.send(&error.reply()),
    };
    let Some(body) = exchange.read_body(MAX_BODY)? else {
        return exchange.send(&TwirpError::malformed("the body is too long").reply());
    };
    let path = exchange.head.path.clone();
    exchange.note_attempt(&Attempt::Call(&path, &body));
    let user_agent = exchange.head.header("user-agent").unwrap_or_default().to_owned();
    state.expire();
    let caller = Caller { user_agent: &user_agent, local: exchange.local() };
    let answer = match exchange.refusal() {
        Some((_, retry_after)) => Err(TwirpError::injected(retry_after)),
        None => method(&Call { state, account, run, scopes, caller, body: &body }),
    };
    let reply = match answer {
        Ok(value) => Reply::json(200, &value),
        Err(error) => error.reply(),
    };
    if reply.status >= 400 {
        exchange.note_failure(&Attempt::Call(&path, &body));
    }
    let result = exchange.send(&reply);
    if result.is_err() {
        exchange.note_failure(&Attempt::Call(&path, &body));
    }
    result
}

/// Identity of the caller by the token's claims: account, run and cache scopes.
type Bearer = (Arc<Account>, String, Vec<Scope>);

fn authenticate(state: &State, exchange: &mut Exchange<'_>) -> Result<Bearer, TokenError> {
    let header = exchange.head.header("authorization").ok_or(TokenError::Missing)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenError::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Missing);
    }
    let claims = token::decode_signed(&state.key, token.trim())?;
    let account = state.accounts.get(&claims.jti).ok_or(TokenError::Malformed)?;
    let valid = token::decode(&state.key, token.trim(), clock::unix_seconds()).map(|_| ());
    let valid = if account.is_revoked() { Err(TokenError::Revoked) } else { valid };
    // A request with an expired or revoked token counts for its account too, so that no traffic is missed.
    exchange.attach(&account, LinkCall::Api);
    if valid.is_err() {
        account.count_refused();
    }
    valid?;
    let (run, _) = claims.run_and_job().ok_or(TokenError::Malformed)?;
    let scopes = claims.scopes().ok_or(TokenError::Malformed)?;
    Ok((account, run.to_owned(), scopes))
}

fn method(exchange: &Exchange<'_>) -> Result<Method, TwirpError> {
    let head = &exchange.head;
    let unknown = || TwirpError::bad_route(format!("no handler for path {:?}", head.path));
    let name = head.path.strip_prefix(PREFIX).ok_or_else(unknown)?;
    let method: Method = match name {
        "ArtifactService/CreateArtifact" => artifact::create,
        "ArtifactService/FinalizeArtifact" => artifact::finalize,
        "ArtifactService/ListArtifacts" => artifact::list,
        "ArtifactService/GetSignedArtifactURL" => artifact::signed_url,
        "ArtifactService/DeleteArtifact" => artifact::delete,
        "CacheService/CreateCacheEntry" => cache::create,
        "CacheService/FinalizeCacheEntryUpload" => cache::finalize,
        "CacheService/GetCacheEntryDownloadURL" => cache::download_url,
        _ => return Err(unknown()),
    };
    if head.method != "POST" {
        return Err(TwirpError::bad_route(format!("unsupported method {:?} (only POST is allowed)", head.method)));
    }
    let media = head.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case("application/json") {
        return Err(TwirpError::bad_route(format!(
            "unexpected Content-Type: {media:?}: send application/json, protobuf bodies are not simulated"
        )));
    }
    Ok(method)
}
