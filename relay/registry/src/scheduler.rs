//! Whose bytes come first. Engines ask for many layers at once and unpack them from the bottom up, one after the other: the
//! lowest layer that is still on its way gets the link, so that unpacking begins early and overlaps with what comes after.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::digest::Digest;
use crate::index::Index;
use crate::manifest::references;

/// When no other request has come for so long, an engine has asked for all that it will ask for: what is missing it has.
const QUIET_INTERVAL: Duration = Duration::from_millis(20);
/// However many come: nobody waits longer than this for those below.
const GATHER_TIMEOUT: Duration = Duration::from_millis(200);

/// Blobs on their way to an engine.
#[derive(Debug)]
pub(crate) struct LayerScheduler {
    line: Mutex<Line>,
    arrivals: AtomicU64,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Line {
    /// By place in the image, then by arrival: whether it wants more of the link than it has asked for.
    active: BTreeMap<(usize, u64), bool>,
    /// Places of layers (0 is the config's) that nobody has asked for yet.
    awaited: BTreeSet<usize>,
    /// When a blob was last asked for.
    latest: Instant,
}

/// One blob's place in the line; leaves it when dropped.
#[derive(Debug)]
pub(crate) struct LayerTurn {
    scheduler: Arc<LayerScheduler>,
    place: (usize, u64),
    changed: watch::Receiver<()>,
}

/// Where each blob stands in its image: the config, then the layers from the bottom up.
pub(crate) fn places(index: &Index) -> HashMap<Digest, usize> {
    let mut places = HashMap::new();
    for manifest in index.manifests.values() {
        // A manifest was read when it was pushed; one that does not read any more only loses its place in the order.
        let blobs = references(manifest.text.as_bytes()).map(|found| found.blobs).unwrap_or_default();
        for (place, digest) in blobs.into_iter().enumerate() {
            // Of images that share a layer, the one that needs it first decides.
            places.entry(digest).and_modify(|p: &mut usize| *p = place.min(*p)).or_insert(place);
        }
    }
    places
}

impl LayerScheduler {
    /// A line for blobs at those places.
    pub(crate) fn new(places: impl Iterator<Item = usize>) -> Arc<Self> {
        let line = Line {
            active: BTreeMap::new(),
            awaited: places.filter(|place| *place > 0).collect(),
            latest: Instant::now(),
        };
        Arc::new(Self { line: Mutex::new(line), arrivals: AtomicU64::new(0), changed: watch::Sender::new(()) })
    }

    /// The blob at that place is asked for.
    pub(crate) fn asked(&self, place: usize) {
        let mut line = self.lock();
        line.awaited.remove(&place);
        line.latest = Instant::now();
        drop(line);
        self.changed.send_replace(());
    }

    /// Takes a place in the line, wanting the link.
    pub(crate) fn enter(self: &Arc<Self>, place: usize) -> LayerTurn {
        let place = (place, self.arrivals.fetch_add(1, Ordering::Relaxed));
        self.lock().active.insert(place, true);
        LayerTurn { scheduler: Arc::clone(self), place, changed: self.changed.subscribe() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LayerTurn {
    /// Waits for those below. An engine asks for all its layers at once, but in any order and not in one moment, and who
    /// comes first must not have asked for much when the lowest comes.
    pub(crate) async fn wait_for_lower_layers(&mut self) {
        let give_up = Instant::now() + GATHER_TIMEOUT;
        loop {
            self.changed.mark_unchanged();
            let quiet = {
                let line = self.scheduler.lock();
                if line.awaited.range(..self.place.0).next().is_none() {
                    return;
                }
                line.latest + QUIET_INTERVAL
            };
            if Instant::now() >= quiet.min(give_up) {
                return;
            }
            // Whether something has changed or the time is over is seen above.
            let _ = timeout_at(quiet.min(give_up), self.changed()).await;
        }
    }

    /// Says whether it wants more of the link. What waits for its engine must not: those behind it would wait with it.
    pub(crate) fn set_wants_more(&self, wants_more: bool) {
        let before = self.scheduler.lock().active.insert(self.place, wants_more);
        if before != Some(wants_more) && !wants_more {
            self.scheduler.changed.send_replace(());
        }
    }

    /// Whether nobody before it wants the link.
    pub(crate) fn may_fetch(&mut self) -> bool {
        self.changed.mark_unchanged();
        !self.scheduler.lock().active.range(..self.place).any(|(_, wants_more)| *wants_more)
    }

    /// Waits until the answer of [`LayerTurn::may_fetch`] may be another one.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as `scheduler`, which this holds.
        let _ = self.changed.changed().await;
    }
}

impl Drop for LayerTurn {
    fn drop(&mut self) {
        self.scheduler.lock().active.remove(&self.place);
        self.scheduler.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Manifest;

    #[test]
    fn layers_stand_in_the_order_in_which_they_are_unpacked() {
        let d = |text: &str| Digest::of(text.as_bytes());
        let image = |config: &str, layers: &[&str]| {
            let layers: Vec<_> = layers.iter().map(|l| serde_json::json!({ "digest": d(l).as_str() })).collect();
            let text =
                serde_json::json!({ "schemaVersion": 2, "config": { "digest": d(config).as_str() }, "layers": layers });
            (d(config), Manifest { media_type: String::new(), text: text.to_string() })
        };
        let manifests = [image("one", &["base", "app"]), image("two", &["other", "app", "top"])].into();
        let places = places(&Index { manifests, ..Index::default() });
        let place = |text: &str| places[&d(text)];
        assert_eq!((place("one"), place("base"), place("app"), place("top")), (0, 1, 2, 3));
        assert_eq!(places.get(&d("unknown")), None);
    }

    #[tokio::test]
    async fn the_lowest_that_wants_the_link_has_it() {
        let scheduler = LayerScheduler::new(std::iter::empty());
        let (mut top, mut low) = (scheduler.enter(7), scheduler.enter(1));
        assert!(low.may_fetch() && !top.may_fetch());
        low.set_wants_more(false);
        top.changed().await;
        assert!(top.may_fetch());
        low.set_wants_more(true);
        assert!(!top.may_fetch());
        let mut again = scheduler.enter(1);
        assert!(!again.may_fetch(), "of equals the first");
        drop(low);
        again.changed().await;
        assert!(again.may_fetch() && !top.may_fetch());
        drop(again);
        top.changed().await;
        assert!(top.may_fetch());
    }

    #[tokio::test]
    async fn nobody_begins_before_those_below_have_come_or_will_not_come() {
        let scheduler = LayerScheduler::new(0..5);
        let ask = |place: usize| {
            scheduler.asked(place);
            let mut turn = scheduler.enter(place);
            tokio::spawn(async move { turn.wait_for_lower_layers().await })
        };
        let third = ask(3);
        ask(1).await.unwrap();
        assert!(!third.is_finished(), "the second may come yet; the config, of place 0, is not waited for");
        let _second = scheduler.enter(2);
        scheduler.asked(2);
        third.await.unwrap();

        // Neither what the engine has already nor a crowd of others is waited for without end.
        scheduler.lock().awaited.insert(2);
        ask(3).await.unwrap();
        let crowd = tokio::spawn({
            let scheduler = Arc::clone(&scheduler);
            async move {
                loop {
                    scheduler.asked(4);
                    tokio::time::sleep(QUIET_INTERVAL / 8).await;
                }
            }
        });
        ask(3).await.unwrap();
        crowd.abort();
    }
}
