//! Order of layers on the link: the lowest incomplete layer is fetched first.
//!
//! Engines request many layers at once and unpack them one after the other, from the bottom up. Fetching the lowest layer
//! first lets unpacking begin early and overlap with the fetches of the upper layers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::digest::Digest;
use crate::index::Index;
use crate::manifest::references;
use crate::timeouts::{LOWER_LAYERS_TIMEOUT, QUIET_INTERVAL};

/// Order in which the blobs of an image may fetch.
#[derive(Debug)]
pub(crate) struct LayerScheduler {
    queue: Mutex<Queue>,
    arrivals: AtomicU64,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Queue {
    /// Blobs by position in the image, then by arrival: whether the blob wants to fetch more.
    active: BTreeMap<(usize, u64), bool>,
    /// Positions of layers that no engine has requested yet (position 0 is the config).
    awaited: BTreeSet<usize>,
    /// Time of the latest request for a blob.
    latest: Instant,
}

/// Turn of one blob in the queue. Dropping it removes the blob.
#[derive(Debug)]
pub(crate) struct LayerTurn {
    scheduler: Arc<LayerScheduler>,
    position: (usize, u64),
    changed: watch::Receiver<()>,
}

/// Position of each blob in its image: 0 is the config, then the layers from the bottom up.
pub(crate) fn layer_positions(index: &Index) -> HashMap<Digest, usize> {
    let mut positions = HashMap::new();
    for manifest in index.manifests.values() {
        // The manifest was parsed when it was pushed. If it fails to parse now, its blobs only lose their position.
        let blobs = references(manifest.text.as_bytes()).map(|found| found.blobs).unwrap_or_default();
        for (position, digest) in blobs.into_iter().enumerate() {
            // The image that needs a shared layer first decides.
            positions.entry(digest).and_modify(|p: &mut usize| *p = position.min(*p)).or_insert(position);
        }
    }
    positions
}

impl LayerScheduler {
    /// Creates a queue for blobs at these positions.
    pub(crate) fn new(positions: impl Iterator<Item = usize>) -> Arc<Self> {
        let queue = Queue {
            active: BTreeMap::new(),
            awaited: positions.filter(|position| *position > 0).collect(),
            latest: Instant::now(),
        };
        Arc::new(Self { queue: Mutex::new(queue), arrivals: AtomicU64::new(0), changed: watch::Sender::new(()) })
    }

    /// Notes an engine's request for the blob at `position`.
    pub(crate) fn note_request(&self, position: usize) {
        let mut queue = self.lock();
        queue.awaited.remove(&position);
        queue.latest = Instant::now();
        drop(queue);
        self.changed.send_replace(());
    }

