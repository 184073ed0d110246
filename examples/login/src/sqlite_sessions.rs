//! `SqliteSessions`: a store of sessions on SQLite.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, Row, params};
use volga::{
    error::Error,
    sessions::{SessionId, SessionRecord, SessionStore},
};

use crate::database::Database;

/// Sessions in the table `session`.
#[derive(Clone)]
pub(crate) struct SqliteSessions(Database);

impl SqliteSessions {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// Deletes the sessions that have ended.
    pub(crate) async fn delete_ended(&self) -> Result<(), Error> {
        let now = milliseconds(SystemTime::now());
        let sql = "DELETE FROM session WHERE expires_at <= ?1";
        self.0.run(move |db| db.execute(sql, [now]).map(drop)).await
    }
}

impl SessionStore for SqliteSessions {
    async fn load(&self, id: &SessionId) -> Result<Option<SessionRecord>, Error> {
        let id = id.as_str().to_owned();
        let sql = "SELECT user, data, created_at, expires_at FROM session WHERE id = ?1";
        self.0.run(move |db| db.query_row(sql, [id], record).optional()).await
    }

    async fn insert(&self, id: &SessionId, new: SessionRecord) -> Result<(), Error> {
        let id = id.as_str().to_owned();
        let sql = "INSERT INTO session (id, user, data, created_at, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let work = move |db: &rusqlite::Connection| {
            let (created, expires) = (milliseconds(new.created_at), milliseconds(new.expires_at));
            db.execute(sql, params![id, new.user, new.data, created, expires]).map(drop)
        };
        self.0.run(work).await
    }

    /// An update of no row is no error: the user has signed out meanwhile.
    async fn update(&self, id: &SessionId, new: SessionRecord) -> Result<(), Error> {
        let id = id.as_str().to_owned();
        let sql = "UPDATE session SET user = ?2, data = ?3, expires_at = ?4 WHERE id = ?1";
        let work = move |db: &rusqlite::Connection| {
            let expires = milliseconds(new.expires_at);
            db.execute(sql, params![id, new.user, new.data, expires]).map(drop)
        };
        self.0.run(work).await
    }

    async fn touch(&self, id: &SessionId, expires_at: SystemTime) -> Result<(), Error> {
        let (id, expires) = (id.as_str().to_owned(), milliseconds(expires_at));
        let sql = "UPDATE session SET expires_at = ?2 WHERE id = ?1";
        self.0.run(move |db| db.execute(sql, params![id, expires]).map(drop)).await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), Error> {
        let id = id.as_str().to_owned();
        self.0.run(move |db| db.execute("DELETE FROM session WHERE id = ?1", [id]).map(drop)).await
    }

    async fn delete_of_user(&self, user: &str) -> Result<(), Error> {
        let user = user.to_owned();
        let sql = "DELETE FROM session WHERE user = ?1";
        self.0.run(move |db| db.execute(sql, [user]).map(drop)).await
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    let time = |at: i64| UNIX_EPOCH + Duration::from_millis(at.try_into().unwrap_or_default());
    Ok(SessionRecord {
        user: row.get(0)?,
        data: row.get(1)?,
        created_at: time(row.get(2)?),
        expires_at: time(row.get(3)?),
    })
}

/// SQLite has no type for times.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}
