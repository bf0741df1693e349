//! Denied cache writes, lifetimes of links and reservations, lag of lookups, and losses by the control interface.
//!
//! No test has an upper time limit. Times are zero, far beyond a test, or waited for.

use handoff_link::profile;
use handoff_services::Stored;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Fixture};

const PUT: [(&str, &str); 1] = [("x-ms-blob-type", "BlockBlob")];

fn with(figures: &str) -> Fixture {
    Fixture::with(|config| config.profile = profile::load(&format!("loopback:{figures}")).unwrap())
}

fn create(api: &Api, key: &str) -> Answer {
    api.cache("CreateCacheEntry", json!({"key": key}))
}

fn look_up(api: &Api, key: &str) -> Value {
    api.cache("GetCacheEntryDownloadURL", json!({"key": key})).ok()
}

fn artifacts(api: &Api) -> usize {
    api.artifact("ListArtifacts", json!({})).ok()["artifacts"].as_array().unwrap().len()
}

#[test]
fn read_only_token_restores_but_saves_nothing() {
    let fixture = Fixture::new();
    let writer = fixture.api(&fixture.token(|_| ()));
    writer.save_cache("k", b"abc");
    writer.upload_url("reserved by another");
    let reader = fixture.api(&fixture.token(|spec| spec.deny_cache_writes = true));
    for answer in [
        create(&reader, "new"),
        create(&reader, "k"),
        reader.cache("FinalizeCacheEntryUpload", json!({"key": "reserved by another", "size_bytes": 0})),
    ] {
        // Not an error status: of one, `@actions/cache` tells only that another job may be saving the key.
        let answer = answer.ok();
        assert_eq!(answer["ok"], json!(false));
        assert!(answer["message"].as_str().unwrap().starts_with("cache write denied: "), "{answer}");
    }
    assert_eq!(reader.blob("GET", &reader.download_url("k"), &[], b"").text(), "abc");
    reader.upload_artifact("a", b"artifacts are not affected");
    assert_eq!(create(&writer, "new").status, 200, "the denied token reserved nothing");
}

#[test]
fn profile_denies_cache_writes_to_every_token() {
    let fixture = with("cache.writes=denied");
    let api = fixture.api(&fixture.token(|_| ()));
    assert_eq!(create(&api, "k").ok()["ok"], json!(false));
    // BuildKit reads its scopes from the claim: none of them may be written.
    let claims: Vec<&str> = api.token.split('.').collect();
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims[1]).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["ac"], json!("[{\"Scope\":\"refs/heads/main\",\"Permission\":1}]"));
}

#[test]
fn links_of_each_direction_have_their_own_lifetime() {
    let expired = |answer: Answer| assert_eq!(answer.azure(), (403, "AuthenticationFailed".into()));
    let fixture = with("up.url_ttl_s=0");
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    expired(api.blob("PUT", &url, &PUT, b"x"));
    expired(api.blob("PUT", &format!("{url}&comp=block&blockid=YQ%3D%3D"), &[], b"x"));
    expired(api.blob("PUT", &format!("{url}&comp=blocklist"), &[], b"<BlockList/>"));

    let fixture = with("down.url_ttl_s=0");
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"abc");
    api.upload_artifact("a", b"abc");
    let artifact = api.artifact("GetSignedArtifactURL", json!({"name": "a"})).ok()["signed_url"].take();
    for url in [api.download_url("k").as_str(), artifact.as_str().unwrap()] {
        expired(api.blob("GET", url, &[], b""));
        assert_eq!(api.blob("HEAD", url, &[], b"").status, 403);
    }
}

#[test]
fn link_that_works_is_refused_after_its_lifetime() {
    let fixture = with("down.url_ttl_s=1");
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"abc");
    let url = api.download_url("k");
    while api.blob("GET", &url, &[], b"").status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(api.blob("GET", &url, &[], b"").azure(), (403, "AuthenticationFailed".into()));
    // A client that asks again gets a link with another end.
    assert_ne!(api.download_url("k"), url);
}

