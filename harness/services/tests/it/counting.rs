//! What is counted, and for whom.

use std::io::Read;

use handoff_link::RequestKind;
use handoff_model::Counters;
use serde_json::json;

use crate::support::{Fixture, Http, noise, target};

#[test]
fn traffic_belongs_to_the_token_that_asked_for_the_url() {
    let fixture = Fixture::new();
    let (producer, consumer) = (fixture.token(|spec| spec.role = "producer".into()), fixture.token(|_| ()));
    let (up, down) = (fixture.api(&producer), fixture.api(&consumer));
    up.save_cache("k", &noise(1000, 1));
    let url = down.download_url("k");
    let mut http = Http::new(down.addr);
    http.send("HEAD", target(&url), &[], b"");
    http.send("GET", target(&url), &[("x-ms-range", "bytes=0-599")], b"");
    http.send("GET", target(&url), &[("x-ms-range", "bytes=600-")], b"");

    let expected = Counters {
        requests: 3,
        api_requests: 2,
        bytes_up: 1000,
        connections: 3,
        entries: 1,
        stored_bytes: 1000,
        ..Counters::default()
    };
    assert_eq!(fixture.service.counters(&producer), expected);
    let expected = Counters {
        requests: 4,
        api_requests: 1,
        bytes_down: 1000,
        connections: 2,
        entries_found: 1,
        bytes_found: 1000,
        ..Counters::default()
    };
    assert_eq!(fixture.service.counters(&consumer), expected);

    let log = fixture.service.request_log(&consumer);
    let kinds: Vec<RequestKind> = log.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [RequestKind::Rpc, RequestKind::HeadBlob, RequestKind::GetBlob, RequestKind::GetBlob]);
    assert_eq!((log[3].range, log[3].bytes_down, log[3].status), (Some((600, 400)), 400, 206));
    assert!(log.iter().all(|record| record.start_ns <= record.end_ns && !record.path.contains("sig")));
    assert!(log[2].connection == log[3].connection && log[0].connection != log[1].connection);
    assert!(log[0].path.ends_with("/GetCacheEntryDownloadURL"));
}

#[test]
fn repetitions_are_seen() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let retries = || fixture.service.counters(&api.token).retries;
    let url = api.upload_url("k");
    for expected in [0, 1, 2] {
        assert_eq!(api.blob("PUT", &format!("{url}&comp=block&blockid=YQ%3D%3D"), &[], b"x").status, 201);
        assert_eq!(retries(), expected);
    }
    let xml = b"<BlockList><Latest>YQ==</Latest></BlockList>";
    api.blob("PUT", &format!("{url}&comp=blocklist"), &[], xml);
    // A call that failed, said again; one that went well may be repeated.
    let finalize = |size: u64| api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": size}));
    assert_eq!((finalize(9).status, retries()), (400, 2));
    assert_eq!((finalize(9).status, retries()), (400, 3));
    assert_eq!((finalize(1).status, retries()), (200, 3));
    let url = api.download_url("k");
    api.download_url("k");
    assert_eq!(retries(), 3);
    api.blob("GET", &url, &[("Range", "bytes=0-0")], b"");
    assert_eq!(retries(), 3);
    api.blob("GET", &url, &[("x-ms-range", "bytes=0-0")], b"");
    assert_eq!(retries(), 4);
}

#[test]
fn a_download_that_breaks_off_is_an_error_and_its_rest_a_retry() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let content = noise(64 << 20, 3);
    api.save_cache("k", &content);
    let url = api.download_url("k");
    let mut http = Http::new(api.addr);
    http.write(format!("GET {} HTTP/1.1\r\n\r\n", target(&url)).as_bytes());
    let mut beginning = [0; 1000];
    http.stream.read_exact(&mut beginning).unwrap();
    // Closing with data unread resets the connection under the service's hands.
    drop(http);
    let rest = api.blob("GET", &url, &[("x-ms-range", "bytes=500-")], b"");
    assert_eq!(rest.body, content[500..]);
    // The broken request ends by itself; the service's end waits for it, its log cannot be awaited from outside.
    let broken = std::iter::repeat_with(|| fixture.service.request_log(&api.token))
        .find_map(|log| log.into_iter().find(|record| record.broken))
        .unwrap();
    assert!(broken.bytes_down < content.len() as u64 && broken.kind == RequestKind::GetBlob, "{broken:?}");
    assert!(fixture.service.counters(&api.token).errors >= 1);
}

#[test]
fn the_log_is_bounded() {
    let fixture = Fixture::with(|config| config.log_capacity = 3);
    let api = fixture.api(&fixture.token(|_| ()));
    for _ in 0..5 {
        api.cache("GetCacheEntryDownloadURL", json!({"key": "k"})).ok();
    }
    let counters = fixture.service.counters(&api.token);
    assert_eq!((counters.requests, counters.log_dropped), (5, 2));
    assert_eq!(fixture.service.request_log(&api.token).len(), 3);
    assert_eq!(fixture.service.counters("no token"), Counters::default());
}

#[test]
fn the_environment_of_a_client_is_complete() {
    let fixture = Fixture::new();
    let token = fixture.token(|_| ());
    let env = fixture.service.client_env(&token);
    let of = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let url = fixture.service.base_url();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with('/'));
    for name in ["ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL", "ACTIONS_RUNTIME_URL"] {
        assert_eq!(of(name), Some(url.as_str()), "{name}");
    }
    assert_eq!(of("ACTIONS_RUNTIME_TOKEN"), Some(token.as_str()));
    assert_eq!((of("ACTIONS_CACHE_SERVICE_V2"), of("GITHUB_SERVER_URL")), (Some("true"), Some("https://github.com")));
    assert_eq!(of("NODE_OPTIONS"), None);
}
