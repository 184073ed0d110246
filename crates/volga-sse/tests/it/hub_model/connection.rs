//! How a client of the model reads: deliveries, or the bytes of a response body.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use http_body::Body;
use volga_sse::{
    Heartbeat, Position, Sse, SseBody,
    hub::{Delivery, Subscription, SubscriptionEnd},
};

/// What a client receives.
#[derive(Debug)]
pub(crate) enum Received {
    Message {
        position: Position,
        bytes: Vec<u8>,
    },
    Gap {
        after: Option<Position>,
        through: Position,
        is_id: bool,
        has_snapshot: bool,
    },
    /// A value without an ID.
    Value {
        bytes: Vec<u8>,
    },
    /// The reason, if the connection shows it.
    End(Option<SubscriptionEnd>),
}

pub(crate) enum Connection {
    Deliveries(Subscription),
    Body {
        body: Pin<Box<SseBody<Subscription>>>,
        /// The events of the last frame that were not returned yet.
        frame: VecDeque<Received>,
    },
}

impl Connection {
    pub(crate) fn deliveries(subscription: Subscription) -> Self {
        Self::Deliveries(subscription)
    }

    pub(crate) fn body(subscription: Subscription) -> Self {
        let sse = Sse::new(subscription).without_retry().heartbeat(Heartbeat::off());
        let body = Box::pin(sse.into_response().into_body());
        Self::Body { body, frame: VecDeque::new() }
    }

    /// The next event, if one is ready.
    pub(crate) fn next(&mut self) -> Option<Received> {
        match self {
            Self::Deliveries(subscription) => Some(match subscription.next().now_or_never()? {
                Some(Delivery::Message(message)) => {
                    let next = received(message.as_bytes());
                    if let Received::Message { position, .. } = next {
                        assert_eq!(message.position(), Some(position));
                    }
                    next
                }
                Some(gap) => received(gap.encode().expect("valid").as_bytes()),
                None => Received::End(Some(subscription.end().expect("a reason"))),
            }),
            Self::Body { body, frame } => {
                // A frame may have nothing but the farewell.
                while frame.is_empty() {
                    let mut cx = Context::from_waker(Waker::noop());
                    match body.as_mut().poll_frame(&mut cx) {
                        Poll::Pending => return None,
                        Poll::Ready(None) => return Some(Received::End(None)),
                        Poll::Ready(Some(next)) => {
                            let bytes = next.expect("no error").into_data().expect("data");
                            frame.extend(events(&bytes).map(received));
                        }
                    }
                }
                frame.pop_front()
            }
        }
    }

    /// Drops the events of the last frame, because a client that leaves does not read what is on
    /// its way.
    pub(crate) fn drop_frame(&mut self) {
        if let Self::Body { frame, .. } = self {
            frame.clear();
        }
    }
}

/// The events of a frame, each with its blank line.
fn events(mut frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = frame.windows(2).position(|two| two == b"\n\n")? + 2;
        let (event, rest) = frame.split_at(end);
        frame = rest;
        Some(event)
    })
}

fn received(event: &[u8]) -> Received {
    let text = std::str::from_utf8(event).expect("UTF-8");
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let id = field("id: ").map(|id| id.parse().expect("a position"));
    if field("event: ") != Some("gap") {
        return match id {
            Some(position) => Received::Message { position, bytes: event.into() },
            None => Received::Value { bytes: event.into() },
        };
    }
    let gap: serde_json::Value =
        serde_json::from_str(field("data: ").expect("data")).expect("JSON");
    let end = |name: &str| gap[name].as_str().map(|end| end.parse().expect("a position"));
    let through = end("through").expect("an end");
    assert!(id.is_none_or(|id| id == through));
    let has_snapshot = gap.get("snapshot") == Some(&true.into());
    Received::Gap { after: end("after"), through, is_id: id.is_some(), has_snapshot }
}
