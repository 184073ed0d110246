//! `Database`: SQLite, off the threads that serve clients.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::task::spawn_blocking;
use volga::error::Error;

/// The path that means that nothing is written to a file.
pub(crate) const IN_MEMORY: &str = ":memory:";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, user TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS session (
    id TEXT PRIMARY KEY,
    user TEXT,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS session_user ON session (user);
CREATE INDEX IF NOT EXISTS session_end ON session (expires_at);
";

/// A connection to SQLite. Clones share it.
#[derive(Clone)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens a file, or [`IN_MEMORY`].
    pub(crate) fn open(path: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs work on the database. Once begun, it is finished even if the client leaves.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = Arc::clone(&self.0);
        // SQLite waits for its file, and the lock waits for other requests. Neither may happen on a
        // thread that serves other clients.
        let done = spawn_blocking(move || {
            work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Ok(done.await??)
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.run(|db| db.query_row("SELECT 1", [], |_| Ok(()))).await
    }
}
