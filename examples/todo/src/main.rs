//! Todos in SQLite, and a page that shows every change live.
//!
//! ```sh
//! cargo run -p todo
//! cargo run -p todo -- todos.sqlite
//! cargo run -p todo -- todos.sqlite localhost:8080
//! curl localhost:7878/todos --json '{"title":"water the plants"}'
//! curl -N localhost:7878/events
//! ```
//!
//! Open <http://localhost:7878> twice: a change on one page appears on the other. Without a file,
//! the todos are lost when the process ends.
//!
//! Without JavaScript, the page works by its forms.
//!
//! `routes.rs` has the routes, `page.rs` the page and its forms, `store.rs` keeps the todos and
//! broadcasts changes, `error.rs` has the errors and their responses.

mod error;
mod page;
mod routes;
mod store;
#[cfg(test)]
mod tests;

use store::Store;
use tokio::sync::broadcast;
use volga::App;

/// How many changes a reader of the events may be behind before its stream ends.
const MAX_BEHIND: usize = 256;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| store::IN_MEMORY.to_owned());
    let app = app(&path).map_err(std::io::Error::other)?;
    app.with_env().with_addresses(std::env::args().skip(2)).run().await
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
fn app(path: &str) -> rusqlite::Result<App> {
    let (changes, _) = broadcast::channel(MAX_BEHIND);
    let mut app = App::new();
    app.add_singleton(Store::open(path, changes.clone())?);
    app.add_singleton(changes);
    routes::map(&mut app);
    Ok(app)
}
