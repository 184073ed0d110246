//! The laboratory's server, on axum.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{
        Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
    serve::ListenerExt,
};
use bench_common::{CHANNEL, Greeting, HELLO, LARGE, Tick};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::broadcast,
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

type Topic = broadcast::Sender<String>;
type SocketTopic = broadcast::Sender<Utf8Bytes>;

/// The read buffer of each WebSocket. The default of 128 KiB is for large messages.
const READ_BUFFER: usize = 4096;

#[derive(Deserialize)]
struct Firehose {
    n: u64,
}

fn main() -> std::io::Result<()> {
    bench_common::run(serve_all())
}

async fn serve_all() -> std::io::Result<()> {
    let router = Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/firehose", get(firehose))
        .route("/plaintext", get(async || HELLO))
        .route("/large", get(async || LARGE))
        .route("/built", get(async || bench_common::built()))
        .route("/collect", post(async |body: Bytes| body.len().to_string()))
        .layer(DefaultBodyLimit::disable())
        .route("/json", get(async || Json(Greeting::HELLO)))
        .route("/users/{id}", get(async |Path(id): Path<u64>| format!("user {id}")))
        .with_state(Topic::new(CHANNEL))
        .merge(web_sockets());
    let listener = TcpListener::bind(bench_common::address()).await?.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let mut term = signal(SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            term.recv().await;
        })
        .await
}

async fn events(
    State(topic): State<Topic>,
) -> Sse<impl Stream<Item = Result<Event, BroadcastStreamRecvError>>> {
    let messages = BroadcastStream::new(topic.subscribe());
    Sse::new(messages.map(|data| Ok(Event::default().data(data?)))).keep_alive(KeepAlive::default())
}

async fn publish(State(topic): State<Topic>, data: String) -> StatusCode {
    // An error means that nothing listens any more, which is not a fault.
    let _ = topic.send(data);
    StatusCode::NO_CONTENT
}

async fn firehose(
    Query(Firehose { n }): Query<Firehose>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let ticks = (0..n).map(|counter| Event::default().json_data(Tick::new(counter)));
    Sse::new(stream::iter(ticks)).keep_alive(KeepAlive::default())
}

/// The laboratory asks for the messages of a hub or of a channel. Here both are a channel.
fn web_sockets() -> Router {
    Router::new()
        .route("/ws/echo", get(async |upgrade: WebSocketUpgrade| open(upgrade).on_upgrade(echo)))
        .route("/ws/events", get(socket_events))
        .route("/ws/channel", get(socket_events))
        .route("/ws/publish", post(publish_to_sockets))
        .route("/ws/publish-channel", post(publish_to_sockets))
        .with_state(SocketTopic::new(CHANNEL))
}

fn open(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.read_buffer_size(READ_BUFFER)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn socket_events(State(topic): State<SocketTopic>, upgrade: WebSocketUpgrade) -> Response {
    let mut messages = topic.subscribe();
    open(upgrade).on_upgrade(async move |mut socket| {
        loop {
            tokio::select! {
                message = messages.recv() => {
                    let Ok(text) = message else { break };
                    if socket.send(Message::Text(text)).await.is_err() {
                        break;
                    }
                }
                received = socket.recv() => {
                    if !matches!(received, Some(Ok(_))) {
                        break;
                    }
                }
            }
        }
    })
}

async fn publish_to_sockets(State(topic): State<SocketTopic>, data: String) -> StatusCode {
    // An error means that nothing listens any more, which is not a fault.
    let _ = topic.send(data.into());
    StatusCode::NO_CONTENT
}