    /// Adds a blob that wants to fetch.
    pub(crate) fn enter(self: &Arc<Self>, position: usize) -> LayerTurn {
        let position = (position, self.arrivals.fetch_add(1, Ordering::Relaxed));
        self.lock().active.insert(position, true);
        LayerTurn { scheduler: Arc::clone(self), position, changed: self.changed.subscribe() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LayerTurn {
    /// Waits until every lower layer has been requested.
    ///
    /// An engine requests its layers in any order within some milliseconds. Without this wait, an upper layer would fill the
    /// link before the lowest one is requested. The wait ends after [`QUIET_INTERVAL`] without a request, because the engine
    /// then has the missing layers, and after [`LOWER_LAYERS_TIMEOUT`] in any case.
    pub(crate) async fn wait_for_lower_layers(&mut self) {
        let deadline = Instant::now() + LOWER_LAYERS_TIMEOUT;
        loop {
            self.changed.mark_unchanged();
            let quiet = {
                let queue = self.scheduler.lock();
                if queue.awaited.range(..self.position.0).next().is_none() {
                    return;
                }
                queue.latest + QUIET_INTERVAL
            };
            if Instant::now() >= quiet.min(deadline) {
                return;
            }
            // The loop checks whether a request or the timeout ended this wait.
            let _ = timeout_at(quiet.min(deadline), self.changed()).await;
        }
    }

    /// Sets whether the blob wants to fetch more. A blob whose engine is slow must not, or the blobs after it would wait too.
    pub(crate) fn set_wants_more(&self, wants_more: bool) {
        let before = self.scheduler.lock().active.insert(self.position, wants_more);
        if before != Some(wants_more) && !wants_more {
            self.scheduler.changed.send_replace(());
        }
    }

    /// Whether no earlier blob wants to fetch.
    pub(crate) fn may_fetch(&mut self) -> bool {
        self.changed.mark_unchanged();
        !self.scheduler.lock().active.range(..self.position).any(|(_, wants_more)| *wants_more)
    }

    /// Waits until the result of [`LayerTurn::may_fetch`] may have changed.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as `scheduler`, which this holds.
        let _ = self.changed.changed().await;
    }
}

impl Drop for LayerTurn {
    fn drop(&mut self) {
        self.scheduler.lock().active.remove(&self.position);
        self.scheduler.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Manifest;

    #[test]
    fn layers_are_ordered_as_they_are_unpacked() {
        let d = |text: &str| Digest::of(text.as_bytes());
        let image = |config: &str, layers: &[&str]| {
            let layers: Vec<_> = layers.iter().map(|l| serde_json::json!({ "digest": d(l).as_str() })).collect();
            let text =
                serde_json::json!({ "schemaVersion": 2, "config": { "digest": d(config).as_str() }, "layers": layers });
            (d(config), Manifest { media_type: String::new(), text: text.to_string() })
        };
        let manifests = [image("one", &["base", "app"]), image("two", &["other", "app", "top"])].into();
        let positions = layer_positions(&Index { manifests, ..Index::default() });
        let position = |text: &str| positions[&d(text)];
        assert_eq!((position("one"), position("base"), position("app"), position("top")), (0, 1, 2, 3));
        assert_eq!(positions.get(&d("unknown")), None);
    }

    #[tokio::test]
    async fn only_the_lowest_blob_that_wants_more_may_fetch() {
        let scheduler = LayerScheduler::new(std::iter::empty());
        let (mut top, mut low) = (scheduler.enter(7), scheduler.enter(1));
        assert!(low.may_fetch() && !top.may_fetch());
        low.set_wants_more(false);
        top.changed().await;
        assert!(top.may_fetch());
        low.set_wants_more(true);
        assert!(!top.may_fetch());
        let mut again = scheduler.enter(1);
        assert!(!again.may_fetch(), "the earlier of two equal blobs goes first");
        drop(low);
        again.changed().await;
        assert!(again.may_fetch() && !top.may_fetch());
        drop(again);
        top.changed().await;
        assert!(top.may_fetch());
    }

    #[tokio::test]
    async fn layer_waits_for_requests_of_lower_layers_within_limits() {
        let scheduler = LayerScheduler::new(0..5);
        let ask = |position: usize| {
            scheduler.note_request(position);
            let mut turn = scheduler.enter(position);
            tokio::spawn(async move { turn.wait_for_lower_layers().await })
        };
        let third = ask(3);
        ask(1).await.unwrap();
        assert!(!third.is_finished(), "waits for layer 2 but not for the config at position 0");
        let _second = scheduler.enter(2);
        scheduler.note_request(2);
        third.await.unwrap();

        // Layers that the engine has, and a stream of other requests, delay a layer only until the limits.
        scheduler.lock().awaited.insert(2);
        ask(3).await.unwrap();
        let crowd = tokio::spawn({
            let scheduler = Arc::clone(&scheduler);
            async move {
                loop {
                    scheduler.note_request(4);
                    tokio::time::sleep(QUIET_INTERVAL / 8).await;
                }
            }
        });
        ask(3).await.unwrap();
        crowd.abort();
    }
}