#[test]
fn unfinished_reservation_expires_and_a_finalized_one_stays() {
    let fixture = with("reservation_ttl_s=0");
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    api.artifact("CreateArtifact", json!({"name": "a", "version": 7})).ok();
    api.upload_url("k");
    api.artifact("CreateArtifact", json!({"name": "a", "version": 7})).ok();
    assert_eq!(api.blob("PUT", &url, &PUT, b"x").azure(), (404, "BlobNotFound".into()), "of the first reservation");
    assert_eq!(api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 1})).twirp().0, 404);
    assert_eq!(api.artifact("FinalizeArtifact", json!({"name": "a", "size": "1"})).twirp().0, 404);
    assert_eq!((fixture.files(), fixture.service.stored_bytes("run-1")), (0, 0));

    let fixture = with("reservation_ttl_s=86400");
    let api = fixture.api(&fixture.token(|_| ()));
    api.upload_url("k");
    assert_eq!(create(&api, "k").twirp(), (409, "already_exists".into()));
}

#[test]
fn lookups_miss_until_the_lag_is_over() {
    let fixture = with("lookup_lag_ms=60000");
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"abc");
    api.upload_artifact("a", b"abc");
    assert_eq!((look_up(&api, "k"), artifacts(&api)), (json!({"ok": false}), 0));
    assert_eq!(api.artifact("GetSignedArtifactURL", json!({"name": "a"})).twirp().0, 404);
    assert_eq!(create(&api, "k").twirp().0, 409, "the key is taken although nobody finds it");

    let fixture = with("lookup_lag_ms=40");
    let api = fixture.api(&fixture.token(|_| ()));
    let start = std::time::Instant::now();
    api.save_cache("k", b"abc");
    while look_up(&api, "k")["ok"] == json!(false) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(start.elapsed() >= std::time::Duration::from_millis(40), "{:?}", start.elapsed());
}

#[test]
fn deleted_entry_is_missed_and_a_lost_blob_answers_404() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let entry = |key: &str| Stored::CacheEntry { key: key.into() };
    let artifact = Stored::Artifact { run: "run-1".into(), name: "a".into() };
    for key in ["index", "layer"] {
        api.save_cache(key, b"abc");
    }
    api.upload_artifact("a", b"abc");
    assert_eq!(fixture.service.cache_keys("run-1"), ["index", "layer"]);

    // A stale index: its entry is found, and the blob of its layer is gone.
    assert_eq!((fixture.service.delete_blob(&entry("layer")), fixture.service.delete_blob(&entry("layer"))), (1, 0));
    let url = api.download_url("layer");
    assert_eq!(api.blob("GET", &url, &[], b"").azure(), (404, "BlobNotFound".into()));
    assert_eq!(api.blob("HEAD", &url, &[], b"").status, 404);
    assert_eq!(api.blob("GET", &api.download_url("index"), &[], b"").text(), "abc");

    assert_eq!((fixture.service.delete(&entry("index")), fixture.service.delete(&entry("index"))), (1, 0));
    assert_eq!(look_up(&api, "index"), json!({"ok": false}));
    api.save_cache("index", b"the key is free again");

    assert_eq!(fixture.service.delete_blob(&artifact), 1);
    assert_eq!(artifacts(&api), 1);
    let url = api.artifact("GetSignedArtifactURL", json!({"name": "a"})).ok()["signed_url"].take();
    assert_eq!(api.blob("GET", url.as_str().unwrap(), &[], b"").status, 404);
    fixture.service.delete(&artifact);
    assert_eq!(artifacts(&api), 0);
}

#[test]
fn lost_file_of_a_blob_answers_404() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"abc");
    let url = api.download_url("k");
    let store = std::fs::read_dir(fixture.dir.path().join("store")).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(store).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert_eq!(api.blob("HEAD", &url, &[], b"").status, 404);
    assert_eq!(api.blob("GET", &url, &[], b"").azure(), (404, "BlobNotFound".into()));
    assert_eq!(fixture.files(), 0, "no request makes the file again");
}
