//! Import of a whole image into a store.
//!
//! ```text
//! prepare, bottom up, until a snapshot is missing ─▶ layers to fetch
//!
//! layer ─▶ stage_layer ─┬▶ staging folder ─▶ bottom up: prepare, attributes, rename, commit ─▶ view ─▶ record
//! (3 at once)           └▶ content store ─▶ commit of the blob ────────────────────────────────┘
//! config, manifest, index ─▶ content store ────────────────────────────────────────────────────┘
//! ```
//!
//! - A layer whose snapshot and blob exist needs nothing, one whose blob is missing needs its blob only.
//! - Equal layers at several heights are different snapshots. Each is fetched and unpacked, and the blob is stored once:
//!   equal layers are nearly always the empty one.
//! - A manifest does not state the plain size of a layer. Its bound is the free space less the reserve, because a smaller
//!   one would refuse layers that the engine takes. The free space is read again while the layer grows.
//!
//! Nothing is visible before the record. Each error ends the layers in progress and then the lease, in this order,
//! because the staging folder goes with the lease.

mod blob;
mod commit;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use handoff_containerd::{ActiveSnapshot, Digest, Image as Record, Lease, SnapshotState, Store, labels};
use handoff_model::SpanKind;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::failure::ImportError;
use crate::input::LayerInput;
use crate::layer::ImportLimits;
use crate::span::{ImportSpan, monotonic_ns};
use crate::spec::{Image, Layer};
use commit::Committer;
use stage::{Staged, Stager};

/// Layers that are unpacked at once. Three keep two to four cores busy, and their memory is bounded.
pub(crate) const AT_ONCE: usize = 3;
/// Time between two looks at the lease.
const RENEWAL_CHECK: Duration = Duration::from_secs(1);

/// Source of the layers of one import.
pub(crate) trait LayerFeed: Send {
    /// Takes the layers to fetch, in their order, before the first is opened.
    fn begin(&mut self, needed: &[usize]);
    /// Input of a layer that was announced.
    fn open(&mut self, layer: usize) -> Option<LayerInput>;
    /// Notes that a layer needs no more bytes.
    fn done(&mut self, layer: usize);
    /// Ends all inputs.
    fn close(&mut self);
}

/// How an import is made.
#[derive(Clone, Debug)]
pub(crate) struct ImportOptions {
    pub limits: ImportLimits,
    /// Lifetime of a term of the lease.
    pub lease: Duration,
}

/// Imported image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub spans: Vec<ImportSpan>,
    /// Layers that were fetched.
    pub fetched: usize,
}

/// Imports an image. `stop` ends the import early with its error.
///
/// # Errors
/// See [`FailureKind`](crate::FailureKind). Everything is as before then.
pub(crate) async fn import<S: Store>(
    store: &S,
    image: &Image,
    feed: &mut impl LayerFeed,
    options: &ImportOptions,
    stop: impl Future<Output = ImportError> + Send,
) -> Result<Done, ImportError> {
    let lease = store.lease(options.lease).await?;
    let mut run = Run::new(store, &lease, image, options);
    let result = tokio::select! {
        biased;
        why = stop => Err(why),
        why = keep(store, &lease) => Err(why),
        done = run.work(feed) => done,
    };
    feed.close();
    // The threads write below the staging folder, which goes with the lease.
    run.wait_for_threads().await;
    drop(run);
    // What a failed release leaves goes when the lease expires.
    let _ = store.release(&lease, result.is_err()).await;
    result
}

/// Renews the lease when it is due, as long as the import lasts.
async fn keep<S: Store>(store: &S, lease: &Lease) -> ImportError {
    loop {
        tokio::time::sleep(RENEWAL_CHECK.min(lease.lifetime() / 6)).await;
        if lease.renewal_is_due()
            && let Err(error) = store.renew(lease).await
        {
            return error.into();
        }
    }
}

/// Import in progress.
struct Run<'a, S: Store> {
    store: &'a S,
    lease: &'a Lease,
    image: &'a Image,
    options: &'a ImportOptions,
    stagers: JoinSet<Result<Staged<S::Writer>, ImportError>>,
    blobs: JoinSet<Result<(), ImportError>>,
    /// Time of the first byte that was unpacked; 0: none yet.
    first_byte: Arc<AtomicU64>,
}

/// What an image needs.
struct Plan<W> {
    /// Height of the lowest snapshot that is missing.
    first: usize,
    /// That snapshot, prepared.
    active: Option<ActiveSnapshot>,
    /// Writers of layers that need their blob only.
    blobs_only: BTreeMap<usize, W>,
    /// Layers to fetch.
    needed: Vec<usize>,
}

impl<'a, S: Store> Run<'a, S> {
    fn new(store: &'a S, lease: &'a Lease, image: &'a Image, options: &'a ImportOptions) -> Self {
        let (stagers, blobs, first_byte) = (JoinSet::new(), JoinSet::new(), Arc::new(AtomicU64::new(0)));
        Self { store, lease, image, options, stagers, blobs, first_byte }
    }

    async fn work(&mut self, feed: &mut impl LayerFeed) -> Result<Done, ImportError> {
        let mut plan = self.plan().await?;
        let fetched = plan.needed.len();
        feed.begin(&plan.needed);
        let (store, lease, image) = (self.store, self.lease, self.image);
        let committer = Committer {
            store,
            lease,
            layers: &image.layers,
            rules: self.options.limits.rules,
            filled: BTreeMap::new(),
        };
        let (to_commit, staged) = unbounded_channel();
        let commit = committer.run(plan.first, plan.active.take(), staged);
        let documents = write_documents(store, lease, image);
        let (last_staged, committer, ()) = tokio::try_join!(self.stage(plan, feed, to_commit), commit, documents)?;
        while let Some(done) = self.blobs.join_next().await {
            done.map_err(thread_ended)??;
        }
        committer.compare().await?;
        for name in &image.names {
            store.record(lease, &record(image, name)?).await?;
        }
        Ok(Done { spans: self.spans(last_staged), fetched })
    }

