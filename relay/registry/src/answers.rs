//! Answers to read requests, common to sender and receiver.

use std::collections::BTreeMap;

use http::StatusCode;

use crate::digest::Digest;
use crate::index::Manifest;
use crate::manifest::{self, INDEX};
use crate::wire::{Answer, query};

/// Sorted list of tags, paged by the query's `n` and `last`.
pub(crate) fn tags(name: &str, uri: &http::Uri, mut tags: Vec<String>) -> Answer {
    if let Some(last) = query(uri, "last") {
        tags.retain(|tag| *tag > last);
    }
    let all = tags.len();
    tags.truncate(query(uri, "n").and_then(|n| n.parse().ok()).unwrap_or(all));
    let next = tags
        .last()
        .filter(|_| tags.len() < all)
        .map(|last| format!("</v2/{name}/tags/list?n={}&last={last}>; rel=\"next\"", tags.len()));
    let body = serde_json::json!({ "name": name, "tags": tags });
    let answer = Answer::bytes(StatusCode::OK, "application/json", body.to_string());
    if let Some(next) = next { answer.header("link", next) } else { answer }
}

/// Index of the manifests that are about `digest`.
pub(crate) fn referrers(digest: &str, manifests: &BTreeMap<Digest, Manifest>) -> Answer {
    match digest.parse() {
        Ok(digest) => Answer::bytes(StatusCode::OK, INDEX, manifest::referrers(&digest, manifests)),
        Err(why) => invalid_digest(why),
    }
}

/// Refusal of an invalid digest.
pub(crate) fn invalid_digest(why: impl std::fmt::Display) -> Answer {
    Answer::refused(StatusCode::BAD_REQUEST, "DIGEST_INVALID", why)
}

/// Answer with a manifest, or 404.
pub(crate) fn manifest_answer(reference: &str, found: Option<(Digest, Manifest)>) -> Answer {
    match found {
        Some((digest, manifest)) => Answer::bytes(StatusCode::OK, &manifest.media_type, manifest.text).digest(&digest),
        None => {
            Answer::refused(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("the image has no manifest {reference}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_of_tags_links_to_its_next_page() {
        let all = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let link = |uri: &'static str| {
            let answer = tags("x", &http::Uri::from_static(uri), all()).into_response();
            answer.headers().get("link").map(|link| link.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(link("/?n=2").unwrap(), "</v2/x/tags/list?n=2&last=b>; rel=\"next\"");
        assert_eq!((link("/?n=3"), link("/?n=2&last=a"), link("/")), (None, None, None));
    }
}
