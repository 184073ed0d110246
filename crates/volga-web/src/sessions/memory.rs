//! `MemorySessions`: a store in memory, with a bound.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use volga_core::Error;

use crate::sessions::id::SessionId;
use crate::sessions::record::SessionRecord;
use crate::sessions::store::SessionStore;

/// The default maximum number of sessions in memory: 100,000.
pub const DEFAULT_MAX_SESSIONS: usize = 100_000;

/// Sessions in memory, for development, tests, and apps that may forget them at a restart. Clones
/// share the sessions.
///
/// At the maximum, the session that ends first makes room for a new one. That is one that has ended
/// already, or else the one that was not used for the longest time.
#[derive(Clone)]
pub struct MemorySessions {
    max: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    records: HashMap<SessionId, SessionRecord>,
    /// The sessions by their end.
    ends: BTreeSet<(SystemTime, SessionId)>,
}

impl Default for MemorySessions {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySessions {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { max: DEFAULT_MAX_SESSIONS, kept: Arc::default() }
    }

    /// Sets the maximum number of sessions, [`DEFAULT_MAX_SESSIONS`] by default. It is at least 1.
    #[must_use]
    pub fn with_max(mut self, count: usize) -> Self {
        self.max = count.max(1);
        self
    }

    /// The number of sessions, with those that have ended and are not removed yet.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept().records.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, id: &SessionId) {
        if let Some(record) = self.records.remove(id) {
            self.ends.remove(&(record.expires_at, id.clone()));
        }
    }

    fn put(&mut self, id: &SessionId, record: SessionRecord) {
        self.remove(id);
        self.ends.insert((record.expires_at, id.clone()));
        self.records.insert(id.clone(), record);
    }

    /// Removes sessions that have ended, and makes room for one more.
    fn make_room(&mut self, max: usize, now: SystemTime) {
        while let Some((end, id)) = self.ends.first().cloned() {
            if end > now && self.records.len() < max {
                return;
            }
            self.remove(&id);
        }
    }
}

impl SessionStore for MemorySessions {
    async fn load(&self, id: &SessionId) -> Result<Option<SessionRecord>, Error> {
        Ok(self.kept().records.get(id).cloned())
    }

    async fn insert(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        let mut kept = self.kept();
        kept.make_room(self.max, SystemTime::now());
        kept.put(id, record);
        Ok(())
    }

    async fn update(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        let mut kept = self.kept();
        if kept.records.contains_key(id) {
            kept.put(id, record);
        }
        Ok(())
    }

    async fn touch(&self, id: &SessionId, expires_at: SystemTime) -> Result<(), Error> {
        let mut kept = self.kept();
        if let Some(record) = kept.records.get(id).cloned() {
            kept.put(id, SessionRecord { expires_at, ..record });
        }
        Ok(())
    }

    async fn delete(&self, id: &SessionId) -> Result<(), Error> {
        self.kept().remove(id);
        Ok(())
    }

    async fn delete_of_user(&self, user: &str) -> Result<(), Error> {
        let mut kept = self.kept();
        let of_user =
            |(_, record): &(&SessionId, &SessionRecord)| record.user.as_deref() == Some(user);
        let ids: Vec<_> = kept.records.iter().filter(of_user).map(|(id, _)| id.clone()).collect();
        ids.iter().for_each(|id| kept.remove(id));
        Ok(())
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions")
            .field("count", &self.count())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(user: &str, seconds: u64) -> SessionRecord {
        let created_at = SystemTime::now();
        let expires_at = created_at + Duration::from_secs(seconds);
        SessionRecord { user: Some(user.to_owned()), data: String::new(), created_at, expires_at }
    }

    #[tokio::test]
    async fn the_session_that_ends_first_makes_room() {
        let store = MemorySessions::new().with_max(3);
        let ids: Vec<_> = (0..5).map(|_| SessionId::random().unwrap()).collect();
        for (id, seconds) in ids.iter().zip([300, 100, 200, 400, 500]) {
            store.insert(id, record("anna", seconds)).await.unwrap();
            assert!(store.count() <= 3);
        }
        let mut found = Vec::new();
        for id in &ids {
            found.push(store.load(id).await.unwrap().is_some());
        }
        assert_eq!(found, [true, false, false, true, true]);
        // Those that have ended go first, and all at once.
        for id in &ids {
            store.touch(id, SystemTime::UNIX_EPOCH).await.unwrap();
        }
        store.insert(&ids[1], record("anna", 1)).await.unwrap();
        assert_eq!((store.count(), store.kept().ends.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_session_that_was_deleted_does_not_come_back() {
        let store = MemorySessions::new();
        let [anna, ben, also] = [(); 3].map(|()| SessionId::random().unwrap());
        for (id, user) in [(&anna, "anna"), (&ben, "ben"), (&also, "anna")] {
            store.insert(id, record(user, 100)).await.unwrap();
        }
        store.delete_of_user("anna").await.unwrap();
        for id in [&anna, &also] {
            store.update(id, record("anna", 200)).await.unwrap();
            store.touch(id, SystemTime::now()).await.unwrap();
            assert_eq!(store.load(id).await.unwrap(), None);
        }
        assert!(store.load(&ben).await.unwrap().is_some());
        store.delete(&ben).await.unwrap();
        assert_eq!((store.count(), store.kept().ends.len()), (0, 0));
    }
}
