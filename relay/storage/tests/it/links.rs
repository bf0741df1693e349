//! Signed links that end before the transfer does. No test has an upper time limit; links of four seconds are waited for.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use handoff_services::Stored;
use handoff_storage::{ArtifactTarget, CacheClient, DownloadPlan, Error, RemoteBlob};

use crate::support::proxy::{Fault, Seen};
use crate::support::{Kept, Lab, PLAN, noise};

const ONE: DownloadPlan = DownloadPlan { ranges: 1, range_bytes: 1 };
/// Longer than the links of four seconds live.
const AFTER_ITS_END: Duration = Duration::from_millis(4200);

fn target() -> ArtifactTarget {
    ArtifactTarget::zstd("n")
}

/// A stream whose first byte comes late, as that of a build.
struct Late(Option<Duration>, io::Cursor<Vec<u8>>);

impl Read for Late {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if let Some(pause) = self.0.take() {
            std::thread::sleep(pause);
        }
        self.1.read(space)
    }
}

#[tokio::test]
async fn upload_that_starts_after_the_end_of_its_link_or_reservation_takes_another() {
    for figures in ["up.url_ttl_s=4", "reservation_ttl_s=4"] {
        let lab = Lab::figures(figures, |_| Fault::Pass).await;
        let data = noise(3 * PLAN.block_bytes);
        let late = Late(Some(AFTER_ITS_END), io::Cursor::new(data.clone()));
        lab.client.upload_stream(late, &target(), &PLAN, || Ok(())).await.unwrap();
        assert_eq!(lab.calls("CreateArtifact"), 2, "{figures}");
        let out = Kept::default();
        lab.client.download_stream("n", out.clone(), &ONE).await.unwrap();
        assert!(out.bytes() == data);
        assert_eq!(lab.client.find("n").await.unwrap().name, "n", "the first reservation was given back");
    }
}

#[tokio::test]
async fn cache_entry_whose_reservation_died_is_reserved_again() {
    let lab = Lab::figures("reservation_ttl_s=4", |_| Fault::Pass).await;
    let caches = lab.caches();
    let writer = caches.create("k").await.unwrap().unwrap();
    tokio::time::sleep(AFTER_ITS_END).await;
    writer.put(0, Bytes::from_static(b"abc")).await.unwrap();
    writer.commit([0], "text/plain").await.unwrap();
    caches.finalize("k", 3).await.unwrap();
    assert_eq!((lab.calls("CreateCacheEntry"), caches.find("k").await.unwrap().is_some()), (2, true));
}

#[tokio::test]
async fn upload_whose_link_ends_with_blocks_behind_it_says_so_and_frees_its_name() {
    let lab = Lab::figures("up.url_ttl_s=4", |_| Fault::Pass).await;
    let upload = lab.client.create(&target()).await.unwrap();
    upload.writer().put(0, Bytes::from_static(b"abc")).await.unwrap();
    tokio::time::sleep(AFTER_ITS_END).await;
    for failure in [
        upload.writer().put(1, Bytes::from_static(b"def")).await.unwrap_err(),
        upload.writer().commit([0], "text/plain").await.unwrap_err(),
    ] {
        assert!(matches!(failure, Error::LinkEnded { accepted: 1, .. }), "{failure}");
        assert!(failure.to_string().contains("send it again"), "{failure}");
    }
    upload.abandon().await;
    lab.upload("n", b"again").await.unwrap();
    assert_eq!(lab.client.find("n").await.unwrap().name, "n");
}

#[tokio::test]
async fn good_upload_link_that_is_refused_once_is_tried_again() {
    for status in [401, 403] {
        let lab = Lab::with(move |seen| {
            let third_block = seen.is_block() && seen.earlier_of_method == 2;
            let refused = third_block || seen.is_block_list() && seen.earlier == 0;
            if refused { Fault::Status(status, None) } else { Fault::Pass }
        })
        .await;
        let data = noise(9 * PLAN.block_bytes);
        lab.upload("n", &data).await.unwrap();
        let out = Kept::default();
        lab.client.download_stream("n", out.clone(), &ONE).await.unwrap();
        assert!(out.bytes() == data, "{status}");
    }
}

async fn artifact(lab: &Lab) -> RemoteBlob {
    let artifact = lab.client.find("n").await.unwrap();
    let url = lab.client.signed_url(&artifact).await.unwrap();
    lab.client.reader(&artifact, url)
}

