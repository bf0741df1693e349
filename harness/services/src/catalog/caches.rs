//! Cache entries: immutable, found by version, scope and key or prefix.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Conflict, Times};

/// Cache entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Later entries have higher ids: "newest" is the highest.
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) scope: String,
    /// Run that stored it.
    pub(crate) run: String,
    /// Path of its blob.
    pub(crate) path: String,
    /// Size, once finalized.
    pub(crate) size: Option<u64>,
    /// Number of its last use, by finalize or lookup. Later uses have higher numbers.
    pub(crate) used: u64,
    pub(crate) times: Times,
}

/// All entries.
#[derive(Default)]
pub(crate) struct Caches {
    entries: Mutex<BTreeMap<u64, Entry>>,
    uses: AtomicU64,
}

impl Caches {
    /// Adds an unfinalized entry, which reserves its key, version and scope.
    pub(crate) fn create(&self, entry: Entry) -> Result<(), Conflict> {
        let mut all = self.all();
        if all.values().any(|other| other.is(&entry.key, &entry.version, &entry.scope)) {
            return Err(Conflict::Taken);
        }
        all.insert(entry.id, entry);
        Ok(())
    }

    /// Finds the entry of exactly this key, finalized or not.
    pub(crate) fn find(&self, key: &str, version: &str, scope: &str) -> Option<Entry> {
        self.all().values().find(|entry| entry.is(key, version, scope)).cloned()
    }

    /// Makes an entry visible from a time on; returns whether it was the first time. A repetition with the same size is no
    /// error.
    pub(crate) fn finalize(&self, id: u64, size: u64, visible_from: u64) -> Result<bool, Conflict> {
        let mut all = self.all();
        let entry = all.get_mut(&id).ok_or(Conflict::Missing)?;
        entry.used = self.use_number();
        match entry.size {
            None => (entry.size, entry.times.visible_from) = (Some(size), Some(visible_from)),
            Some(before) if before == size => return Ok(false),
            Some(_) => return Err(Conflict::Finalized),
        }
        Ok(true)
    }

    /// Removes the least recently used entries until the rest takes at most `limit` bytes; returns the paths of their blobs.
    /// Unfinalized entries stay, because their size is unknown.
    pub(crate) fn evict(&self, limit: u64) -> Vec<String> {
        let mut all = self.all();
        let mut total: u64 = all.values().filter_map(|entry| entry.size).sum();
        let mut by_use: Vec<(u64, u64, u64)> =
            all.values().filter_map(|entry| Some((entry.used, entry.id, entry.size?))).collect();
        by_use.sort_unstable();
        let mut paths = Vec::new();
        for (_, id, size) in by_use {
            if total <= limit {
                break;
            }
            total -= size;
            paths.extend(all.remove(&id).map(|entry| entry.path));
        }
        paths
    }

