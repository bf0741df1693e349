//! Refusals of missing, altered, expired or revoked tokens and URLs.

use std::time::Duration;

use serde_json::json;

use crate::support::{Api, Fixture, Http, target};

fn refused(api: &Api) {
    let answer = api.cache("GetCacheEntryDownloadURL", json!({"key": "k"}));
    assert_eq!(answer.twirp(), (401, "unauthenticated".into()));
}

#[test]
fn call_without_a_token_of_this_service_is_refused() {
    let fixture = Fixture::new();
    let token = fixture.token(|_| ());
    let api = |token: &str| fixture.api(token);
    assert_eq!(api(&token).cache("GetCacheEntryDownloadURL", json!({"key": "k"})).status, 200);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    for bad in ["", "x", "a.b.c", signed, &format!("{signed}."), &format!("{signed}.{flipped}"), &format!("{token}A")] {
        refused(&api(bad));
    }
    refused(&api(&Fixture::new().token(|_| ())));
    let path = "/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL";
    for headers in [&[][..], &[("Authorization", "Basic eDp5")], &[("Authorization", token.as_str())]] {
        let answer = Http::new(fixture.service.addr()).send("POST", path, headers, b"{}");
        assert_eq!(answer.twirp(), (401, "unauthenticated".into()));
    }
}

#[test]
fn expired_token_is_refused_and_counted() {
    let fixture = Fixture::new();
    let token = fixture.token(|spec| spec.ttl = Duration::ZERO);
    refused(&fixture.api(&token));
    let counters = fixture.service.counters(&token);
    assert_eq!((counters.requests, counters.refused, counters.errors), (1, 1, 1));
}

#[test]
fn revoked_token_invalidates_its_urls() {
    let fixture = Fixture::new();
    let (token, other) = (fixture.token(|_| ()), fixture.token(|_| ()));
    let (api, other) = (fixture.api(&token), fixture.api(&other));
    api.save_cache("k", b"x");
    let (get, put, others) = (api.download_url("k"), api.upload_url("k2"), other.download_url("k"));
    assert_eq!(api.blob("GET", &get, &[], b"").status, 200);
    assert!(fixture.service.revoke(&token));
    refused(&api);
    for (method, url) in [("GET", &get), ("HEAD", &get), ("PUT", &put)] {
        let answer = api.blob(method, url, &[("x-ms-blob-type", "BlockBlob")], b"");
        assert_eq!(answer.status, 403, "{method}");
        assert_eq!(answer.header("x-ms-error-code"), Some("AuthenticationFailed"));
    }
    assert_eq!(fixture.service.counters(&token).refused, 4);
    assert_eq!(other.blob("GET", &others, &[], b"").status, 200, "what it stored is still there for others");
    assert!(!fixture.service.revoke("no token"));
}

#[test]
fn url_is_valid_only_for_its_path_permission_and_time() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"x");
    let (get, put) = (api.download_url("k"), api.upload_url("k2"));
    let status = |method: &str, url: &str| api.blob(method, url, &[("x-ms-blob-type", "BlockBlob")], b"").azure();
    assert_eq!(status("PUT", &get), (403, "AuthorizationPermissionMismatch".into()));
    assert_eq!(status("GET", &put), (403, "AuthorizationPermissionMismatch".into()));
    assert_eq!(status("DELETE", &get).0, 405);
    let forbidden = (403, "AuthenticationFailed".to_owned());
    let other_path = format!("{}?{}", put.split('?').next().unwrap(), get.split_once('?').unwrap().1);
    let signature = get.split("sig=").nth(1).unwrap();
    let reversed: String = signature.chars().rev().collect();
    let later = get.replace("se=20", "se=21");
    for url in [
        &other_path,
        &get.replace("sp=r", "sp=cw"),
        &get.replace(signature, &reversed),
        &later,
        &get.replace("sig=", "x="),
    ] {
        assert_ne!(url, &get);
        assert_eq!(status("GET", url), forbidden, "{url}");
    }
    assert_eq!(status("GET", get.split('?').next().unwrap()), forbidden);
    assert_eq!(status("GET", &format!("{get}&sp=cw")), forbidden, "a second meaning");

    let brief = Fixture::with(|config| config.url_ttl = Duration::ZERO);
    let api = brief.api(&brief.token(|_| ()));
    let url = api.upload_url("k");
    assert_eq!(api.blob("PUT", &url, &[("x-ms-blob-type", "BlockBlob")], b"x").azure(), forbidden);
    assert_eq!(brief.service.counters(&api.token).refused, 1);
}

#[test]
fn url_stays_valid_when_clients_reencode_its_query() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.upload_artifact("a b", b"x");
    let url = api.artifact("GetSignedArtifactURL", json!({"name": "a b"})).ok()["signed_url"].take();
    let url = url.as_str().unwrap();
    let (path, query) = target(url).split_once('?').unwrap();
    // Go decodes, sorts and encodes again, with a plus for a space.
    let mut parts: Vec<String> = query.split('&').map(|part| part.replace("%20", "+")).collect();
    parts.push("timeout=30".into());
    parts.sort();
    let sorted = format!("http://host{path}?{}", parts.join("&"));
    assert_eq!(api.blob("GET", &sorted, &[], b"").status, 200);
    // A client through a proxy sends the whole URL.
    let mut http = Http::new(fixture.service.addr());
    assert_eq!(http.send("GET", url, &[], b"").status, 200);
}

#[test]
fn host_of_a_url_depends_on_the_client() {
    let fixture = Fixture::new();
    let mut api = fixture.api(&fixture.token(|_| ()));
    let addr = fixture.service.addr();
    let host = |url: &str| url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    assert_eq!(host(&api.upload_url("1")), addr.to_string());
    api.user_agent = "@actions/cache-6.3.0".into();
    assert_eq!(host(&api.upload_url("2")), format!("handoff-loopback-only.blob.core.windows.net:{}", addr.port()));
    let plain = Fixture::with(|config| config.blob_host = None);
    let mut api = plain.api(&plain.token(|_| ()));
    api.user_agent = "@actions/cache-6.3.0".into();
    assert_eq!(host(&api.upload_url("1")), plain.service.addr().to_string());
}
