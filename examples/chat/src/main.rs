//! A chat: rooms, what was said before, who is here, and no message lost in silence.
//!
//! ```sh
//! cargo run -p chat
//! cargo run -p chat -- localhost:8080
//! curl -N 'localhost:7878/rooms/lounge/events?name=curl'
//! curl localhost:7878/rooms/lounge/messages --json '{"author":"curl","text":"hello"}'
//! ```
//!
//! Open <http://localhost:7878> in two browsers. Each room is a topic of a hub, and the hub's log
//! is all that is stored: so a restart loses what was said, and the pages that come back say so.
//!
//! `routes.rs` says what is at which path, `said.rs` what may be said, `page.rs` has the page.

mod page;
mod routes;
mod said;
#[cfg(test)]
mod tests;

use volga::{App, http::sse::Hub};

/// How many messages of a room the log holds: what newcomers read, and what those get who were
/// away.
const HELD: usize = 200;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "localhost:7878".to_owned());
    app().bind(address).run().await
}

/// Apart from `main`, so that the tests have the same one.
///
/// Anybody may open a room, and nobody can fill the hub with rooms: an empty one goes with the last
/// person in it. `topic_creation` on the hub would say that only certain rooms exist.
fn app() -> App {
    let mut app = App::new();
    app.add_singleton(Hub::builder().max_messages(HELD).build());
    page::map(&mut app);
    routes::map(&mut app);
    app
}
