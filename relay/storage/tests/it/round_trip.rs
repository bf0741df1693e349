//! Streams through a real service and back.

use crate::support::{Kept, Lab, PLAN, noise};
use handoff_storage::{ArtifactTarget, DownloadPlan, Error};

const PLANS: [DownloadPlan; 3] = [
    DownloadPlan { ranges: 1, range_bytes: 1 },
    DownloadPlan { ranges: 2, range_bytes: 100_001 },
    DownloadPlan { ranges: 5, range_bytes: 7 << 10 },
];

#[tokio::test]
async fn streams_of_every_size_round_trip_by_every_plan() {
    let lab = Lab::fair().await;
    let block = PLAN.block_bytes;
    for size in [1, block - 1, block, block + 1, 9 * block, 20 * block + 12345] {
        let name = format!("stream-{size}");
        let data = noise(size);
        let up = lab.upload(&name, &data).await.unwrap();
        assert_eq!((up.bytes, up.blocks as usize, up.retries), (size as u64, size.div_ceil(block), 0));
        let listed = lab.client.find(&name).await.unwrap();
        assert_eq!((listed.size, listed.database_id), (size as u64, up.artifact_id));
        assert_eq!(listed.digest, Some(format!("sha256:{}", up.sha256)));
        for plan in PLANS {
            let out = Kept::default();
            let down = lab.client.download_stream(&name, out.clone(), &plan).await.unwrap();
            assert!(out.bytes() == data, "{size} bytes by {plan:?}");
            assert_eq!((down.bytes, &down.sha256, down.artifact_id), (size as u64, &up.sha256, up.artifact_id));
        }
    }
}

#[tokio::test]
async fn spans_are_in_order_with_their_bytes() {
    let lab = Lab::fair().await;
    let up = lab.upload("n", &noise(300_000)).await.unwrap();
    let down = lab.client.download_stream("n", Kept::default(), &DownloadPlan::default()).await.unwrap();
    for (spans, details) in [
        (up.spans, ["CreateArtifact", "5 blocks", "FinalizeArtifact"]),
        (down.spans, ["ListArtifacts", "GetSignedArtifactURL", "1 ranges"]),
    ] {
        assert_eq!(spans.iter().map(|s| s.detail.as_str()).collect::<Vec<_>>(), details);
        assert!(spans.iter().all(|s| s.start_ns <= s.end_ns));
        assert!(spans.is_sorted_by_key(|s| s.end_ns));
        assert_eq!(spans.iter().find_map(|s| s.bytes), Some(300_000));
    }
}

#[tokio::test]
async fn idle_connection_is_reused() {
    let lab = Lab::fair().await;
    lab.upload("n", &noise(40 * PLAN.block_bytes)).await.unwrap();
    let counters = lab.client.counters();
    assert_eq!(counters.traffic().requests, 43, "create, 40 blocks, block list, finalize");
    assert!(counters.traffic().connections <= PLAN.in_flight as u64 + 1, "{}", counters.traffic().connections);
}

#[tokio::test]
async fn blocks_are_sent_in_parallel_and_listed_once_at_the_end() {
    let lab = Lab::fair().await;
    lab.upload("n", &noise(9 * PLAN.block_bytes)).await.unwrap();
    let puts: Vec<_> = lab.proxy.seen().into_iter().filter(|seen| seen.method == "PUT").collect();
    assert_eq!(puts.len(), 10);
    assert!(puts[..9].iter().all(crate::support::proxy::Seen::is_block));
    assert!(puts[9].is_block_list());
}

#[tokio::test]
async fn name_is_taken_until_the_artifact_is_deleted() {
    let lab = Lab::fair().await;
    lab.upload("n", b"first").await.unwrap();
    let taken = lab.upload("n", b"second").await.unwrap_err();
    assert!(matches!(taken, Error::Taken(_)), "{taken}");
    let first = lab.client.find("n").await.unwrap();
    lab.client.delete(&first).await.unwrap();
    let missing = lab.client.download_stream("n", Kept::default(), &DownloadPlan::default()).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    lab.upload("n", b"third").await.unwrap();
    let out = Kept::default();
    lab.client.download_stream("n", out.clone(), &DownloadPlan::default()).await.unwrap();
    assert_eq!(out.bytes(), b"third");
}

#[tokio::test]
async fn foreign_token_is_refused_without_retry() {
    let lab = Lab::fair().await;
    let mut endpoint = lab.endpoint.clone();
    endpoint.token = endpoint.token.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    let stranger = handoff_storage::ArtifactClient::new(endpoint).unwrap();
    let refused = stranger.create(&ArtifactTarget::zstd("n")).await.unwrap_err();
    assert!(matches!(refused, Error::Status { status: 401 | 403, .. }), "{refused}");
    assert_eq!(stranger.counters().retries(), 0);
}
