//! Server-sent events for any Rust server and client.
//!
//! - **Exact messages.** A client receives exactly the values that you set, or the message is
//!   refused with an error that names the field.
//! - **One response body** that sends the messages of any stream, with heartbeats and a proper end.
//! - **A decoder** that reads the events of any server, within limits.
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
//! The response is an ordinary [`http::Response`] with an [`http_body::Body`]. hyper, axum and
//! other servers that use these types take it as it is. The terms are those of the [HTML
//! standard](https://html.spec.whatwg.org/multipage/server-sent-events.html): an application sends
//! a [`Message`], and a client receives an [`Event`].
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | (no feature) | yes | the codec: [`Message`], [`EncodedMessage`], [`EventName`], [`EventId`], [`Position`]; [`Decoder`], [`Event`], [`reconnect`]. No runtime, no `http` |
//! | `body` | yes | [`Sse`] and [`SseBody`]: a stream of messages as a response body; [`EventStream`]: a body as a stream of events; [`LastEventId`]; [`StreamLimit`] |
//! | `axum` | no | [`axum`]: an [`Sse`] and the hub's errors as responses of axum, [`axum::Resume`] as an extractor, [`CloseGroup`] as a layer |
//! | `hub` | no | [`hub`]: topics with a bounded log each, subscriptions that resume and report gaps |
//! | `metrics` | no | `HubStats::record`: the numbers of a hub for the recorder of the `metrics` crate |
//! | `json` | yes | [`Message::json`] |
//! | `macros` | no | [`sse_stream!`]: a stream written as a block with `yield` and `?` |
//! | `replies` | no | [`Replies`]: producers that outlive their connection, and clients that attach to them by a token. Needs a tokio runtime |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "body")]
mod box_error;
mod client;
mod codec;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "json")]
mod pool;
#[cfg(feature = "replies")]
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
    field::{EventId, EventName, MAX_EVENT_ID},
    message::Message,
    position::{Position, PositionError},
};

#[cfg(feature = "body")]
pub use box_error::BoxError;
#[cfg(feature = "body")]
pub use client::last_event_id::{
    DEFAULT_LAST_EVENT_ID_PARAMETER, DEFAULT_MAX_LAST_EVENT_ID, LastEventId, LastEventIdError,
    LastEventIdSource,
};
#[cfg(feature = "body")]
pub use codec::decode::{EventStream, ReadError, ReaderBody};
#[cfg(feature = "replies")]
pub use replies::{
    attachment::{AttachOutcome, Attachment, ReplyMessages},
    claim::{NewReply, ReplyClaim},
    counts::RepliesCounts,
    end::ReplyEnd,
    error::{ClaimError, ReplyError, StartError},
    handle::Replies,
    lifecycle::AbandonPolicy,
    settings::{
        DEFAULT_ABANDON_GRACE, DEFAULT_FIRST_CLIENT_TIMEOUT, DEFAULT_MAX_REPLIES,
        DEFAULT_MAX_REPLY_BYTES, DEFAULT_MAX_TOTAL_REPLY_BYTES, DEFAULT_REPLY_RETENTION,
        RepliesBuilder,
    },
    token::{ReplyToken, ReplyTokenError},
};
#[cfg(feature = "macros")]
pub use stream::generate::{GeneratedStream, Yielder, generate};
#[cfg(feature = "body")]
pub use stream::{
    body::SseBody,
    close::{CloseGroup, CloseHandle, EndReason, StreamEnd, StreamKind},
    frame::{DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES},
    heartbeat::{DEFAULT_HEARTBEAT, Heartbeat},
    item::SseItem,
    limit::{DEFAULT_MAX_OPEN_STREAMS, LimitCounts, Permit, StreamLimit},
    refusal::{
        DEFAULT_RETRY_AFTER, DEFAULT_RETRY_AFTER_SPREAD, ReachedLimit, RefusalResponse,
        StreamLimitError,
    },
    response::{IntoSse, Sse},
    settings::{DEFAULT_MAX_CLOSING_BYTES, DEFAULT_MAX_CLOSING_TIME, DEFAULT_RETRY},
    source::SseSource,
    spread::DEFAULT_FAREWELL_SPREAD,
};

/// For the expansions of this crate's macros, and for other crates of the workspace. Not a public
/// interface.
#[cfg(any(feature = "json", feature = "macros"))]
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "macros")]
    pub use volga_macros::yields;

    #[cfg(feature = "json")]
    pub use crate::codec::json::to_json;
}
