//! Leases: taken, renewed, ended; and those of imports that were killed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Containerd, method};
use crate::error::{Code, allow};
use crate::gate::{SNAPSHOTTER, owner};
use crate::proto::{Empty, leases as wire, snapshots};
use crate::{Error, Lease, Refusal};

/// Label whose time containerd's collector of garbage reads: RFC 3339.
const EXPIRE: &str = "containerd.io/gc.expire";
/// Label of our leases, with the importing process. `docker image prune` deletes leases with the label `moby/prune.images`,
/// even during a pull: an import's lease has none.
const OWNER: &str = "handoff/import";

impl Containerd {
    pub(super) async fn take_lease(&self, lifetime: Duration) -> Result<Lease, Error> {
        let id = self.create_lease(lifetime).await?;
        match self.staging(&id).await {
            Ok(staging) => Ok(Lease::new(id, lifetime, staging)),
            Err(error) => {
                let _ = self.delete_lease(&id, true).await;
                Err(error)
            }
        }
    }

    async fn create_lease(&self, lifetime: Duration) -> Result<String, Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| Error::Random(e.to_string()))?;
        let expire = jiff::Timestamp::now() + lifetime;
        // Whole seconds: Go's RFC 3339 reads fractions too, but containerd's own clients write none.
        let expire = expire.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let labels = HashMap::from([(EXPIRE.to_owned(), expire), (OWNER.to_owned(), owner::of_this_process())]);
        let lease = wire::Lease { id: format!("handoff-{}", hex::encode(random)), labels };
        self.call::<_, Empty>(method::CREATE_LEASE, None, &lease).await?;
        Ok(lease.id)
    }

    /// Prepares the staging folder: the folder of a snapshot of its own. containerd removes it with the lease, so that no
    /// folder of ours can be left over, and it is on the snapshots' file system by construction.
    async fn staging(&self, lease: &str) -> Result<PathBuf, Error> {
        let key = self.fresh(lease, "staging");
        let folders = self.prepare_key(lease, &key, None).await?;
        let folder = folders.upper.ok_or_else(|| Refusal::Mount("it cannot be written to".to_owned()))?;
        self.check_shared(&key, &folder).await?;
        Ok(folder)
    }

    /// Checks that the daemon sees what this process writes: its count of the snapshot's files grows by one.
    async fn check_shared(&self, key: &str, folder: &Path) -> Result<(), Error> {
        let before = self.files(key).await?;
        let probe = folder.join("probe");
        fs::create_dir(&probe).map_err(|e| Refusal::folder(folder, e))?;
        let after = self.files(key).await;
        fs::remove_dir(&probe).map_err(|e| Refusal::folder(folder, e))?;
        if after? == before + 1 {
            return Ok(());
        }
        Err(Refusal::folder(folder, "containerd does not see what is written there").into())
    }

    async fn files(&self, key: &str) -> Result<i64, Error> {
        let request = snapshots::KeyRequest { snapshotter: SNAPSHOTTER.to_owned(), key: key.to_owned() };
        let usage: snapshots::UsageResponse = self.call(method::SNAPSHOT_USAGE, None, &request).await?;
        Ok(usage.inodes)
    }

    /// containerd has no call that moves a lease's end. So each renewal is a further lease that takes over what the earlier
    /// ones hold. These stay until they expire, because calls in progress name them.
    pub(super) async fn renew_lease(&self, lease: &Lease) -> Result<(), Error> {
        let earlier = lease.ids();
        let id = self.create_lease(lease.lifetime()).await?;
        // From here on new calls name the new lease, and what calls in progress add is taken over by the next renewal.
        lease.push(id.clone());
        let mut taken = HashSet::new();
        for old in earlier {
            let request = wire::ListResourcesRequest { id: old };
            let held: Result<wire::ListResourcesResponse, Error> =
                self.call(method::LIST_RESOURCES, None, &request).await;
            // One that has expired may be gone. What it held has been taken over before.
            for resource in allow(held, Code::NotFound)?.unwrap_or_default().resources {
                if taken.insert((resource.id.clone(), resource.r#type.clone())) {
                    self.hold(&id, &resource.r#type, &resource.id).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn end_lease(&self, lease: &Lease, wait: bool) -> Result<(), Error> {
        self.delete_leases(&lease.ids(), wait).await
    }

    /// Deletes leases, all even if one fails. A collection of garbage runs at the last one, before this returns if `wait` is
    /// set.
    async fn delete_leases(&self, ids: &[String], wait: bool) -> Result<(), Error> {
        let mut result = Ok(());
        for (n, id) in ids.iter().enumerate() {
            let deleted = self.delete_lease(id, wait && n + 1 == ids.len()).await;
            result = result.and(deleted);
        }
        result
    }

    async fn delete_lease(&self, id: &str, sync: bool) -> Result<(), Error> {
        let request = wire::DeleteRequest { id: id.to_owned(), sync };
        allow(self.call::<_, Empty>(method::DELETE_LEASE, None, &request).await, Code::NotFound).map(drop)
    }

    /// Removes what killed imports have left, and waits for it. Leases of processes that may be running are kept, unless
    /// `all` is set. Returns the number of leases.
    ///
    /// # Errors
    /// containerd does not answer.
    pub async fn clean(&self, all: bool) -> Result<usize, Error> {
        let request = wire::ListRequest { filters: vec![format!("labels.{OWNER:?}")] };
        let found: wire::ListResponse = self.call(method::LIST_LEASES, None, &request).await?;
        let is_left = |lease: &wire::Lease| all || lease.labels.get(OWNER).is_some_and(|o| owner::is_gone(o));
        let ids: Vec<String> = found.leases.into_iter().filter(is_left).map(|l| l.id).collect();
        self.delete_leases(&ids, true).await?;
        Ok(ids.len())
    }
}
