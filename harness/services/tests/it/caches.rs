//! `CacheService`, call by call.

use serde_json::json;

use crate::support::Fixture;

#[test]
fn cache_entry_round_trips() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let id = api.save_cache("k", b"content");
    assert!(id.parse::<u64>().is_ok());
    let hit = api.cache("GetCacheEntryDownloadURL", json!({"key": "k"})).ok();
    assert_eq!((&hit["ok"], &hit["matched_key"]), (&json!(true), &json!("k")));
    let got = api.blob("GET", hit["signed_download_url"].as_str().unwrap(), &[], b"");
    assert_eq!((got.status, got.text().as_str()), (200, "content"));
}

#[test]
fn cache_miss_is_answered_with_200() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"x");
    for fields in
        [json!({"key": "other"}), json!({"key": "k", "version": "v2"}), json!({"key": "k2", "restore_keys": ["l"]})]
    {
        assert_eq!(api.cache("GetCacheEntryDownloadURL", fields).ok(), json!({"ok": false}));
    }
}

#[test]
fn restore_finds_the_exact_key_then_the_newest_prefix_match() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    for key in ["linux-1", "linux-2", "linux-10", "mac-1"] {
        api.save_cache(key, key.as_bytes());
    }
    let matched = |key: &str, restore: &[&str]| {
        let hit = api.cache("GetCacheEntryDownloadURL", json!({"key": key, "restore_keys": restore})).ok();
        hit["matched_key"].as_str().map(str::to_owned)
    };
    assert_eq!(matched("linux-1", &[]).as_deref(), Some("linux-1"), "exact, though older");
    assert_eq!(matched("linux-", &["linux-"]).as_deref(), Some("linux-10"), "the newest, as BuildKit's index needs");
    assert_eq!(matched("linux-3", &["bsd-", "mac-", "linux-"]).as_deref(), Some("mac-1"), "restore keys in order");
    assert_eq!(matched("linux-3", &["bsd-"]), None);
}

#[test]
fn entry_is_reserved_at_creation_visible_after_finalize_and_immutable() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "k"})).twirp(), (409, "already_exists".into()));
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "k", "version": "v2"})).status, 200, "another version");
    let finalize =
        |size: serde_json::Value| api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": size}));
    assert_eq!(finalize(json!(3)).twirp(), (412, "failed_precondition".into()));
    api.put_blob(&url, b"abc");
    assert_eq!(api.cache("GetCacheEntryDownloadURL", json!({"key": "k"})).ok(), json!({"ok": false}));
    assert_eq!(finalize(json!(2)).twirp(), (400, "invalid_argument".into()));
    let done = finalize(json!(3)).ok();
    assert!(done["entry_id"].is_string(), "BuildKit's client takes no number");
    assert_eq!(finalize(json!("3")).ok(), done);
    assert_eq!(api.blob("PUT", &url, &[("x-ms-blob-type", "BlockBlob")], b"abd").azure().0, 409);
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "k"})).twirp(), (409, "already_exists".into()));
    assert_eq!(api.cache("FinalizeCacheEntryUpload", json!({"key": "none", "size_bytes": 1})).twirp().0, 404);
}

#[test]
fn scopes_limit_reads_and_writes() {
    let fixture = Fixture::new();
    let main = fixture.api(&fixture.token(|_| ()));
    let branch = |name: &str| {
        fixture.api(&fixture.token(|spec| {
            spec.ref_scope = format!("refs/heads/{name}");
            spec.read_scopes = vec!["refs/heads/main".into()];
        }))
    };
    let (one, two) = (branch("one"), branch("two"));
    main.save_cache("k", b"main");
    one.save_cache("k-one", b"one");
    let sees = |api: &crate::support::Api, key: &str| {
        api.cache("GetCacheEntryDownloadURL", json!({"key": key})).ok()["matched_key"].as_str().map(str::to_owned)
    };
    assert_eq!(sees(&one, "k").as_deref(), Some("k-one"), "the first scope first, even by prefix");
    assert_eq!(sees(&two, "k").as_deref(), Some("k"), "the base's");
    assert_eq!(sees(&two, "k-one"), None, "no sibling's");
    assert_eq!(sees(&main, "k-one"), None, "no branch's");
    one.save_cache("k", b"the same key in a scope of its own");
    assert_eq!(one.blob("GET", &one.download_url("k"), &[], b"").text(), "the same key in a scope of its own");
    assert_eq!(main.blob("GET", &main.download_url("k"), &[], b"").text(), "main");
}

#[test]
fn entries_outlive_their_run_until_it_is_purged() {
    let fixture = Fixture::new();
    let first = fixture.api(&fixture.token(|_| ()));
    let next = fixture.api(&fixture.token(|spec| spec.run = "run-2".into()));
    first.save_cache("k", b"abc");
    next.save_cache("k2", b"de");
    assert_eq!(next.blob("GET", &next.download_url("k"), &[], b"").text(), "abc");
    let stored = |run| fixture.service.stored_bytes(run);
    assert_eq!((stored("run-1"), stored("run-2"), fixture.files()), (3, 2, 2));
    first.upload_url("never finished");
    first.upload_artifact("a", b"artifact");
    fixture.service.purge("run-1");
    assert_eq!((stored("run-1"), stored("run-2"), fixture.files()), (0, 2, 1));
    assert_eq!(next.cache("GetCacheEntryDownloadURL", json!({"key": "k"})).ok()["matched_key"], "k2");
    assert_eq!(first.artifact("ListArtifacts", json!({})).ok(), json!({"artifacts": []}));
    first.save_cache("k", b"the key is free again");
}

#[test]
fn invalid_key_is_refused() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    for (key, named) in [
        ("", "key is required"),
        ("a,b", "\"a,b\" has the forbidden character ','"),
        ("a\0b", "character '\\0'"),
        ("a\tb", "character '\\t'"),
        ("a\u{7f}b", "character '\\u{7f}'"),
        (&"x".repeat(513), "xxx\" has 513 characters"),
    ] {
        let answer = api.cache("CreateCacheEntry", json!({"key": key}));
        assert_eq!(answer.twirp(), (400, "invalid_argument".into()));
        assert!(answer.json()["msg"].as_str().unwrap().contains(named), "{}", answer.text());
        let restore = api.cache("GetCacheEntryDownloadURL", json!({"key": "k", "restore_keys": [key]}));
        assert_eq!(restore.status, if key.is_empty() { 200 } else { 400 }, "{key:?}");
    }
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "x".repeat(512)})).status, 200);
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "k", "version": ""})).twirp().0, 400);
    assert_eq!(api.cache("CreateCacheEntry", json!({"key": "k", "metadata": {"x": 1}, "new": 2})).status, 200);
}
