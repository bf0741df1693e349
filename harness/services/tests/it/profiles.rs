//! Shaped links over real sockets. No test has an upper time limit, because a busy machine may take any time.
//! What a link guarantees is the least time, and that is what is checked.

use std::time::{Duration, Instant};

use handoff_link::profile::Profile;
use serde_json::json;

use crate::support::{Fixture, noise};

fn shaped(figures: &str) -> Fixture {
    let profile = Profile::parse("test", &format!("name = 'test'\nsummary = 's'\n{figures}")).unwrap();
    Fixture::with(|config| config.profile = profile)
}

fn least(ms: u64, act: impl FnOnce()) {
    let start = Instant::now();
    act();
    assert!(start.elapsed() >= Duration::from_millis(ms), "{:?} for {ms} ms", start.elapsed());
}

#[test]
fn shaped_bytes_take_their_time_and_arrive_complete() {
    let fixture = shaped("[cache.up]\nconnection = '4MiB/s'\n[cache.down]\nconnection = '8MiB/s'\n");
    let api = fixture.api(&fixture.token(|_| ()));
    let content = noise(1 << 20, 1);
    least(250, || drop(api.save_cache("k", &content)));
    let url = api.download_url("k");
    least(125, || assert_eq!(api.blob("GET", &url, &[], b"").body, content));
    least(62, || assert_eq!(api.blob("GET", &url, &[("x-ms-range", "bytes=524288-")], b"").body, content[1 << 19..]));
}

#[test]
fn artifact_and_cache_have_separate_figures() {
    let fixture = shaped("[artifact]\nrequest_ms = 80\n[api]\ncall_ms = 30\n");
    let api = fixture.api(&fixture.token(|_| ()));
    least(60, || drop(api.save_cache("k", b"of the cache: two calls, no time for the blob")));
    least(140, || drop(api.upload_artifact("a", b"two calls and a blob request")));
}

#[test]
fn connections_of_one_job_share_its_link_and_jobs_do_not() {
    let fixture = shaped("[cache.down]\nconnection = '64MiB/s'\naggregate = '8MiB/s'\n");
    let content = noise(1 << 20, 2);
    fixture.api(&fixture.token(|_| ())).save_cache("k", &content);
    let tokens = [fixture.token(|_| ()), fixture.token(|_| ())];
    least(500, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let api = fixture.api(&tokens[0]);
                    assert_eq!(api.blob("GET", &api.download_url("k"), &[], b"").body, content);
                });
            }
        });
    });
    // The other job's link was idle: its first byte waits for nobody's bytes, and it has no credit either.
    let api = fixture.api(&tokens[1]);
    let url = api.download_url("k");
    least(125, || assert_eq!(api.blob("GET", &url, &[], b"").body, content));
}

#[test]
fn entries_beyond_the_rate_limit_get_429_with_retry_after() {
    let fixture = shaped("[cache]\ncreates_per_minute = 2\n");
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("a", b"1");
    api.save_cache("b", b"2");
    // Another job's token: the limit is of the service.
    let other = fixture.token(|_| ());
    let refused = fixture.api(&other).cache("CreateCacheEntry", json!({"key": "c"}));
    assert_eq!(refused.twirp(), (429, "resource_exhausted".to_owned()));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    let throttled = |token: &str| fixture.service.counters(token).throttled;
    assert_eq!((throttled(&api.token), throttled(&other)), (0, 1));
    // Neither downloads nor artifacts are limited.
    api.download_url("a");
    api.upload_artifact("c", b"3");
}

#[test]
fn least_recently_used_entry_is_evicted_beyond_the_storage_limit() {
    let fixture = shaped("[cache]\nstorage_limit = '2500B'\n");
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("a", &[1; 1000]);
    api.save_cache("b", &[2; 1000]);
    api.download_url("a");
    api.save_cache("c", &[3; 1000]);
    let hit = |key: &str| api.cache("GetCacheEntryDownloadURL", json!({"key": key})).ok()["ok"] == json!(true);
    assert_eq!((hit("a"), hit("b"), hit("c")), (true, false, true));
    assert_eq!((fixture.service.stored_bytes("run-1"), fixture.files()), (2000, 2));
}
