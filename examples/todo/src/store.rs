//! `Store` keeps the todos in SQLite and broadcasts each change.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use tokio::{sync::broadcast, task::spawn_blocking};
use volga::{
    error::Error,
    http::sse::{EncodedMessage, Message},
};

use crate::error::{MAX_TITLE, TodoError};

/// The path that means that the todos are not written to a file.
pub(crate) const IN_MEMORY: &str = ":memory:";

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS todo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT FALSE
)";

#[derive(Serialize)]
pub(crate) struct Todo {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) done: bool,
}

/// A change of a todo. A missing member stays as it is.
#[derive(Deserialize)]
pub(crate) struct Patch {
    title: Option<String>,
    done: Option<bool>,
}

/// All todos, and the number of the last change that they contain.
pub(crate) struct List {
    pub(crate) todos: Vec<Todo>,
    pub(crate) number: u64,
}

/// An event for every reader, encoded once.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) number: u64,
    pub(crate) message: EncodedMessage,
}

/// The channel of all changes, in the order of their numbers.
pub(crate) type Changes = broadcast::Sender<Change>;

/// The todos. Each method runs on a thread on which it may block.
pub(crate) struct Store {
    database: Arc<Mutex<Database>>,
}

impl Store {
    /// Opens a file, or [`IN_MEMORY`].
    pub(crate) fn open(path: &str, changes: Changes) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute(SCHEMA, [])?;
        let database = Database { connection, changes, number: 0 };
        Ok(Self { database: Arc::new(Mutex::new(database)) })
    }

    pub(crate) async fn list(&self) -> Result<List, TodoError> {
        self.run(|database| database.list()).await
    }

    pub(crate) async fn find(&self, id: i64) -> Result<Todo, TodoError> {
        self.run(move |database| database.find(id)).await
    }

    pub(crate) async fn add(&self, title: String) -> Result<Todo, TodoError> {
        self.run(move |database| database.add(&title)).await
    }

    pub(crate) async fn change(&self, id: i64, patch: Patch) -> Result<Todo, TodoError> {
        self.run(move |database| database.change(id, patch)).await
    }

    pub(crate) async fn delete(&self, id: i64) -> Result<(), TodoError> {
        self.run(move |database| database.delete(id)).await
    }

    /// Runs work on the database. Once begun, it is finished even if the client leaves.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, TodoError> + Send + 'static,
    ) -> Result<T, TodoError> {
        let database = self.database.clone();
        // SQLite waits for its file, and the lock waits for other requests. Neither may happen on a
        // thread that serves other clients.
        spawn_blocking(move || work(&mut database.lock().unwrap_or_else(PoisonError::into_inner)))
            .await?
    }
}

/// The state behind the lock. Changes are broadcast while the lock is held, so that all readers get
/// the changes in the order of the database.
struct Database {
    connection: Connection,
    changes: Changes,
    number: u64,
}

impl Database {
    fn list(&self) -> Result<List, TodoError> {
        let mut select = self.connection.prepare("SELECT id, title, done FROM todo ORDER BY id")?;
        let todos = select.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(List { todos, number: self.number })
    }

    fn find(&self, id: i64) -> Result<Todo, TodoError> {
        let mut select =
            self.connection.prepare("SELECT id, title, done FROM todo WHERE id = ?1")?;
        select.query_row([id], read).optional()?.ok_or(TodoError::Unknown(id))
    }

    fn add(&mut self, title: &str) -> Result<Todo, TodoError> {
        let title = fit(title)?;
        self.connection.execute("INSERT INTO todo (title) VALUES (?1)", [title])?;
        let todo = self.find(self.connection.last_insert_rowid())?;
        self.tell("added", &todo)?;
        Ok(todo)
    }

    fn change(&mut self, id: i64, patch: Patch) -> Result<Todo, TodoError> {
        let title = patch.title.as_deref().map(fit).transpose()?;
        self.connection.execute(
            "UPDATE todo SET title = coalesce(?2, title), done = coalesce(?3, done) WHERE id = ?1",
            params![id, title, patch.done],
        )?;
        let todo = self.find(id)?;
        self.tell("changed", &todo)?;
        Ok(todo)
    }

    fn delete(&mut self, id: i64) -> Result<(), TodoError> {
        let todo = self.find(id)?;
        self.connection.execute("DELETE FROM todo WHERE id = ?1", [id])?;
        self.tell("deleted", &todo)
    }

    fn tell(&mut self, event: &str, todo: &Todo) -> Result<(), TodoError> {
        self.number += 1;
        let message = Message::new().event(event).id(self.number.to_string()).json(todo);
        let message =
            message.encode().map_err(|error| TodoError::Store(Error::server_error(error)))?;
        // An error means that nobody listens.
        let _ = self.changes.send(Change { number: self.number, message });
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Todo> {
    Ok(Todo { id: row.get(0)?, title: row.get(1)?, done: row.get(2)? })
}

/// Checks the title, and removes the space around it.
fn fit(title: &str) -> Result<&str, TodoError> {
    let title = title.trim();
    match title.chars().count() {
        1..=MAX_TITLE => Ok(title),
        length => Err(TodoError::Title { length }),
    }
}
