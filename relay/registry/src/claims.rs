//! Claims on digests that are being pushed: several clients push one blob, and one upload is enough.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::digest::Digest;

/// Digests that clients are pushing.
#[derive(Debug)]
pub(crate) struct Claims {
    listed: Mutex<HashMap<Digest, watch::Receiver<Progress>>>,
    /// Time without a byte after which nobody waits for the client any longer.
    stall: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Receiving,
    Stored,
}

/// Right to upload a blob. Dropping it lets another client go on.
#[derive(Debug)]
pub(crate) struct Claim {
    progress: watch::Sender<Progress>,
    /// `None` if the claim of a stalled client is still listed.
    listed: Option<(Arc<Claims>, Digest)>,
}

impl Claims {
    pub(crate) fn new(stall: Duration) -> Arc<Self> {
        Arc::new(Self { listed: Mutex::default(), stall })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, watch::Receiver<Progress>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a digest. `None` after another client has stored the blob meanwhile.
    ///
    /// Clients that push the same blob wait here, and their bytes wait in their sockets. If the first client fails, the next one
    /// uploads. If the first client stalls, the caller uploads too.
    pub(crate) async fn claim(self: &Arc<Self>, digest: &Digest) -> Option<Claim> {
        loop {
            let mut other = {
                let mut claims = self.lock();
                let Some(other) = claims.get(digest) else {
                    let (progress, receiver) = watch::channel(Progress::Receiving);
                    claims.insert(digest.clone(), receiver);
                    return Some(Claim { progress, listed: Some((Arc::clone(self), digest.clone())) });
                };
                other.clone()
            };
            loop {
                if *other.borrow_and_update() == Progress::Stored {
                    return None;
                }
                match timeout(self.stall, other.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break,
                    Err(_) => return Some(Claim { progress: watch::Sender::new(Progress::Receiving), listed: None }),
                }
            }
        }
    }
}

impl Claim {
    /// Tells waiting clients that bytes arrive.
    pub(crate) fn note_bytes(&self) {
        self.progress.send_replace(Progress::Receiving);
    }

    /// Tells waiting clients that the blob is stored.
    pub(crate) fn complete(self) {
        self.progress.send_replace(Progress::Stored);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((claims, digest)) = self.listed.take() {
            claims.lock().remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn others_wait_for_the_first_and_one_goes_on_when_it_fails() {
        let (claims, digest) = (Claims::new(Duration::from_mins(10)), Digest::of(b"layer"));
        let first = claims.claim(&digest).await.unwrap();
        assert!(claims.claim(&Digest::of(b"other")).await.is_some(), "another blob does not wait");
        let mut waiting = JoinSet::new();
        for _ in 0..3 {
            let (claims, digest) = (Arc::clone(&claims), digest.clone());
            waiting.spawn(async move { claims.claim(&digest).await });
        }
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none());
        drop(first);
        let second = waiting.join_next().await.unwrap().unwrap().unwrap();
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none(), "the others wait for the second");
        second.note_bytes();
        second.complete();
        while let Some(other) = waiting.join_next().await {
            assert!(other.unwrap().is_none());
        }
        assert!(claims.lock().is_empty());
    }

    #[tokio::test]
    async fn client_that_stalls_holds_nobody_forever() {
        let (claims, digest) = (Claims::new(Duration::from_millis(10)), Digest::of(b"layer"));
        let stalled = claims.claim(&digest).await.unwrap();
        let second = claims.claim(&digest).await;
        assert!(second.is_some());
        drop(second);
        assert_eq!(claims.lock().len(), 1, "the first claim is still listed");
        drop(stalled);
    }
}
