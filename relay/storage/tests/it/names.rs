//! Lost answers, pages in the place of answers, and the names that they would burn.

use handoff_storage::{ArtifactTarget, DownloadPlan, Error};

use crate::support::proxy::{Fault, Seen};
use crate::support::{Kept, Lab, PLAN, noise};

const ONE: DownloadPlan = DownloadPlan { ranges: 1, range_bytes: 1 };

/// The first call of a method.
fn first(seen: &Seen, method: &str) -> bool {
    seen.path.ends_with(method) && seen.earlier == 0
}

async fn received(lab: &Lab, name: &str) -> Vec<u8> {
    let out = Kept::default();
    lab.client.download_stream(name, out.clone(), &ONE).await.unwrap();
    out.bytes()
}

#[tokio::test]
async fn lost_answer_of_the_creation_does_not_burn_the_name() {
    for fault in [Fault::Lost, Fault::LostToPage] {
        let lab = Lab::with(move |seen| if first(seen, "CreateArtifact") { fault } else { Fault::Pass }).await;
        lab.upload("n", b"data").await.unwrap();
        assert_eq!(lab.client.find("n").await.unwrap().name, "n", "the lost one was deleted");
        assert_eq!(received(&lab, "n").await, b"data");
    }
}

#[tokio::test]
async fn name_that_cannot_be_freed_gets_an_attempt_that_receivers_find() {
    let lab = Lab::with(|seen| match seen {
        seen if first(seen, "CreateArtifact") => Fault::Lost,
        seen if seen.path.ends_with("DeleteArtifact") => Fault::Status(403, None),
        _ => Fault::Pass,
    })
    .await;
    lab.upload("n", b"data").await.unwrap();
    assert_eq!(lab.client.find("n").await.unwrap().name, "n.attempt-2");
    assert_eq!(received(&lab, "n").await, b"data");
}

#[tokio::test]
async fn killed_send_leaves_its_name_usable_and_a_complete_one_is_taken() {
    let lab = Lab::fair().await;
    let target = ArtifactTarget::zstd("n");
    drop(lab.client.create(&target).await.unwrap());
    assert!(matches!(lab.client.find("n").await, Err(Error::NotFound(_))), "nothing complete is there");
    lab.upload("n", b"data").await.unwrap();
    assert_eq!(lab.calls("DeleteArtifact"), 0, "another send of this job may still run");
    assert_eq!(received(&lab, "n").await, b"data");
    lab.upload("n.2", b"of another name").await.unwrap();
    assert_eq!(received(&lab, "n").await, b"data");

    let taken = lab.upload("n", b"more").await.unwrap_err();
    assert!(matches!(&taken, Error::Taken(name) if name == "n"), "{taken}");
    assert!(taken.to_string().contains("use another name"), "{taken}");
    assert_eq!(lab.client.delete_named("n").await.unwrap(), 1);
    assert!(matches!(lab.client.find("n").await, Err(Error::NotFound(_))));
    assert_eq!(received(&lab, "n.2").await, b"of another name");
}

#[tokio::test]
async fn name_without_a_free_attempt_is_reported() {
    let lab = Lab::fair().await;
    let target = ArtifactTarget::zstd("n");
    for _ in 0..9 {
        lab.client.create(&target).await.unwrap();
    }
    let burnt = lab.client.create(&target).await.unwrap_err();
    assert!(matches!(burnt, Error::Burnt { attempts: 9, .. }), "{burnt}");
}

#[tokio::test]
async fn artifact_whose_finalize_was_done_is_complete_although_no_answer_came() {
    for (lost, later) in [
        (Fault::Lost, Fault::Pass),
        (Fault::LostToPage, Fault::Status(502, None)),
        (Fault::Lost, Fault::Status(409, None)),
        (Fault::Lost, Fault::Silent),
    ] {
        let lab = Lab::with(move |seen| match seen.path.ends_with("FinalizeArtifact") {
            true if seen.earlier == 0 => lost,
            true => later,
            false => Fault::Pass,
        })
        .await;
        let short = handoff_storage::Limits { call: std::time::Duration::from_secs(1), ..Default::default() };
        let client = lab.client_with(short);
        let reader = std::io::Cursor::new(b"data".to_vec());
        let up = client.upload_stream(reader, &ArtifactTarget::zstd("n"), &PLAN, || Ok(())).await.unwrap();
        assert_eq!(lab.client.find("n").await.unwrap().database_id, up.artifact_id, "{lost:?} {later:?}");
    }
}

#[tokio::test]
async fn refused_finalize_fails_and_frees_the_name() {
    let lab = Lab::with(|seen| {
        let refused = seen.path.ends_with("FinalizeArtifact") && seen.earlier < 3;
        if refused { Fault::Status(502, None) } else { Fault::Pass }
    })
    .await;
    let failed = lab.upload("n", b"data").await.unwrap_err();
    assert!(matches!(failed, Error::GaveUp { .. }), "{failed}");
    lab.upload("n", b"data").await.unwrap();
    assert_eq!(lab.client.find("n").await.unwrap().name, "n");
}

#[tokio::test]
async fn page_in_place_of_an_answer_is_retried() {
    let lab = Lab::with(|seen| if seen.earlier == 0 { Fault::Page } else { Fault::Pass }).await;
    let data = noise(5 * PLAN.block_bytes + 1);
    let up = lab.upload("n", &data).await.unwrap();
    assert_eq!(up.retries, 9, "create, 6 blocks, block list, finalize");
    assert!(received(&lab, "n").await == data);
    let caches = lab.caches();
    let writer = caches.create("k").await.unwrap().unwrap();
    writer.put(0, b"abc".as_slice().into()).await.unwrap();
    writer.commit([0], "text/plain").await.unwrap();
    caches.finalize("k", 3).await.unwrap();
    let entry = caches.find("k").await.unwrap().unwrap();
    let blob = caches.open(&entry).await.unwrap();
    assert_eq!(blob.read(0..3).await.unwrap(), "abc");
}

#[tokio::test]
async fn page_is_reported_with_status_type_and_first_words_on_one_line() {
    for method in ["CreateArtifact", "comp=block&", "comp=blocklist", "FinalizeArtifact"] {
        let of = move |seen: &Seen| seen.path.ends_with(method) || seen.query.contains(method);
        let lab = Lab::with(move |seen| if of(seen) { Fault::Page } else { Fault::Pass }).await;
        let message = lab.upload("n", b"data").await.unwrap_err().to_string();
        assert!(message.contains("200 and text/html") && message.contains("<title>Sign in\\u{1b}"), "{message}");
        assert!(!message.contains("SECRET") && !message.contains(char::is_control), "{message}");
    }
}

#[tokio::test]
async fn cache_entry_whose_finalize_was_done_is_complete_although_no_answer_came() {
    let lab = Lab::with(|seen| match seen.path.ends_with("FinalizeCacheEntryUpload") {
        true if seen.earlier == 0 => Fault::Lost,
        true => Fault::Status(409, None),
        false => Fault::Pass,
    })
    .await;
    let caches = lab.caches();
    let writer = caches.create("k").await.unwrap().unwrap();
    writer.put(0, b"abc".as_slice().into()).await.unwrap();
    writer.commit([0], "text/plain").await.unwrap();
    caches.finalize("k", 3).await.unwrap();
    assert!(matches!(caches.finalize("other", 3).await, Err(Error::Status { status: 409, .. })));
}