async fn entry(caches: &CacheClient, data: &[u8]) -> RemoteBlob {
    if let Some(writer) = caches.create("k").await.unwrap() {
        writer.put(0, Bytes::copy_from_slice(data)).await.unwrap();
        writer.commit([0], "text/plain").await.unwrap();
        caches.finalize("k", data.len() as u64).await.unwrap();
    }
    let entry = caches.find("k").await.unwrap().unwrap();
    caches.open(&entry).await.unwrap()
}

#[tokio::test]
async fn download_goes_on_with_one_new_link_for_all_ranges() {
    let lab = Lab::figures("down.url_ttl_s=4", |_| Fault::Pass).await;
    let caches = lab.caches();
    let data = noise(400_000);
    lab.upload("n", &data).await.unwrap();
    let blobs = [artifact(&lab).await, entry(&caches, &data).await];
    for blob in &blobs {
        assert!(blob.read(0..100_000).await.unwrap() == data[..100_000]);
    }
    let before = [lab.calls("GetSignedArtifactURL"), lab.calls("GetCacheEntryDownloadURL")];
    tokio::time::sleep(AFTER_ITS_END).await;
    for blob in blobs {
        let part = |at: usize| blob.read(at as u64..at as u64 + 100_000);
        let (one, two, three) = tokio::try_join!(part(100_000), part(200_000), part(300_000)).unwrap();
        assert!([one, two, three].concat() == data[100_000..]);
    }
    let after = [lab.calls("GetSignedArtifactURL"), lab.calls("GetCacheEntryDownloadURL")];
    assert_eq!(after, before.map(|calls| calls + 1));
}

#[tokio::test]
async fn refused_range_goes_on_at_the_next_byte_of_the_same_version() {
    for status in [401, 403, 410] {
        let lab = Lab::with(move |seen| match (seen.method.as_str(), seen.earlier_of_method) {
            ("GET", 0) => Fault::Cut(30_000),
            ("GET", 1) => Fault::Status(status, None),
            _ => Fault::Pass,
        })
        .await;
        let data = noise(700_000);
        lab.upload("n", &data).await.unwrap();
        let out = Kept::default();
        lab.client.download_stream("n", out.clone(), &ONE).await.unwrap();
        assert!(out.bytes() == data);
        let gets: Vec<Seen> = lab.proxy.seen().into_iter().filter(|seen| seen.method == "GET").collect();
        assert_eq!(gets.len(), 3);
        assert_eq!(gets[2].headers["range"], "bytes=30000-699999");
        assert_eq!(gets[2].headers["if-match"], gets[1].headers["if-match"]);
        assert_eq!(lab.calls("GetSignedArtifactURL"), 2, "{status}");
    }
}

#[tokio::test]
async fn other_blob_behind_a_new_link_is_an_error() {
    let lab = Lab::with(|seen| match (seen.method.as_str(), seen.earlier_of_method) {
        ("GET", 0) => Fault::Cut(30_000),
        ("GET", 1) => Fault::Status(403, None),
        ("GET", _) => Fault::Etag,
        _ => Fault::Pass,
    })
    .await;
    lab.upload("n", &noise(700_000)).await.unwrap();
    let changed = lab.client.download_stream("n", Kept::default(), &ONE).await.unwrap_err();
    assert!(matches!(changed, Error::Changed(_)), "{changed}");
}

#[tokio::test]
async fn links_that_are_always_refused_and_entries_that_are_gone_end_the_download() {
    let lab = Lab::with(|seen| match seen.method.as_str() {
        "GET" if seen.headers.get("range").is_none_or(|range| range != "bytes=0-0") => Fault::Status(403, None),
        _ => Fault::Pass,
    })
    .await;
    lab.upload("n", &noise(1000)).await.unwrap();
    let refused = lab.client.download_stream("n", Kept::default(), &ONE).await.unwrap_err();
    let last = if let Error::GaveUp { last, .. } = &refused { last } else { &refused };
    assert!(matches!(last, Error::Status { status: 403, .. }), "{refused}");
    let caches = lab.caches();
    let blob = entry(&caches, b"abc").await;
    assert_eq!(lab.service.delete(&Stored::CacheEntry { key: "k".into() }), 1);
    let gone = blob.read(0..3).await.unwrap_err();
    assert!(matches!(gone, Error::Gone(_)), "{gone}");
}
