//! Helper process of the tests. Its file name tells what a test wants of it:
//!
//! - `no-reserve`: the disk may be filled.
//! - `kill-N`: SIGKILL before the call of the store with that number, from 0.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use handoff_containerd::{
    ActiveSnapshot, Blob, BlobWriter, ChainId, Containerd, ContentWriter, EngineInfo, Error, Image, Lease,
    SnapshotState, Store,
};
use handoff_import::{HelperFacts, HelperOptions, ImportError, serve, serve_helper};

fn main() -> ExitCode {
    ExitCode::from(run())
}

fn run() -> u8 {
    let name = std::env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let name = name.unwrap_or_default();
    let mut options = HelperOptions::default();
    if name == "no-reserve" {
        options.limits.reserve_bytes = 0;
    }
    let Some(number) = name.strip_prefix("kill-").and_then(|n| n.parse().ok()) else { return serve_helper(&options) };
    serve(std::io::stdin(), std::io::stdout(), &options, async |socket: &Path| {
        let refused = |e: handoff_containerd::Refusal| ImportError::refused(e.to_string());
        let engine = EngineInfo::read(socket).await.map_err(refused)?;
        let inner = Containerd::open(&engine).await.map_err(refused)?;
        let cleaned = inner.clean(false).await?;
        let left = Left(Arc::new(AtomicUsize::new(number)));
        Ok((Mortal { inner, left }, HelperFacts { cleaned, ..HelperFacts::default() }))
    })
}

/// Calls until the end.
#[derive(Clone)]
struct Left(Arc<AtomicUsize>);

impl Left {
    fn count(&self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::thread::sleep(Duration::from_mins(1));
        }
    }
}

#[derive(Clone)]
struct Mortal {
    inner: Containerd,
    left: Left,
}

struct MortalWriter {
    inner: ContentWriter,
    left: Left,
}

impl Store for Mortal {
    type Writer = MortalWriter;

    async fn lease(&self, lifetime: Duration) -> Result<Lease, Error> {
        self.left.count();
        self.inner.lease(lifetime).await
    }

    async fn content(&self, lease: &Lease, blob: Blob) -> Result<Option<MortalWriter>, Error> {
        self.left.count();
        let writer = self.inner.content(lease, blob).await?;
        Ok(writer.map(|inner| MortalWriter { inner, left: self.left.clone() }))
    }

    async fn prepare(&self, lease: &Lease, chain: &ChainId, parent: Option<&ChainId>) -> Result<SnapshotState, Error> {
        self.left.count();
        self.inner.prepare(lease, chain, parent).await
    }

    async fn commit(&self, lease: &Lease, snapshot: ActiveSnapshot) -> Result<bool, Error> {
        self.left.count();
        self.inner.commit(lease, snapshot).await
    }

    async fn record(&self, lease: &Lease, image: &Image) -> Result<(), Error> {
        self.left.count();
        self.inner.record(lease, image).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), Error> {
        self.left.count();
        self.inner.renew(lease).await
    }

    async fn view(&self, lease: &Lease, chain: &ChainId) -> Result<Vec<PathBuf>, Error> {
        self.left.count();
        self.inner.view(lease, chain).await
    }

    async fn release(&self, lease: &Lease, wait: bool) -> Result<(), Error> {
        self.left.count();
        self.inner.release(lease, wait).await
    }
}

impl BlobWriter for MortalWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.left.count();
        self.inner.write(piece).await
    }

    async fn commit(self) -> Result<(), Error> {
        self.left.count();
        self.inner.commit().await
    }

    async fn abort(self) -> Result<(), Error> {
        self.inner.abort().await
    }
}
