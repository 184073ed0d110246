//! The laboratory's server, on Volga, as a user would write it.

use bench_common::{CHANNEL, Greeting, HELLO, LARGE, MAX_COLLECTED, Tick};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::{self, Receiver};
use volga::{
    App, Query, Text,
    error::Error,
    http::{
        Bytes,
        sse::{Hub, Message},
        ws::{self, Utf8Bytes, WebSocket},
    },
    no_content, ok, sse,
    tls::Tls,
};

/// The topic that all clients read.
const TOPIC: &str = "events";
/// The topic of the clients with a WebSocket.
const SOCKETS: &str = "sockets";

#[derive(Deserialize)]
struct Firehose {
    n: u64,
}

fn main() -> std::io::Result<()> {
    bench_common::run(serve_all())
}

async fn serve_all() -> std::io::Result<()> {
    let hub = Hub::new();
    let mut app = App::new().with_max_collected_bytes(MAX_COLLECTED);
    app = match bench_common::tls() {
        None => app.bind(bench_common::address()),
        Some(tls) => {
            let app = app
                .bind(tls.address)
                .bind_plain(bench_common::address())
                .with_tls(Tls::pem_files(tls.certificate, tls.key));
            if tls.has_http3 { app.with_http3() } else { app }
        }
    };
    map_web_sockets(&mut app, &hub);

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

/// Maps an echo, and two ways to send each message to all clients: by the hub, and by a channel of
/// tokio as in the other servers.
fn map_web_sockets(app: &mut App, hub: &Hub) {
    app.map_ws("/ws/echo", async |mut socket: WebSocket| {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    });

    let readers = hub.clone();
    app.map_ws("/ws/events", move |socket: WebSocket| {
        let subscription = readers.subscribe(SOCKETS).open();
        async move {
            let (mut sink, _stream) = socket.split();
            ws::forward(&mut sink, &mut subscription?).await;
            Ok::<(), Error>(())
        }
    });
    let hub = hub.clone();
    app.map_post("/ws/publish", move |Text(body): Text| {
        hub.publish(SOCKETS, Message::new().data(body))?;
        no_content!()
    });

    let channel = broadcast::Sender::<Utf8Bytes>::new(CHANNEL);
    let readers = channel.clone();
    app.map_ws("/ws/channel", move |socket: WebSocket| send_all(socket, readers.subscribe()));
    app.map_post("/ws/publish-channel", move |Text(body): Text| {
        // An error means that nothing listens any more, which is not a fault.
        let _ = channel.send(body.into());
        no_content!()
    });
}

async fn send_all(mut socket: WebSocket, mut messages: Receiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Ok(text) = message else { break };
                if socket.send(text).await.is_err() {
                    break;
                }
            }
            received = socket.recv() => {
                if received.is_none() {
                    break;
                }
            }
        }
    }
}
