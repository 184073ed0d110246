//! Event streams of their own, without a hub.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::time::interval;
use tokio_stream::wrappers::IntervalStream;
use volga_sse::{Message, Sse, StreamLimit, StreamLimitError};

/// How many streams with names of their own may be open at the same time, in total and for each
/// name.
const MAX_NAMED: usize = 1_000;
pub(crate) const MAX_PER_NAME: usize = 8;

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/events/{event}/{prefix}", get(named_events))
        .with_state(StreamLimit::new(MAX_NAMED).with_max_per_key(MAX_PER_NAME))
}

// [guide]
#[derive(Serialize)]
struct Tick {
    seconds: usize,
}

/// Sends a tick at once and then every second.
async fn events() -> impl IntoResponse {
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    Sse::new(ticks.enumerate().map(|(seconds, _)| {
        Message::new().event("tick").id(seconds.to_string()).json(Tick { seconds })
    }))
}
// [guide]

/// Sends the same ticks, but the client chooses the name of the events and the prefix of their IDs.
///
/// The client is not trusted: a line break in either of them would start a field that the client
/// has written, so encoding such a message fails and the stream ends.
///
/// The number of such streams is not known in advance, so there is a limit. A stream counts until
/// it ends.
pub(crate) async fn named_events(
    State(limit): State<StreamLimit<String>>,
    Path((event, prefix)): Path<(String, String)>,
) -> Result<Response, StreamLimitError> {
    let permit = limit.take(event.clone())?;
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    let messages = ticks.enumerate().map(move |(seconds, _)| {
        Message::new().event(&event).id(format!("{prefix}{seconds}")).json(Tick { seconds })
    });
    Ok(IntoResponse::into_response(Sse::new(messages).hold(permit)))
}
