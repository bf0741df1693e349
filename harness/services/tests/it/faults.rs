//! Faults over real sockets. Seeds are chosen so that a known request of `run-1/job-1` meets the fault.

use std::time::{Duration, Instant};

use handoff_link::{Fault, RequestKind, profile};
use serde_json::json;

use crate::support::{Fixture, Http, noise, target};

fn faulty(changes: &str) -> Fixture {
    let profile = profile::load(&format!("loopback:{changes}")).unwrap();
    Fixture::with(|config| config.profile = profile)
}

#[test]
fn injected_status_changes_nothing_and_its_retry_is_counted() {
    // The second blob request of the first 20 meets it.
    let fixture = faulty("503=20%,seed=936");
    let token = fixture.token(|_| ());
    let api = fixture.api(&token);
    api.save_cache("k", b"content");
    let url = api.download_url("k");
    let refused = api.blob("GET", &url, &[], b"");
    assert_eq!(refused.azure(), (503, "ServerBusy".to_owned()));
    assert_eq!(api.blob("GET", &url, &[], b"").body, b"content");
    let counters = fixture.service.counters(&token);
    assert_eq!((counters.faults, counters.errors, counters.retries, counters.bytes_down), (1, 1, 1, 7));
    let faults: Vec<_> = fixture.service.request_log(&token).into_iter().map(|record| record.fault).collect();
    assert_eq!(faults.iter().flatten().collect::<Vec<_>>(), [&Fault::Status503]);

    let fixture = faulty("500=100%");
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let headers = [("x-ms-blob-type", "BlockBlob")];
    assert_eq!(api.blob("PUT", &url, &headers, &noise(300_000, 1)).azure().0, 500);
    let finalize = api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": "300000"}));
    assert_eq!(finalize.twirp().0, 412, "nothing was stored");
}

#[test]
fn injected_429_has_retry_after() {
    let fixture = faulty("429=100%,retry_after_s=7");
    let token = fixture.token(|_| ());
    let refused = fixture.api(&token).cache("GetCacheEntryDownloadURL", json!({"key": "k"}));
    assert_eq!((refused.twirp().0, refused.header("retry-after")), (429, Some("7")));
    assert_eq!(fixture.service.request_log(&token)[0].fault, Some(Fault::Status429));
}

#[test]
fn injected_reset_breaks_the_connection_after_half_of_the_bytes() {
    // As above: the second.
    let fixture = faulty("reset=20%,seed=936");
    let token = fixture.token(|_| ());
    let api = fixture.api(&token);
    let content = noise(1_000_000, 2);
    api.save_cache("k", &content);
    let url = api.download_url("k");
    let mut http = Http::new(fixture.service.addr());
    http.write(format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", target(&url)).as_bytes());
    let mut got = Vec::new();
    // A reset, or the end where the reset found everything read.
    let _ = std::io::Read::read_to_end(&mut http.stream, &mut got);
    assert!(got.len() < 600_000, "{}", got.len());
    assert_eq!(api.blob("GET", &url, &[], b"").body, content);
    let log = fixture.service.request_log(&token);
    let broken: Vec<_> = log.iter().filter(|record| record.broken).collect();
    assert_eq!((broken.len(), broken[0].kind, broken[0].fault), (1, RequestKind::GetBlob, Some(Fault::Reset)));
    assert!((400_000..=500_000).contains(&broken[0].bytes_down), "{}", broken[0].bytes_down);
}

#[test]
fn injected_stall_delays_a_request_and_slow_lowers_its_rate() {
    for (changes, least) in [("stall=100%,stall_s=0.15", 300), ("connection=40MB/s,slow=100%,slow_factor=4", 200)] {
        let fixture = faulty(changes);
        let api = fixture.api(&fixture.token(|_| ()));
        let content = noise(1_000_000, 3);
        let start = Instant::now();
        // One request up, one down.
        api.save_cache("k", &content);
        assert_eq!(api.blob("GET", &api.download_url("k"), &[], b"").body, content);
        assert!(start.elapsed() >= Duration::from_millis(least), "{changes}: {:?}", start.elapsed());
    }
}
