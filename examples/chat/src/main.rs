//! A chat with rooms, message history and presence. A client that returns gets the messages that it
//! missed, or is told that some are missing.
//!
//! ```sh
//! cargo run -p chat
//! cargo run -p chat -- localhost:8080
//! cargo run -p chat --features tls -- --tls
//! cargo run -p chat --features disk-log -- --log
//! curl -N 'localhost:7878/rooms/lounge/events?name=curl'
//! curl localhost:7878/rooms/lounge/messages --json '{"author":"curl","text":"hello"}'
//! ```
//!
//! Open <http://localhost:7878> in two browsers. Each room is a topic of a hub, and the messages
//! are stored in the hub's log only. So a restart loses them, and the pages that reconnect say so. With
//! `--log` the messages are in the file `chat.redb` as well: end the program, start it again, and the
//! pages go on as if nothing had happened.
//!
//! `routes.rs` has the routes, `chat_message.rs` checks names and messages, `page.rs` has the page.

mod chat_message;
mod page;
mod routes;
#[cfg(test)]
mod tests;

use volga::{
    App,
    http::sse::{Hub, HubBuilder},
};

/// How many messages of a room the log keeps. Newcomers get them, and so do clients that return.
const HELD: usize = 200;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (flags, addresses): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    if let Some(unknown) = flags.iter().find(|flag| !["--tls", "--log"].contains(&&***flag)) {
        eprintln!("unknown flag {unknown}; the flags are --tls and --log");
        std::process::exit(2)
    }
    let hub = Hub::builder().max_messages(HELD);
    let hub = if has("--log") { on_disk(hub)? } else { hub.build() };
    let app = app(hub).with_env().with_addresses(addresses);
    if has("--tls") { with_tls(app).run().await } else { app.run().await }
}

/// Keeps the messages in a file, so that clients resume after a restart.
#[cfg(feature = "disk-log")]
fn on_disk(hub: HubBuilder) -> std::io::Result<Hub> {
    volga::http::sse::DiskLog::new("chat.redb").open(hub).map_err(std::io::Error::other)
}

#[cfg(not(feature = "disk-log"))]
fn on_disk(_: HubBuilder) -> std::io::Result<Hub> {
    eprintln!("--log needs the feature `disk-log`: cargo run -p chat --features disk-log -- --log");
    std::process::exit(2)
}

/// Serves HTTPS, with a certificate that this machine makes for itself.
#[cfg(feature = "tls")]
fn with_tls(app: App) -> App {
    app.with_tls(volga::tls::Tls::development())
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: App) -> App {
    eprintln!("--tls needs the feature `tls`: cargo run -p chat --features tls -- --tls");
    std::process::exit(2)
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
///
/// Anybody may open a room. Even so, nobody can fill the hub with rooms, because an empty room is
/// removed when the last person leaves. To allow certain rooms only, set `topic_creation` on the
/// hub.
fn app(hub: Hub) -> App {
    let mut app = App::new();
    app.add_singleton(hub);
    page::map(&mut app);
    routes::map(&mut app);
    app
}
