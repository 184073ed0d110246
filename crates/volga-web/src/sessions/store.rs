//! `SessionStore`: where sessions are kept.

use std::time::SystemTime;

use volga_core::{BoxFuture, Error};

use crate::sessions::id::SessionId;
use crate::sessions::record::SessionRecord;

/// Where sessions are kept: [in memory](crate::MemorySessions), or in a database of yours.
///
/// The functions are called for single requests, concurrently. A clone of the store is the same
/// store: a pool of connections is one.
///
/// Two requests of one browser may come at the same time, so a request never writes a session back
/// that another one has deleted: [`update`](Self::update) and [`touch`](Self::touch) change a
/// session only if it is there.
///
/// `examples/login` has a store on SQLite.
pub trait SessionStore: Clone + Send + Sync + 'static {
    /// Returns a session. One that has [ended](SessionRecord::expires_at) may be left out.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails. The request fails with it, and so it is for the other
    /// functions.
    fn load(
        &self,
        id: &SessionId,
    ) -> impl Future<Output = Result<Option<SessionRecord>, Error>> + Send;

    /// Keeps a new session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    fn insert(
        &self,
        id: &SessionId,
        record: SessionRecord,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Replaces the user, the data and the end of a session, if the session is there.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    fn update(
        &self,
        id: &SessionId,
        record: SessionRecord,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Moves the end of a session, if the session is there.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    fn touch(
        &self,
        id: &SessionId,
        expires_at: SystemTime,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes a session, if it is there.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    fn delete(&self, id: &SessionId) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes all sessions of a user, such as after a change of the password.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    fn delete_of_user(&self, user: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A store whose type is erased.
pub(super) trait ErasedStore: Send + Sync {
    fn load(&self, id: SessionId) -> BoxFuture<Result<Option<SessionRecord>, Error>>;
    fn insert(&self, id: SessionId, record: SessionRecord) -> BoxFuture<Result<(), Error>>;
    fn update(&self, id: SessionId, record: SessionRecord) -> BoxFuture<Result<(), Error>>;
    fn touch(&self, id: SessionId, expires_at: SystemTime) -> BoxFuture<Result<(), Error>>;
    fn delete(&self, id: SessionId) -> BoxFuture<Result<(), Error>>;
    fn delete_of_user(&self, user: String) -> BoxFuture<Result<(), Error>>;
}

impl<S: SessionStore> ErasedStore for S {
    fn load(&self, id: SessionId) -> BoxFuture<Result<Option<SessionRecord>, Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::load(&store, &id).await })
    }

    fn insert(&self, id: SessionId, record: SessionRecord) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::insert(&store, &id, record).await })
    }

    fn update(&self, id: SessionId, record: SessionRecord) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::update(&store, &id, record).await })
    }

    fn touch(&self, id: SessionId, expires_at: SystemTime) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::touch(&store, &id, expires_at).await })
    }

    fn delete(&self, id: SessionId) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::delete(&store, &id).await })
    }

    fn delete_of_user(&self, user: String) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move { SessionStore::delete_of_user(&store, &user).await })
    }
}