    fn use_number(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Finds the entry of a restore. In each scope in turn, it is the exact key, else the newest with the prefix `key`. Otherwise
    /// it is the newest with the first matching restore key as its prefix.
    pub(crate) fn look_up<'a>(
        &self,
        scopes: impl IntoIterator<Item = &'a str>,
        version: &str,
        key: &str,
        restore_keys: &[String],
        now: u64,
    ) -> Option<Entry> {
        let mut all = self.all();
        let visible = |scope: &'a str| {
            let fits =
                move |entry: &&Entry| entry.times.is_visible(now) && entry.version == version && entry.scope == scope;
            all.values().rev().filter(fits)
        };
        let found = scopes.into_iter().find_map(|scope| {
            let exact = visible(scope).find(|entry| entry.key == key);
            let mut prefixes = std::iter::once(key).chain(restore_keys.iter().map(String::as_str));
            // An empty prefix would match every entry.
            let newest =
                |prefix: &str| visible(scope).find(|entry| !prefix.is_empty() && entry.key.starts_with(prefix));
            exact.or_else(|| prefixes.find_map(newest))
        });
        let id = found?.id;
        let entry = all.get_mut(&id)?;
        entry.used = self.use_number();
        Some(entry.clone())
    }

    /// Removes the reservations that have ended at `now`; returns the paths of their blobs.
    pub(crate) fn expire(&self, now: u64) -> Vec<String> {
        self.remove(|entry| entry.times.has_expired(now))
    }

    /// Removes the entries that `selects` names; returns the paths of their blobs.
    pub(crate) fn remove(&self, selects: impl Fn(&Entry) -> bool) -> Vec<String> {
        self.all().extract_if(.., |_, entry| selects(entry)).map(|(_, entry)| entry.path).collect()
    }

    /// Entries that `selects` names, oldest first.
    pub(crate) fn select(&self, selects: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.all().values().filter(|entry| selects(entry)).cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is(&self, key: &str, version: &str, scope: &str) -> bool {
        self.key == key && self.version == version && self.scope == scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, key: &str, version: &str, scope: &str) -> Entry {
        Entry {
            id,
            key: key.into(),
            version: version.into(),
            scope: scope.into(),
            run: "r".into(),
            path: format!("/{id}"),
            size: None,
            used: 0,
            times: Times::created(None),
        }
    }

    fn caches(entries: &[(u64, &str, &str, &str)]) -> Caches {
        let caches = Caches::default();
        for &(id, key, version, scope) in entries {
            caches.create(entry(id, key, version, scope)).unwrap();
            caches.finalize(id, 1, 0).unwrap();
        }
        caches
    }

    fn found(caches: &Caches, scopes: &[&str], key: &str, restore: &[&str]) -> Option<u64> {
        let restore: Vec<String> = restore.iter().map(ToString::to_string).collect();
        caches.look_up(scopes.iter().copied(), "v", key, &restore, 0).map(|entry| entry.id)
    }

    #[test]
    fn exact_key_precedes_newer_prefix_matches() {
        let caches = caches(&[(1, "k", "v", "main"), (2, "k-2", "v", "main"), (3, "k-3", "w", "main")]);
        assert_eq!(found(&caches, &["main"], "k", &[]), Some(1));
        assert_eq!(found(&caches, &["main"], "k-", &["k-"]), Some(2), "another version is another entry");
        assert_eq!(found(&caches, &["main"], "x", &["y", "k"]), Some(2), "the newest of the prefix");
        assert_eq!(found(&caches, &["main"], "x", &[]), None);
        assert_eq!(found(&caches, &["main"], "x", &[""]), None);
    }

    #[test]
    fn least_recently_used_entries_are_evicted_first() {
        let caches = caches(&[(1, "a", "v", "s"), (2, "b", "v", "s"), (3, "c", "v", "s")]);
        assert_eq!(caches.evict(3), Vec::<String>::new());
        assert_eq!(found(&caches, &["s"], "a", &[]), Some(1));
        assert_eq!(caches.evict(2), ["/2"], "the oldest was used again");
        assert_eq!((found(&caches, &["s"], "b", &[]), found(&caches, &["s"], "c", &[])), (None, Some(3)));
        assert_eq!(caches.evict(0), ["/1", "/3"]);
    }

    #[test]
    fn index_of_buildkit_is_found_by_its_prefix() {
        let caches = caches(&[(1, "index-x#1", "v", "main"), (2, "index-x#2", "v", "main")]);
        assert_eq!(found(&caches, &["main"], "index-x", &["index-x"]), Some(2));
    }

    #[test]
    fn prefix_match_in_the_first_scope_precedes_exact_key_in_the_next() {
        let caches = caches(&[(1, "k-old", "v", "branch"), (2, "k", "v", "main")]);
        assert_eq!(found(&caches, &["branch", "main"], "k", &[]), Some(1));
        assert_eq!(found(&caches, &["main", "branch"], "k", &[]), Some(2));
        assert_eq!(found(&caches, &["other"], "k", &[]), None);
    }

    #[test]
    fn entry_is_reserved_at_creation_and_visible_when_finalized() {
        let caches = caches(&[]);
        let entry = |id| entry(id, "k", "v", "s");
        caches.create(entry(1)).unwrap();
        assert_eq!(caches.create(entry(2)), Err(Conflict::Taken));
        assert_eq!(found(&caches, &["s"], "k", &[]), None);
        assert_eq!(caches.finalize(1, 7, 0), Ok(true));
        assert_eq!((caches.finalize(1, 7, 0), caches.finalize(1, 8, 0)), (Ok(false), Err(Conflict::Finalized)));
        assert_eq!(found(&caches, &["s"], "k", &[]), Some(1));
        assert_eq!(caches.remove(|entry| entry.run == "r"), ["/1"]);
        assert_eq!(found(&caches, &["s"], "k", &[]), None);
    }

    #[test]
    fn unfinished_reservation_expires_and_frees_its_key() {
        let caches = caches(&[]);
        let reserved = |id| Entry { times: Times::created(Some(100)), ..entry(id, "k", "v", "s") };
        caches.create(reserved(1)).unwrap();
        assert_eq!((caches.expire(99), caches.create(reserved(2))), (Vec::new(), Err(Conflict::Taken)));
        assert_eq!(caches.expire(100), ["/1"]);
        assert_eq!(caches.finalize(1, 7, 0), Err(Conflict::Missing));
        caches.create(reserved(2)).unwrap();
        caches.finalize(2, 7, 0).unwrap();
        assert_eq!(caches.expire(u64::MAX), Vec::<String>::new(), "a finalized entry is no reservation");
    }

    #[test]
    fn entry_is_found_from_the_end_of_its_lag_on() {
        let caches = caches(&[]);
        caches.create(entry(1, "k", "v", "s")).unwrap();
        caches.finalize(1, 7, 50).unwrap();
        let found = |now| caches.look_up(["s"], "v", "k", &[], now).is_some();
        assert_eq!((found(49), found(50)), (false, true));
        assert_eq!(caches.create(entry(2, "k", "v", "s")), Err(Conflict::Taken), "its key is taken meanwhile");
    }
}
