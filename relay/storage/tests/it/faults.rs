//! Faults between client and service.

use std::io::{self, Read};
use std::time::Duration;

use crate::support::proxy::{Fault, Seen};
use crate::support::{Kept, Lab, PLAN, noise};
use handoff_services::{Service, ServiceConfig, TokenSpec};
use handoff_storage::{ArtifactTarget, CacheClient, DownloadPlan, Error, RetryPolicy, ServiceEndpoint};

const ONE: DownloadPlan = DownloadPlan { ranges: 1, range_bytes: 1 };
const MANY: DownloadPlan = DownloadPlan { ranges: 4, range_bytes: 50_000 };

/// The first GET of a blob, whatever its range.
fn first_get(seen: &Seen) -> bool {
    seen.method == "GET" && seen.earlier_of_method == 0
}

#[tokio::test]
async fn every_operation_is_retried_on_a_busy_service() {
    for status in [429, 500, 502, 503, 504] {
        let lab = Lab::with(move |seen| match seen.earlier {
            0 => Fault::Status(status, Some(0)),
            _ => Fault::Pass,
        })
        .await;
        let data = noise(5 * PLAN.block_bytes + 1);
        let up = lab.upload("n", &data).await.unwrap();
        assert_eq!(up.retries, 9, "create, 6 blocks, block list, finalize");
        let out = Kept::default();
        let down = lab.client.download_stream("n", out.clone(), &ONE).await.unwrap();
        assert_eq!(down.retries, 3, "list, sign, get");
        assert!(out.bytes() == data);
    }
}

#[tokio::test]
async fn exhausted_retries_report_the_last_answer() {
    let lab = Lab::with(|seen| if seen.is_block() { Fault::Status(503, Some(7)) } else { Fault::Pass }).await;
    let Err(Error::GaveUp { attempts: 3, last }) = lab.upload("n", b"data").await else {
        panic!("it must give up");
    };
    assert_eq!(last.retry_after(), Some(Duration::from_secs(7)));
    assert!(last.to_string().contains("fault of the test"), "{last}");
    assert!(!lab.listed("n").await);
}

#[tokio::test]
async fn refused_block_ends_an_endless_stream() {
    let lab = Lab::with(|seen| {
        let later_block = seen.is_block() && seen.earlier_of_method >= 3;
        if later_block { Fault::Status(403, None) } else { Fault::Pass }
    })
    .await;
    let refused =
        lab.client.upload_stream(io::repeat(1), &ArtifactTarget::zstd("n"), &PLAN, || Ok(())).await.unwrap_err();
    assert!(matches!(refused, Error::Status { status: 403, .. }), "{refused}");
    assert!(!lab.proxy.seen().iter().any(Seen::is_block_list));
    assert!(!lab.listed("n").await);
}

#[tokio::test]
async fn stream_of_a_failed_producer_never_becomes_an_artifact() {
    let lab = Lab::fair().await;
    let reader = io::Cursor::new(noise(3 * PLAN.block_bytes));
    let finish = || Err("zstd ended with status 1".to_owned());
    let refused = lab.client.upload_stream(reader, &ArtifactTarget::zstd("n"), &PLAN, finish).await.unwrap_err();
    assert!(refused.to_string().contains("zstd ended with status 1"), "{refused}");
    assert!(!lab.proxy.seen().iter().any(Seen::is_block_list));
    assert!(!lab.listed("n").await);
}

#[tokio::test]
async fn unreadable_stream_never_becomes_an_artifact() {
    struct Breaks(usize);
    impl Read for Breaks {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let n = space.len().min(self.0);
            self.0 -= n;
            if n == 0 { Err(io::Error::other("the pipe burst")) } else { Ok(n) }
        }
    }
    let lab = Lab::fair().await;
    let reader = Breaks(2 * PLAN.block_bytes);
    let failed = lab.client.upload_stream(reader, &ArtifactTarget::zstd("n"), &PLAN, || Ok(())).await.unwrap_err();
    assert!(matches!(failed, Error::Reader { at: 131_072, .. }), "{failed}");
    let empty = lab.client.upload_stream(io::empty(), &ArtifactTarget::zstd("e"), &PLAN, || Ok(())).await.unwrap_err();
    assert!(matches!(empty, Error::EmptyStream), "{empty}");
    assert!(!lab.proxy.seen().iter().any(Seen::is_block_list));
    assert!(!lab.listed("n").await && !lab.listed("e").await);
}

