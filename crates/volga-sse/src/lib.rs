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

#[cfg(feature = "hub")]
pub mod hub;
pub mod reconnect;

mod decode;
mod encode;
mod error;
mod event;
mod field;
#[cfg(feature = "json")]
mod json;
mod message;
mod position;
#[cfg(feature = "json")]
mod spare;
mod wire;

#[cfg(feature = "answers")]
mod answers;
#[cfg(feature = "body")]
mod body;
#[cfg(feature = "body")]
mod close;
#[cfg(feature = "body")]
mod frame;
#[cfg(feature = "body")]
mod heartbeat;
#[cfg(feature = "body")]
mod item;
#[cfg(feature = "body")]
mod last_event_id;
#[cfg(feature = "body")]
mod limit;
#[cfg(feature = "body")]
mod refusal;
#[cfg(feature = "body")]
mod response;
#[cfg(feature = "body")]
mod schedule;
#[cfg(feature = "body")]
mod settings;
#[cfg(feature = "body")]
mod source;
#[cfg(feature = "body")]
mod spread;

#[cfg(feature = "macros")]
mod generate;

pub use decode::{DEFAULT_MAX_EVENT, DEFAULT_MAX_ID, DEFAULT_MAX_LINE, DecodeError, Decoder};
pub use encode::EncodedMessage;
#[cfg(feature = "json")]
pub use error::JsonError;
pub use error::{EncodeError, Field};
pub use event::{Event, EventRef};
pub use field::{EventId, EventName};
pub use message::Message;
pub use position::{Position, PositionError};

#[cfg(feature = "answers")]
pub use answers::{
    Abandoned, AnswerEnd, AnswerError, AnswerMessages, Answers, AnswersBuilder, AnswersFacts,
    Attached, Attachment, Claim, ClaimError, DEFAULT_FIRST_CLIENT, DEFAULT_GRACE, DEFAULT_KEEP,
    DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_ANSWERS, DEFAULT_MAX_TOTAL_ANSWER_BYTES, NewAnswer,
    StartError, Token, TokenError,
};
#[cfg(feature = "body")]
pub use body::{BoxError, SseBody};
#[cfg(feature = "body")]
pub use close::{CloseGroup, CloseHandle, EndReason, StreamEnd, StreamKind};
#[cfg(feature = "body")]
pub use decode::{EventStream, ReadError, ReaderBody};
#[cfg(feature = "body")]
pub use frame::{DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES};
#[cfg(feature = "body")]
pub use heartbeat::{DEFAULT_HEARTBEAT, Heartbeat};
#[cfg(feature = "body")]
pub use item::SseItem;
#[cfg(feature = "body")]
pub use last_event_id::{
    DEFAULT_LAST_EVENT_ID_PARAMETER, DEFAULT_MAX_LAST_EVENT_ID, LastEventId, LastEventIdError,
    LastEventIdSource,
};
#[cfg(feature = "body")]
pub use limit::{DEFAULT_MAX_OPEN_STREAMS, LimitCounts, Permit, StreamLimit};
#[cfg(feature = "body")]
pub use refusal::{
    DEFAULT_RETRY_AFTER, DEFAULT_RETRY_AFTER_SPREAD, ReachedLimit, Refusal, Refused,
};
#[cfg(feature = "body")]
pub use response::{DEFAULT_RETRY, IntoSse, Sse};
#[cfg(feature = "body")]
pub use source::SseSource;
#[cfg(feature = "body")]
pub use spread::DEFAULT_FAREWELL_SPREAD;

#[cfg(feature = "macros")]
pub use generate::{Generate, Yielder, generate};

/// What the macros of this crate expand to. Not a public interface.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use volga_macros::yields;
}
