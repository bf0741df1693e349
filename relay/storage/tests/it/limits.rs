//! Limits by bytes that do not move. Limits are short here; no test has an upper time limit.

use std::sync::Mutex;
use std::time::Duration;

use handoff_storage::{ArtifactTarget, DownloadPlan, Error, Limits, UploadPlan, on_silence};

use crate::support::proxy::Fault;
use crate::support::{Kept, Lab, noise};

const ONE: DownloadPlan = DownloadPlan { ranges: 1, range_bytes: 1 };
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn silent_block_and_call_are_tried_again_and_a_line_says_so() {
    assert!(on_silence(|line| LINES.lock().unwrap().push(line.to_owned())));
    let lab = Lab::with(|seen| if seen.earlier == 0 { Fault::Silent } else { Fault::Pass }).await;
    let limits =
        Limits { call: milliseconds(1000), block: milliseconds(1000), silence: milliseconds(100), ..Limits::default() };
    let client = lab.client_with(limits);
    let data = std::io::Cursor::new(noise(1000));
    let plan = UploadPlan { block_bytes: 1000, in_flight: 1 };
    let up = client.upload_stream(data, &ArtifactTarget::zstd("n"), &plan, || Ok(())).await.unwrap();
    assert!(up.retries >= 4, "create, block, block list, finalize");
    let lines = LINES.lock().unwrap().clone();
    let host = lab.proxy.address.to_string();
    assert!(lines.iter().any(|line| line.contains(&format!("no byte to or from {host}"))), "{lines:?}");
}

#[tokio::test]
async fn service_that_stays_silent_ends_the_transfer() {
    let lab = Lab::with(|seen| if seen.is_block() { Fault::Silent } else { Fault::Pass }).await;
    let limits = Limits { block: milliseconds(200), fruitless: milliseconds(300), ..Limits::default() };
    let data = std::io::Cursor::new(noise(1000));
    let client = lab.client_with(limits);
    let silent =
        client.upload_stream(data, &ArtifactTarget::zstd("n"), &UploadPlan::default(), || Ok(())).await.unwrap_err();
    assert!(matches!(&silent, Error::GaveUp { .. }), "{silent}");
    assert!(silent.to_string().contains("no byte for 0.2 s"), "{silent}");
}

#[tokio::test]
async fn slow_body_that_moves_is_no_failure() {
    let lab = Lab::with(|seen| match seen.method.as_str() {
        "GET" => Fault::Trickle(150),
        "PUT" if seen.is_block() => Fault::SlowRead(200),
        _ => Fault::Pass,
    })
    .await;
    let limits = Limits { stall: milliseconds(3000), block: milliseconds(5000), ..Limits::default() };
    let client = lab.client_with(limits);
    // One block takes more than its limit.
    let data = noise(32 << 20);
    let plan = UploadPlan { block_bytes: 32 << 20, in_flight: 1 };
    let reader = std::io::Cursor::new(data.clone());
    let up = client.upload_stream(reader, &ArtifactTarget::zstd("up"), &plan, || Ok(())).await.unwrap();
    assert_eq!(up.retries, 0);

    lab.upload("down", &noise(30)).await.unwrap();
    let out = Kept::default();
    let down = client.download_stream("down", out.clone(), &ONE).await.unwrap();
    assert_eq!((down.retries, out.bytes().len()), (0, 30), "4.5 s in total");
}

#[tokio::test]
async fn body_that_trickles_for_ever_ends_with_the_transfers_limit() {
    let lab = Lab::with(|seen| if seen.method == "GET" { Fault::Trickle(50) } else { Fault::Pass }).await;
    lab.upload("n", &noise(100_000)).await.unwrap();
    let client = lab.client_with(Limits { transfer: milliseconds(400), ..Limits::default() });
    let slow = client.download_stream("n", Kept::default(), &ONE).await.unwrap_err();
    assert!(matches!(slow, Error::TooLong(_)), "{slow}");
}
