//! One layer: unpacked into its staging folder, and its blob into the content store meanwhile.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use handoff_containerd::{BlobWriter, Lease, Store};

use super::blob::{self, Bridge};
use crate::Error;
use crate::failure::ImportError;
use crate::input::LayerInput;
use crate::layer::{ImportLimits, LayerSpec, NoBlob, stage_layer};
use crate::span::monotonic_ns;
use crate::spec::Layer;
use crate::staging::Staging;
use crate::tree::UndescribedFolders;

/// Tree of a layer, and the folders whose attributes come from the layers below.
pub(super) struct Tree {
    pub staging: Staging,
    pub undescribed: UndescribedFolders,
}

/// Layer that needs no more bytes.
pub(super) struct Staged<W> {
    pub height: usize,
    /// None for a layer whose snapshot exists.
    pub tree: Option<Tree>,
    /// Writer of the blob to commit.
    pub writer: Option<W>,
}

/// Layer to unpack.
pub(super) struct Stager<S> {
    pub store: S,
    pub lease: Lease,
    pub layer: Layer,
    pub height: usize,
    pub limits: ImportLimits,
    pub first_byte: Arc<AtomicU64>,
}

impl<S: Store> Stager<S> {
    /// Unpacks the layer, and writes its blob if `with_blob` is set and the store has none.
    pub(super) async fn stage(self, with_blob: bool, input: LayerInput) -> Result<Staged<S::Writer>, ImportError> {
        let writer = if with_blob { self.store.content(&self.lease, blob::of_layer(&self.layer)).await? } else { None };
        let height = self.height;
        let Some(writer) = writer else {
            let tree = self.unpack(input, None).await?;
            return Ok(Staged { height, tree: Some(tree), writer: None });
        };
        let (bridge, pieces) = Bridge::new(self.layer.size);
        let (tree, written) = tokio::join!(self.unpack(input, Some(bridge)), blob::write(writer, pieces));
        // A writer that failed ended the layer: its error says why.
        let writer = written?;
        match tree {
            Ok(tree) => Ok(Staged { height, tree: Some(tree), writer: Some(writer) }),
            Err(error) => {
                // It would go with the lease too.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }

    /// Writes the blob of a layer whose snapshot exists. containerd verifies the digest at the commit.
    pub(super) async fn store_only(
        self,
        writer: Option<S::Writer>,
        mut input: LayerInput,
    ) -> Result<Staged<S::Writer>, ImportError> {
        let mut writer = writer.ok_or_else(|| ImportError::store("a blob has no writer: report this"))?;
        while let Some(piece) = input.next().await.map_err(|source| Error::Source { at: 0, source })? {
            writer.write(piece).await?;
        }
        Ok(Staged { height: self.height, tree: None, writer: Some(writer) })
    }

    async fn unpack(&self, input: LayerInput, bridge: Option<Bridge>) -> Result<Tree, ImportError> {
        let (folder, limits) = (self.lease.staging().to_owned(), self.limits.clone());
        // A manifest does not state the plain size. A smaller bound would refuse layers that the engine takes.
        let free = free_bytes(&folder)?.saturating_sub(limits.reserve_bytes);
        let path = folder.clone();
        let spec = LayerSpec {
            encoding: self.layer.encoding,
            digest: self.layer.digest.to_string(),
            blob_bytes: self.layer.size,
            diff_id: self.layer.diff_id.to_string(),
            plain_bytes: free,
            is_lowest: self.height == 0,
        };
        let name = format!("layer-{}", self.height);
        let input = Timed { input, first_byte: Arc::clone(&self.first_byte) };
        let thread = tokio::task::spawn_blocking(move || {
            let staging = Staging::create(&folder, &name)?;
            let staged = match bridge {
                Some(mut bridge) => stage_layer(&spec, input, &mut bridge, &staging, &limits),
                None => stage_layer(&spec, input, &mut NoBlob, &staging, &limits),
            }?;
            Ok::<_, Error>(Tree { staging, undescribed: staged.untarred.undescribed })
        });
        let staged = thread.await.map_err(super::thread_ended)?;
        staged.map_err(|error| match error {
            Error::Size { stated, got, .. } if stated == free && got > free => {
                Error::NoSpace { path, free, needed: got }.into()
            }
            other => other.into(),
        })
    }
}

/// Checks that an image can fit at all, before its first byte is fetched.
pub(super) fn check_space(folder: &Path, limits: &ImportLimits, needed: u64) -> Result<(), ImportError> {
    let free = free_bytes(folder)?.saturating_sub(limits.reserve_bytes);
    if free < needed {
        return Err(Error::NoSpace { path: folder.to_owned(), free, needed }.into());
    }
    Ok(())
}

fn free_bytes(folder: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(folder).map_err(Error::system("reading the free space of", folder))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Input that notes the time of the import's first byte.
struct Timed {
    input: LayerInput,
    first_byte: Arc<AtomicU64>,
}

impl Read for Timed {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(target)?;
        if self.first_byte.load(Ordering::Relaxed) == 0 {
            let _ = self.first_byte.compare_exchange(0, monotonic_ns(), Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(bytes)
    }
}