#[tokio::test]
async fn altered_byte_fails_the_download_and_truncates_the_stream() {
    for plan in [ONE, MANY] {
        let lab = Lab::with(|seen| if first_get(seen) { Fault::Flip(17) } else { Fault::Pass }).await;
        let data = noise(700_000);
        lab.upload("n", &data).await.unwrap();
        let out = Kept::default();
        let damaged = lab.client.download_stream("n", out.clone(), &plan).await.unwrap_err();
        assert!(matches!(damaged, Error::Digest { .. }), "{damaged}");
        assert!(out.bytes().len() < data.len(), "the end must be held back");
    }
}

#[tokio::test]
async fn broken_download_resumes_where_it_broke() {
    for plan in [ONE, MANY] {
        let lab = Lab::with(|seen| if first_get(seen) { Fault::Cut(30_000) } else { Fault::Pass }).await;
        let data = noise(700_000);
        lab.upload("n", &data).await.unwrap();
        let out = Kept::default();
        let down = lab.client.download_stream("n", out.clone(), &plan).await.unwrap();
        assert!(out.bytes() == data);
        assert_eq!(down.retries, 1);
        let gets: Vec<Seen> = lab.proxy.seen().into_iter().filter(|seen| seen.method == "GET").collect();
        let resumed = gets.iter().filter(|get| get.headers.contains_key("if-match")).collect::<Vec<_>>();
        if plan == ONE {
            assert_eq!(gets.len(), 2);
            assert_eq!(resumed[0].headers["range"], "bytes=30000-699999");
        }
        assert!(!resumed.is_empty());
    }
}

#[tokio::test]
async fn body_that_always_ends_early_fails_the_download() {
    let lab = Lab::with(|seen| match seen.method.as_str() {
        "GET" if seen.earlier_of_method == 0 => Fault::Cut(400_000),
        "GET" => Fault::Cut(0),
        _ => Fault::Pass,
    })
    .await;
    let data = noise(700_000);
    lab.upload("n", &data).await.unwrap();
    let out = Kept::default();
    let cut = lab.client.download_stream("n", out.clone(), &ONE).await.unwrap_err();
    assert!(matches!(&cut, Error::GaveUp { last, .. } if last.is_transient()), "{cut}");
    assert!(out.bytes().len() < data.len());
}

#[tokio::test]
async fn ranges_of_two_versions_are_never_mixed() {
    let lab = Lab::with(|seen| match seen.method.as_str() {
        "GET" if seen.earlier_of_method == 5 => Fault::Etag,
        _ => Fault::Pass,
    })
    .await;
    lab.upload("n", &noise(700_000)).await.unwrap();
    let mixed = lab.client.download_stream("n", Kept::default(), &MANY).await.unwrap_err();
    assert!(matches!(mixed, Error::Changed { .. }), "{mixed}");
}

#[tokio::test]
async fn closed_writer_ends_the_download() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lab = Lab::fair().await;
    lab.upload("n", &noise(2_000_000)).await.unwrap();
    let failed = lab.client.download_stream("n", Gone, &ONE).await.unwrap_err();
    assert!(matches!(&failed, Error::Writer { source, .. } if source.kind() == io::ErrorKind::BrokenPipe), "{failed}");
}

#[tokio::test]
async fn denied_cache_write_is_an_error_and_no_taken_key() {
    let store = tempfile::tempdir().unwrap();
    let service = Service::start_blocking(ServiceConfig::new(store.path())).unwrap();
    let create = async |deny_cache_writes| {
        let token = service.mint(TokenSpec { deny_cache_writes, ..TokenSpec::default() });
        let endpoint = ServiceEndpoint { results_url: service.base_url(), token };
        CacheClient::new(endpoint, RetryPolicy::default(), "v").unwrap().create("k").await
    };
    let Err(Error::Refused { key, message }) = create(true).await else { panic!("it must be refused") };
    assert_eq!((key.as_str(), message.starts_with("cache write denied: ")), ("k", true), "{message}");
    assert!(create(false).await.unwrap().is_some());
    assert!(create(false).await.unwrap().is_none(), "taken");
}
