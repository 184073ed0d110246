//! An axum program that serves an event stream of `volga-sse`.
//!
//! ```sh
//! cargo run -p axum-sse
//! curl -N localhost:3000/events
//! curl -N localhost:3000/events/beat/clock-
//! ```

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, State},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::{net::TcpListener, signal::ctrl_c, time::interval};
use tokio_stream::wrappers::IntervalStream;
use volga_sse::{CloseGroup, CloseHandle, Message, Sse, StreamLimit};

/// How many streams with names of their own may be open at the same time, in total and for each
/// name.
const MAX_NAMED: usize = 1_000;
const MAX_PER_NAME: usize = 8;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("axum-sse listens on http://{}/events", listener.local_addr()?);
    let streams = CloseGroup::new();
    axum::serve(listener, app(streams.clone()))
        .with_graceful_shutdown(async move {
            // If the handler for Ctrl-C cannot be installed, Ctrl-C kills the process, which also
            // ends it.
            let _ = ctrl_c().await;
            // axum waits until all responses have ended, and an event stream does not end by
            // itself.
            streams.close();
        })
        .await
}

/// The routes. Every event stream in a response joins the group.
fn app(streams: CloseGroup) -> Router {
    let join = move |response: Response| {
        if let Some(stream) = response.extensions().get::<CloseHandle>() {
            streams.add(stream);
        }
        std::future::ready(response)
    };
    Router::new()
        .route("/events", get(events))
        .route("/events/{event}/{prefix}", get(named_events))
        .layer(map_response(join))
        .with_state(StreamLimit::new(MAX_NAMED).per_key(MAX_PER_NAME))
}

// [guide]
#[derive(Serialize)]
struct Tick {
    seconds: usize,
}

/// Sends a tick at once and then every second.
async fn events() -> impl IntoResponse {
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    let messages = ticks.enumerate().map(|(seconds, _)| {
        Message::new().event("tick").id(seconds.to_string()).json(Tick { seconds })
    });
    Sse::new(messages).into_response()
}
// [guide]

/// Sends the same ticks, but the client chooses the name of the events and the prefix of their IDs.
///
/// The client is not trusted: a line break in either of them would start a field that the client
/// has written, so encoding such a message fails and the stream ends.
///
/// The number of such streams is not known in advance, so there is a limit. A stream counts until
/// it ends.
async fn named_events(
    State(limit): State<StreamLimit<String>>,
    Path((event, prefix)): Path<(String, String)>,
) -> Response {
    let permit = match limit.take(event.clone()) {
        Ok(permit) => permit,
        Err(refused) => return refused.response().into_response(),
    };
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    let messages = ticks.enumerate().map(move |(seconds, _)| {
        Message::new().event(&event).id(format!("{prefix}{seconds}")).json(Tick { seconds })
    });
    Sse::new(messages).hold(permit).into_response().into_response()
}

#[cfg(test)]
mod tests;
