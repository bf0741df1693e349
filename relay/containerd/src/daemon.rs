//! The real store: a containerd behind its socket.

mod blobs;
mod images;
mod leases;
mod methods;
mod snapshots;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;

use crate::channel::{Channel, Method, Scope, Stream};
use crate::gate::{SNAPSHOTTER, check_version, peer};
use crate::proto::introspection::{PluginsRequest, PluginsResponse, ServerResponse, VersionResponse};
use crate::proto::{Empty, leases as wire};
use crate::{ActiveSnapshot, Blob, ChainId, EngineInfo, Error, Image, Lease, Refusal, SnapshotState, Store};
use methods as method;

pub use writer::ContentWriter;

/// containerd that passed the gate. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Containerd {
    channel: Channel,
    namespace: Arc<str>,
    facts: Arc<Facts>,
    /// Numbers that make keys and references unique within a lease.
    numbers: Arc<AtomicU64>,
}

/// Facts of a containerd, for logs and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Version as containerd writes it.
    pub version: String,
    /// Folder of the snapshotter.
    pub root: PathBuf,
    /// Whether a snapshot may be prepared before its parent exists (2.2 and newer). No call here uses it.
    pub can_rebase: bool,
}

impl Containerd {
    /// Connects to the containerd that an engine names, and passes the gate: version, snapshotter and namespaces.
    ///
    /// [`Store::lease`] checks the rest: mounts, and that the daemon sees what this process writes.
    ///
    /// # Errors
    /// The reason for which the image is to be pulled instead.
    pub async fn open(engine: &EngineInfo) -> Result<Self, Refusal> {
        let unreachable = |error: Error| Refusal::NoContainerd(error.to_string());
        let (channel, process) = Channel::connect(&engine.address).await.map_err(unreachable)?;
        let scope = Scope { namespace: &engine.namespace, lease: None };
        let version: VersionResponse = channel.call(method::VERSION, scope, &Empty {}).await.map_err(unreachable)?;
        check_version(&version.version)?;
        let server: ServerResponse = channel.call(method::SERVER, scope, &Empty {}).await.map_err(unreachable)?;
        peer::check(process, &server)?;
        let filters = vec![format!("type==io.containerd.snapshotter.v1,id=={SNAPSHOTTER}")];
        let found: PluginsResponse =
            channel.call(method::PLUGINS, scope, &PluginsRequest { filters }).await.map_err(unreachable)?;
        let facts = Facts::of(version.version, &found)?;
        let numbers = Arc::new(AtomicU64::new(0));
        Ok(Self { channel, namespace: engine.namespace.as_str().into(), facts: Arc::new(facts), numbers })
    }

    /// Facts of this containerd.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn call<Q: Message, A: Message + Default>(
        &self,
        method: Method,
        lease: Option<&str>,
        request: &Q,
    ) -> Result<A, Error> {
        self.channel.call(method, Scope { namespace: &self.namespace, lease }, request).await
    }

    async fn open_stream(&self, method: Method, lease: &str) -> Result<Stream, Error> {
        self.channel.open(method, Scope { namespace: &self.namespace, lease: Some(lease) }).await
    }

    /// Name for a key or reference of a lease, never given before.
    fn fresh(&self, lease: &str, what: &str) -> String {
        format!("{lease}-{what}-{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets a lease hold an object that exists already.
    async fn hold(&self, lease: &str, kind: &str, id: &str) -> Result<(), Error> {
        let resource = wire::Resource { id: id.to_owned(), r#type: kind.to_owned() };
        let request = wire::AddResourceRequest { id: lease.to_owned(), resource: Some(resource) };
        self.call::<_, Empty>(method::ADD_RESOURCE, None, &request).await.map(drop)
    }
}

impl Facts {
    fn of(version: String, found: &PluginsResponse) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::Snapshotter(why.to_owned());
        let [plugin] = &found.plugins[..] else { return Err(refuse("it has no plugin of that name")) };
        if let Some(error) = &plugin.init_err {
            return Err(refuse(error.message.lines().next().unwrap_or_default()));
        }
        let root = plugin.exports.get("root").map(PathBuf::from).ok_or_else(|| refuse("it names no folder"))?;
        if !root.is_dir() {
            return Err(Refusal::folder(&root, "it does not exist"));
        }
        let can_rebase = plugin.capabilities.iter().any(|c| c == "rebase");
        Ok(Self { version, root, can_rebase })
    }

    fn root(&self) -> &Path {
        &self.root
    }
}

impl Store for Containerd {
    type Writer = ContentWriter;

    async fn lease(&self, lifetime: Duration) -> Result<Lease, Error> {
        self.take_lease(lifetime).await
    }

    async fn content(&self, lease: &Lease, blob: Blob) -> Result<Option<ContentWriter>, Error> {
        self.open_blob(lease, blob).await
    }

    async fn prepare(&self, lease: &Lease, chain: &ChainId, parent: Option<&ChainId>) -> Result<SnapshotState, Error> {
        self.prepare_snapshot(lease, chain, parent).await
    }

    async fn commit(&self, lease: &Lease, snapshot: ActiveSnapshot) -> Result<bool, Error> {
        self.commit_snapshot(lease, &snapshot).await
    }

    async fn record(&self, lease: &Lease, image: &Image) -> Result<(), Error> {
        self.write_record(lease, image).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), Error> {
        self.renew_lease(lease).await
    }

    async fn view(&self, lease: &Lease, chain: &ChainId) -> Result<Vec<PathBuf>, Error> {
        self.view_snapshot(lease, chain).await
    }

    async fn release(&self, lease: &Lease, wait: bool) -> Result<(), Error> {
        self.end_lease(lease, wait).await
    }
}
