//! Server-sent events for any Rust server: messages that arrive as they were meant or are refused,
//! one response body that carries them, and a decoder that reads what anybody sends.
//!
//! ```
//! # #[cfg(feature = "body")] {
//! use futures_util::stream;
//! use volga_sse::{Message, Sse};
//!
//! let ticks = stream::iter(1..=3).map(|n| Message::new().event("tick").data(n.to_string()));
//! # use futures_util::StreamExt;
//! let response = Sse::new(ticks).into_response();
//! assert_eq!(response.headers()["content-type"], "text/event-stream");
//! # }
//! ```
//!
//! The response is an ordinary [`http::Response`] with an [`http_body::Body`]: hyper, axum and
//! whatever else speaks those types takes it as it is. The words are those of the [HTML
//! standard](https://html.spec.whatwg.org/multipage/server-sent-events.html): an application sends
//! a [`Message`], a client receives an event.
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | none | yes | the codec: [`Message`], [`EncodedMessage`], [`EventName`], [`EventId`], [`Position`]; [`Decoder`], [`Event`], [`reconnect`]. No runtime, no `http` |
//! | `body` | yes | [`Sse`] and [`SseBody`]: a stream of messages as a response body; [`EventStream`]: a body as a stream of events; [`LastEventId`]; [`StreamLimit`] |
//! | `hub` | no | [`hub`]: topics with a bounded log each, subscriptions that resume, gaps that are told |
//! | `metrics` | no | `HubStats::record`: the numbers of a hub for the recorder of the `metrics` crate |
//! | `json` | yes | [`Message::json`] |
//! | `macros` | no | [`sse_stream!`]: a stream written as a block with `yield` and `?` |
//! | `answers` | no | [`Answers`]: producers that outlive their connection, and clients that attach to them by a token. Needs a tokio runtime |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod codec;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "json")]
mod pool;
#[cfg(feature = "answers")]
mod replies;
#[cfg(any(feature = "body", feature = "macros"))]
mod stream;

pub use client::reconnect;
#[cfg(feature = "json")]
pub use codec::error::JsonError;
pub use codec::{
    decode::{DEFAULT_MAX_EVENT, DEFAULT_MAX_ID, DEFAULT_MAX_LINE, DecodeError, Decoder},
    encode::EncodedMessage,
    error::{EncodeError, Field},
    event::{Event, EventRef},
    field::{EventId, EventName},
    message::Message,
    position::{Position, PositionError},
};

#[cfg(feature = "body")]
pub use client::last_event_id::{
    DEFAULT_LAST_EVENT_ID_PARAMETER, DEFAULT_MAX_LAST_EVENT_ID, LastEventId, LastEventIdError,
    LastEventIdSource,
};
#[cfg(feature = "body")]
pub use codec::decode::{EventStream, ReadError, ReaderBody};
#[cfg(feature = "answers")]
pub use replies::{
    Abandoned, AnswerEnd, AnswerError, AnswerMessages, Answers, AnswersBuilder, AnswersFacts,
    Attached, Attachment, Claim, ClaimError, DEFAULT_FIRST_CLIENT, DEFAULT_GRACE, DEFAULT_KEEP,
    DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_ANSWERS, DEFAULT_MAX_TOTAL_ANSWER_BYTES, NewAnswer,
    StartError, Token, TokenError,
};
#[cfg(feature = "macros")]
pub use stream::generate::{Generate, Yielder, generate};
#[cfg(feature = "body")]
pub use stream::{
    body::{BoxError, SseBody},
    close::{CloseGroup, CloseHandle, EndReason, StreamEnd, StreamKind},
    frame::{DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES},
    heartbeat::{DEFAULT_HEARTBEAT, Heartbeat},
    item::SseItem,
    limit::{DEFAULT_MAX_OPEN_STREAMS, LimitCounts, Permit, StreamLimit},
    refusal::{DEFAULT_RETRY_AFTER, DEFAULT_RETRY_AFTER_SPREAD, ReachedLimit, Refusal, Refused},
    response::{DEFAULT_RETRY, IntoSse, Sse},
    source::SseSource,
    spread::DEFAULT_FAREWELL_SPREAD,
};

/// What the macros of this crate expand to. Not a public interface.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use volga_macros::yields;
}