    /// Finds what is missing. The lease holds what is there.
    async fn plan(&self) -> Result<Plan<S::Writer>, ImportError> {
        let layers = &self.image.layers;
        let mut first = layers.len();
        let mut active = None;
        for (height, layer) in layers.iter().enumerate() {
            let parent = height.checked_sub(1).map(|below| &layers[below].chain);
            if let SnapshotState::Active(snapshot) = self.store.prepare(self.lease, &layer.chain, parent).await? {
                // No snapshot exists without its parent.
                (first, active) = (height, Some(snapshot));
                break;
            }
        }
        let mut seen: HashSet<&Digest> = layers[first..].iter().map(|layer| &layer.digest).collect();
        let mut blobs_only = BTreeMap::new();
        for (height, layer) in layers[..first].iter().enumerate() {
            if seen.insert(&layer.digest)
                && let Some(writer) = self.store.content(self.lease, blob::of_layer(layer)).await?
            {
                blobs_only.insert(height, writer);
            }
        }
        let needed: Vec<usize> = blobs_only.keys().copied().chain(first..layers.len()).collect();
        let blob_bytes = needed.iter().map(|&height| layers[height].size).fold(0, u64::saturating_add);
        // Trees are seldom smaller than their blobs.
        let tree_bytes = layers[first..].iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        stage::check_space(self.lease.staging(), &self.options.limits, blob_bytes.saturating_add(tree_bytes))?;
        Ok(Plan { first, active, blobs_only, needed })
    }

    /// Unpacks the layers. Returns when the last one was whole.
    async fn stage(
        &mut self,
        plan: Plan<S::Writer>,
        feed: &mut impl LayerFeed,
        to_commit: UnboundedSender<(usize, stage::Tree)>,
    ) -> Result<u64, ImportError> {
        let Plan { first, mut blobs_only, needed, .. } = plan;
        let mut queue = VecDeque::from(needed);
        let mut stored: HashSet<&Digest> = HashSet::new();
        loop {
            while self.stagers.len() < AT_ONCE
                && let Some(height) = queue.pop_front()
            {
                let layer: &Layer = &self.image.layers[height];
                let input = feed.open(height).ok_or_else(|| ImportError::transfer("a layer was not announced"))?;
                let stager = Stager {
                    store: self.store.clone(),
                    lease: self.lease.clone(),
                    layer: layer.clone(),
                    height,
                    limits: self.options.limits.clone(),
                    first_byte: Arc::clone(&self.first_byte),
                };
                if height < first {
                    let writer = blobs_only.remove(&height);
                    self.stagers.spawn(stager.store_only(writer, input));
                } else {
                    self.stagers.spawn(stager.stage(stored.insert(&layer.digest), input));
                }
            }
            let Some(staged) = self.stagers.join_next().await else { return Ok(monotonic_ns()) };
            let staged = staged.map_err(thread_ended)??;
            feed.done(staged.height);
            if let Some(writer) = staged.writer {
                // The commit syncs the blob, and the next layer need not wait for that.
                self.blobs.spawn(blob::commit(writer));
            }
            if let Some(tree) = staged.tree {
                // A committer that has failed says so itself.
                let _ = to_commit.send((staged.height, tree));
            }
        }
    }

    async fn wait_for_threads(&mut self) {
        while self.stagers.join_next().await.is_some() {}
        while self.blobs.join_next().await.is_some() {}
    }

    fn spans(&self, last_staged: u64) -> Vec<ImportSpan> {
        let span = |name, detail: &str, start_ns, end_ns, bytes| ImportSpan {
            name,
            detail: detail.to_owned(),
            start_ns,
            end_ns,
            bytes,
        };
        let load = span(SpanKind::Load, "import: commit and record", last_staged, monotonic_ns(), None);
        let first = self.first_byte.load(Ordering::Relaxed);
        let unpack = (first > 0).then(|| span(SpanKind::Unpack, "import: layers", first, last_staged, None));
        unpack.into_iter().chain([load]).collect()
    }
}

/// Writes config, manifest and index with the labels that hold what they refer to.
async fn write_documents<S: Store>(store: &S, lease: &Lease, image: &Image) -> Result<(), ImportError> {
    let top = image.layers.last().map(|layer| &layer.chain);
    blob::put(store, lease, &image.config, labels::of_config(top)).await?;
    for (_, _, bytes) in image.documents.iter().rev() {
        blob::put(store, lease, bytes, labels::of_manifest(bytes)?).await?;
    }
    Ok(())
}

fn record(image: &Image, name: &str) -> Result<Record, ImportError> {
    let (digest, media_type, bytes) =
        image.documents.first().ok_or_else(|| ImportError::transfer("there is no manifest"))?;
    let (digest, media_type) = (digest.clone(), media_type.clone());
    Ok(Record { name: name.to_owned(), media_type, digest, size: bytes.len() as u64 })
}

fn thread_ended(error: impl std::fmt::Display) -> ImportError {
    ImportError::store(format!("a part of the import ended: {error}; report this"))
}

/// Receiver of staged trees, by height.
type StagedTrees = UnboundedReceiver<(usize, stage::Tree)>;
