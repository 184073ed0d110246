//! A chat with rooms, message history and presence. A client that returns gets the messages that it
//! missed, or is told that some are missing.
//!
//! ```sh
//! cargo run -p chat
//! cargo run -p chat -- localhost:8080
//! cargo run -p chat --features tls -- --tls
//! cargo run -p chat --features disk-log -- --log
//! cargo run -p chat --features redis -- --redis redis://localhost:6379
//! curl -N 'localhost:7878/rooms/lounge/events?name=curl'
//! curl localhost:7878/rooms/lounge/messages --json '{"author":"curl","text":"hello"}'
//! ```
//!
//! Open <http://localhost:7878> in two browsers. Each room is a topic of a hub, and the messages
//! are stored in the hub's log only. So a restart loses them, and the pages that reconnect say so.
//! With `--log` the messages are in the file `chat.redb` as well: end the program, start it again,
//! and the pages go on as if nothing had happened.
//!
//! With `--redis`, several nodes share the rooms, and a node that starts has their messages.
//! `examples/chat/two-nodes` starts Redis, two nodes and nginx in front of them.
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
    let (mut has_tls, mut is_on_disk, mut redis, mut addresses) = (false, false, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--tls" => has_tls = true,
            "--log" => is_on_disk = true,
            "--redis" => redis = arguments.next(),
            _ => addresses.push(argument),
        }
    }
    let hub = match redis {
        Some(url) => shared_rooms(url),
        None if is_on_disk => rooms_on_disk(),
        None => rooms().build(),
    };
    let app = app(hub).with_env().with_addresses(addresses);
    if has_tls { with_tls(app).run().await } else { app.run().await }
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

/// Keeps the messages in a file as well, so that clients resume after a restart.
#[cfg(feature = "disk-log")]
fn rooms_on_disk() -> Hub {
    let hub = volga::http::sse::DiskLog::new("chat.redb").open(rooms());
    hub.unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2)
    })
}

#[cfg(not(feature = "disk-log"))]
fn rooms_on_disk() -> Hub {
    eprintln!("--log needs the feature `disk-log`: cargo run -p chat --features disk-log -- --log");
    std::process::exit(2)
}

/// Shares the rooms with other nodes.
#[cfg(feature = "redis")]
fn shared_rooms(url: String) -> Hub {
    use volga::http::sse::redis::RedisHub;

    let settings = RedisHub::new(url).name("chat");
    let hub = settings.on_connection_error(|error| eprintln!("{error}")).build(rooms());
    hub.unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2)
    })
}

#[cfg(not(feature = "redis"))]
fn shared_rooms(_: String) -> Hub {
    eprintln!(
        "--redis needs the feature `redis`: cargo run -p chat --features redis -- --redis URL"
    );
    std::process::exit(2)
}

/// The settings of the hub.
fn rooms() -> HubBuilder {
    Hub::builder().max_messages(HELD)
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
///
/// Anybody may open a room. Even so, nobody can fill the hub with rooms, because an empty room is
/// removed when the last person leaves. To allow certain rooms only, set `topic_creation` on the
/// hub.
fn app(hub: Hub) -> App {
    let mut app = App::new();
    let readiness = hub.clone();
    app.add_readiness_check("rooms", async move || readiness.is_ready());
    app.map_readiness("/ready");
    app.add_singleton(hub);
    page::map(&mut app);
    routes::map(&mut app);
    app
}
