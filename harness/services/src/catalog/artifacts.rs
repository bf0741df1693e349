//! Artifacts: names unique within a run, visible once finalized.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Conflict, Times};

/// Artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// `database_id`; the newest has the highest.
    pub(crate) id: u64,
    pub(crate) run: String,
    /// Job that created it.
    pub(crate) job: String,
    pub(crate) name: String,
    /// Media type at creation; older clients send none and upload zips.
    pub(crate) mime: Option<String>,
    /// Path of its blob.
    pub(crate) path: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// Seconds since 1970 from which it is gone, as its creator asked.
    pub(crate) expires: Option<i64>,
    /// Size and hash, once finalized.
    pub(crate) content: Option<(u64, Option<String>)>,
    pub(crate) times: Times,
}

impl Artifact {
    /// Whether it is finalized and its lag is over at `now`.
    pub(crate) fn is_visible(&self, now: u64) -> bool {
        self.times.is_visible(now)
    }
}

/// All artifacts.
#[derive(Default)]
pub(crate) struct Artifacts(Mutex<BTreeMap<u64, Artifact>>);

impl Artifacts {
    /// Adds an unfinalized artifact unless its name is taken in its run.
    pub(crate) fn create(&self, artifact: Artifact) -> Result<(), Conflict> {
        let mut all = self.all();
        if all.values().any(|other| other.run == artifact.run && other.name == artifact.name) {
            return Err(Conflict::Taken);
        }
        all.insert(artifact.id, artifact);
        Ok(())
    }

    /// Finds the artifact of a name, finalized or not.
    pub(crate) fn find(&self, run: &str, name: &str) -> Option<Artifact> {
        self.all().values().find(|artifact| artifact.run == run && artifact.name == name).cloned()
    }

    /// Makes an artifact visible from a time on; returns whether it was the first time. A repetition with the same content is
    /// no error, because the answer may have been lost.
    pub(crate) fn finalize(
        &self,
        id: u64,
        content: (u64, Option<String>),
        visible_from: u64,
    ) -> Result<bool, Conflict> {
        let mut all = self.all();
        let artifact = all.get_mut(&id).ok_or(Conflict::Missing)?;
        match &artifact.content {
            None => (artifact.content, artifact.times.visible_from) = (Some(content), Some(visible_from)),
            Some(before) if *before == content => return Ok(false),
            Some(_) => return Err(Conflict::Finalized),
        }
        Ok(true)
    }

    /// Lists the artifacts of a run that are visible at `now`, oldest first.
    pub(crate) fn list(&self, run: &str, now: u64) -> Vec<Artifact> {
        self.all().values().filter(|artifact| artifact.run == run && artifact.is_visible(now)).cloned().collect()
    }

    /// Removes the reservations that have ended at `now` of the monotonic clock, and the artifacts whose time is over at
    /// `seconds` since 1970; returns the paths of their blobs.
    pub(crate) fn expire(&self, now: u64, seconds: i64) -> Vec<String> {
        let over = |artifact: &Artifact| artifact.expires.is_some_and(|end| end <= seconds);
        self.remove_if(|artifact| artifact.times.has_expired(now) || over(artifact))
    }

    /// Removes an artifact; the caller removes its blob.
    pub(crate) fn remove(&self, id: u64) -> Option<Artifact> {
        self.all().remove(&id)
    }

    /// Removes all artifacts of a run, also unfinalized ones; returns the paths of their blobs.
    pub(crate) fn purge(&self, run: &str) -> Vec<String> {
        self.remove_if(|artifact| artifact.run == run)
    }

    fn remove_if(&self, selects: impl Fn(&Artifact) -> bool) -> Vec<String> {
        self.all().extract_if(.., |_, artifact| selects(artifact)).map(|(_, artifact)| artifact.path).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Artifact>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(id: u64, run: &str, name: &str) -> Artifact {
        Artifact {
            id,
            run: run.into(),
            job: "j".into(),
            name: name.into(),
            mime: None,
            path: format!("/{id}"),
            created: 0,
            expires: None,
            content: None,
            times: Times::created(None),
        }
    }

    #[test]
    fn name_is_unique_within_a_run_until_deleted() {
        let artifacts = Artifacts::default();
        artifacts.create(artifact(1, "r", "a")).unwrap();
        assert_eq!(artifacts.create(artifact(2, "r", "a")), Err(Conflict::Taken));
        artifacts.create(artifact(3, "other", "a")).unwrap();
        artifacts.remove(1).unwrap();
        artifacts.create(artifact(4, "r", "a")).unwrap();
        assert_eq!(artifacts.find("r", "a").unwrap().id, 4);
    }

    #[test]
    fn only_finalized_artifacts_of_the_run_are_listed() {
        let artifacts = Artifacts::default();
        for (id, run) in [(1, "r"), (2, "r"), (3, "other")] {
            artifacts.create(artifact(id, run, &id.to_string())).unwrap();
        }
        assert_eq!(artifacts.finalize(2, (5, None), 0), Ok(true));
        assert_eq!(artifacts.finalize(2, (5, None), 0), Ok(false), "a repeated finalize");
        assert_eq!(artifacts.finalize(2, (6, None), 0), Err(Conflict::Finalized));
        assert_eq!(artifacts.finalize(9, (5, None), 0), Err(Conflict::Missing));
        artifacts.finalize(3, (5, None), 0).unwrap();
        assert_eq!(artifacts.list("r", 0).iter().map(|artifact| artifact.id).collect::<Vec<_>>(), [2]);
        assert_eq!(artifacts.purge("r"), ["/1", "/2"]);
        assert!(artifacts.find("r", "1").is_none() && artifacts.find("other", "3").is_some());
    }

    #[test]
    fn reservation_expires_and_lag_hides_a_finalized_artifact() {
        let artifacts = Artifacts::default();
        let reserved = |id| Artifact { times: Times::created(Some(100)), ..artifact(id, "r", "a") };
        artifacts.create(reserved(1)).unwrap();
        assert_eq!((artifacts.expire(99, 0), artifacts.create(reserved(2))), (Vec::new(), Err(Conflict::Taken)));
        assert_eq!(artifacts.expire(100, 0), ["/1"]);
        artifacts.create(reserved(2)).unwrap();
        artifacts.finalize(2, (5, None), 150).unwrap();
        assert_eq!((artifacts.list("r", 149).len(), artifacts.list("r", 150).len()), (0, 1));
        assert_eq!(artifacts.expire(u64::MAX, 0), Vec::<String>::new());
    }

    #[test]
    fn finalized_artifact_is_gone_from_its_expiry_on() {
        let artifacts = Artifacts::default();
        artifacts.create(Artifact { expires: Some(50), ..artifact(1, "r", "a") }).unwrap();
        artifacts.finalize(1, (5, None), 0).unwrap();
        assert_eq!((artifacts.expire(0, 49), artifacts.list("r", 0).len()), (Vec::new(), 1));
        assert_eq!((artifacts.expire(0, 50), artifacts.find("r", "a")), (vec!["/1".to_owned()], None));
    }
}
