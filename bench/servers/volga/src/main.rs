//! The laboratory's server, on Volga, as a user would write it.

use bench_common::{Greeting, HELLO, LARGE, MAX_COLLECTED, Tick};
use futures_util::stream;
use serde::Deserialize;
use volga::{
    App, Query, Text,
    http::{
        Bytes,
        sse::{Hub, Message},
    },
    no_content, ok, sse,
};

/// The topic that all clients read.
const TOPIC: &str = "events";

#[derive(Deserialize)]
struct Firehose {
    n: u64,
}

fn main() -> std::io::Result<()> {
    bench_common::run(serve_all())
}

async fn serve_all() -> std::io::Result<()> {
    let hub = Hub::new();
    let mut app = App::new().bind(bench_common::address()).with_max_collected_bytes(MAX_COLLECTED);

    let readers = hub.clone();
    app.map_get("/events", move || sse!(readers.subscribe(TOPIC).open()?));
    app.map_post("/publish", move |Text(body): Text| {
        hub.publish(TOPIC, Message::new().data(body))?;
        no_content!()
    });
    app.map_get("/firehose", |Query(Firehose { n }): Query<Firehose>| {
        sse!(stream::iter((0..n).map(|counter| Message::new().json(Tick::new(counter)))))
    });
    app.map_get("/plaintext", || HELLO);
    app.map_get("/large", || LARGE);
    app.map_get("/built", || Bytes::from(bench_common::built()));
    app.map_post("/collect", |body: Bytes| ok!("{}", body.len()));
    app.map_get("/json", || ok!(json: Greeting::HELLO));
    app.map_get("/users/{id}", |id: u64| ok!("user {id}"));

    app.run().await
}
