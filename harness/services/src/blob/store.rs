//! Blobs by the path of their URL, one file each.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use super::content::{Blob, Owner};
use crate::clock;
use crate::crypto;
use crate::error::ServiceError;

/// All blobs of a service, in a private folder.
pub(crate) struct BlobStore {
    dir: PathBuf,
    // The parent folder, if this store created it.
    created_parent: Option<PathBuf>,
    blobs: Mutex<HashMap<String, Arc<Blob>>>,
    files: AtomicU64,
}

impl BlobStore {
    /// Creates a private folder in `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self, ServiceError> {
        let failed = |source| ServiceError::Store { path: parent.to_owned(), source };
        let created_parent = (!parent.exists()).then(|| parent.to_owned());
        fs::create_dir_all(parent).map_err(failed)?;
        let name = hex::encode(crypto::random_bytes::<8>().map_err(failed)?);
        let dir = parent.join(format!("blobs-{name}"));
        fs::create_dir(&dir).map_err(failed)?;
        Ok(Self { dir, created_parent, blobs: Mutex::default(), files: AtomicU64::new(0) })
    }

    /// Adds an empty blob. The caller keeps paths unique.
    pub(crate) fn add(&self, path: &str, owner: Owner) {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let blob = Blob::new(self.dir.join(format!("{number:06}")), owner, etag_seed(number));
        self.blobs().insert(path.to_owned(), Arc::new(blob));
    }

    pub(crate) fn get(&self, path: &str) -> Option<Arc<Blob>> {
        self.blobs().get(path).cloned()
    }

    /// Removes a blob and its file; returns whether there was one. Requests that are reading it may finish.
    pub(crate) fn remove(&self, path: &str) -> bool {
        let blob = self.blobs().remove(path);
        blob.inspect(|blob| blob.remove()).is_some()
    }

    /// Sum of the committed and staged bytes of the owners that `of` selects.
    pub(crate) fn stored_bytes(&self, of: impl Fn(&Owner) -> bool) -> u64 {
        let blobs: Vec<Arc<Blob>> = self.blobs().values().filter(|blob| of(&blob.owner)).cloned().collect();
        blobs.iter().map(|blob| blob.stored_bytes()).sum()
    }

    /// Removes the folder. Idempotent.
    pub(crate) fn clear(&self) {
        self.blobs().clear();
        // A file that cannot be removed stays visible in the folder of the caller.
        fs::remove_dir_all(&self.dir).ok();
        if let Some(created_parent) = &self.created_parent {
            // Only if nothing else has been put there.
            fs::remove_dir(created_parent).ok();
        }
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<String, Arc<Blob>>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ETags of two blobs, and of a blob in two services, differ.
fn etag_seed(number: u64) -> u64 {
    ((clock::unix_seconds() as u64) << 32) ^ (number << 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(run: &str) -> Owner {
        Owner { run: run.into(), account: "a".into() }
    }

    #[test]
    fn store_removes_its_private_folder_and_nothing_else() {
        let above = tempfile::tempdir().unwrap();
        let foreign = above.path().join("foreign");
        fs::write(&foreign, "x").unwrap();
        let store = BlobStore::create(above.path()).unwrap();
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 2);
        store.clear();
        store.clear();
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 1);

        let created_parent = above.path().join("a/b");
        BlobStore::create(&created_parent).unwrap().clear();
        assert!(!created_parent.exists());
        assert!(BlobStore::create(&foreign).is_err());
    }

    #[test]
    fn removed_blob_loses_its_file_and_bytes_are_summed_by_owner() {
        let above = tempfile::tempdir().unwrap();
        let store = BlobStore::create(above.path()).unwrap();
        for (path, run) in [("/a", "1"), ("/b", "1"), ("/c", "2")] {
            store.add(path, owner(run));
            store.get(path).unwrap().put_whole(b"0123456789", None).unwrap();
        }
        let bytes_of = |run: &str| store.stored_bytes(|owner| owner.run == run);
        assert_eq!((bytes_of("1"), bytes_of("2"), bytes_of("3")), (20, 10, 0));
        assert_eq!((store.remove("/a"), store.remove("/a")), (true, false));
        assert!(store.get("/a").is_none());
        assert_eq!(bytes_of("1"), 10);
        assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 2);
        store.clear();
        assert!(!store.dir.exists());
    }
}
