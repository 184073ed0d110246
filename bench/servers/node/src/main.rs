//! The laboratory's node: Volga with a hub that several nodes share through Redis, as a user would
//! write it. `/stamped`, `/position` and `/ready` are for the load alone.

use std::{
    io,
    time::{Duration, SystemTime},
};

use bench_common::HELLO;
use volga::{
    App, HttpResult, Text,
    di::Dc,
    http::{
        StatusCode,
        sse::{Hub, Message, Resume, redis::RedisHub},
    },
    no_content, ok, sse,
};

/// The topic that all clients read.
const TOPIC: &str = "events";
/// More topics than any row has.
const MAX_TOPICS: usize = 200_000;

fn main() -> io::Result<()> {
    bench_common::run(serve())
}

async fn serve() -> io::Result<()> {
    let hub = RedisHub::new(bench_common::engine())
        .on_connection_error(|error| eprintln!("{error}"))
        .build(Hub::builder().max_topics(MAX_TOPICS))
        .map_err(io::Error::other)?;
    let mut app = App::new().bind(bench_common::address());
    app.add_singleton(hub);
    app.map_get("/plaintext", || HELLO);
    app.map_get("/events", async |hub: Dc<Hub>, Resume(last): Resume| {
        sse!(hub.subscribe(TOPIC).resume(last).open()?)
    });
    app.map_post("/publish", async |hub: Dc<Hub>, Text(body): Text| -> HttpResult {
        hub.send(TOPIC, Message::new().data(body)).await?;
        no_content!()
    });
    app.map_post("/stamped", stamped);
    app.map_get("/position", position);
    app.map_get("/ready", ready);
    app.run().await
}

/// Publishes a message of 200 bytes that has the time of this moment. All programs of the
/// laboratory run on one machine, so they have one clock.
async fn stamped(hub: Dc<Hub>, Text(body): Text) -> HttpResult {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let data = format!("{body} {:020} {:.<114}", now.as_nanos(), "");
    hub.send(TOPIC, Message::new().data(data)).await?;
    no_content!()
}

/// Whether the node is ready. A readiness check would be asked only once a second, and the load
/// measures less than that.
async fn ready(hub: Dc<Hub>) -> StatusCode {
    if hub.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The last position that this node has, and how many messages it lacks.
async fn position(hub: Dc<Hub>) -> HttpResult {
    let stats = hub.stats();
    ok!("{} {}", hub.position(), stats.losses + stats.unheld)
}
