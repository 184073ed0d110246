//! `Hub::send`: publishing on local and shared hubs alike.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::relay::adapter::{Append, Receipt, RelayFuture};
use crate::hub::relay::error::{RelayError, SendError};
use crate::hub::relay::payload;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::reorder_buffer::OwnedKeyChange;

/// A message that is about to be published, from [`Hub::send`](crate::hub::Hub::send). Await it.
#[must_use = "nothing is sent before it is awaited"]
pub struct SendMessage {
    hub: Arc<HubState>,
    topic: Arc<str>,
    message: Message,
    key: OwnedKeyChange,
    retry_key: Option<Arc<str>>,
}

impl SendMessage {
    pub(crate) fn new(hub: Arc<HubState>, topic: Arc<str>, message: Message) -> Self {
        Self { hub, topic, message, key: OwnedKeyChange::None, retry_key: None }
    }

    /// Makes the message the newest one of a key, as
    /// [`Hub::publish_keyed`](crate::hub::Hub::publish_keyed) does.
    pub fn key(mut self, key: &str) -> Self {
        self.key = OwnedKeyChange::Set(key.into());
        self
    }

    /// Removes a key, as [`Hub::remove_key`](crate::hub::Hub::remove_key) does.
    pub fn remove_key(mut self, key: &str) -> Self {
        self.key = OwnedKeyChange::Remove(key.into());
        self
    }

    /// Sets a key of your choice that no other message has, such as the ID of an order. If a
    /// message with this key was published within the last two minutes
    /// ([`RETRY_WINDOW`](crate::hub::RETRY_WINDOW)), the message is not published again, and you
    /// get the receipt of the first one. So you may send again what may have failed.
    pub fn retry_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.retry_key = Some(key.into());
        self
    }

    fn start(self) -> Sending {
        let Self { hub, topic, message, key, retry_key } = self;
        let Some(shared) = &hub.shared else {
            let published = match &retry_key {
                None => hub.publish(&topic, message, key.as_change()),
                Some(retry_key) => hub.publish_once(&topic, message, key.as_change(), retry_key),
            };
            let receipt = published.map(|position| Receipt::new(position, 1));
            return Sending::done(receipt.map_err(SendError::Refused));
        };
        let payload = hub.check_send(&topic, key.as_change()).and_then(|()| {
            let message = hub.prepare(message, MAX_POSITION)?;
            Ok(payload::encode(&message).into())
        });
        match payload {
            Ok(payload) => Sending::started(shared, Append { topic, key, payload, retry_key }),
            Err(error) => Sending::done(Err(SendError::Refused(error))),
        }
    }
}

/// The longest ID that a message can get. A message that is short enough with it is never refused
/// later.
const MAX_POSITION: Position = Position::new(u64::MAX, u64::MAX);

impl IntoFuture for SendMessage {
    type Output = Result<Receipt, SendError>;
    type IntoFuture = Sending;

    fn into_future(self) -> Sending {
        self.start()
    }
}

impl fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessage").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// The future of a [`SendMessage`], and of
/// [`Hub::send_close_identity`](crate::hub::Hub::send_close_identity).
#[must_use = "it is not known whether the message was published before this is awaited"]
pub struct Sending(SendStage);

enum SendStage {
    Done(Option<Result<Receipt, SendError>>),
    Appending(RelayFuture<Vec<Result<Receipt, SendError>>>),
}

impl Sending {
    pub(crate) fn done(result: Result<Receipt, SendError>) -> Self {
        Self(SendStage::Done(Some(result)))
    }

    pub(crate) fn started(shared: &SharedHub, append: Append) -> Self {
        Self(SendStage::Appending(shared.relay.append(vec![append])))
    }
}

impl Future for Sending {
    type Output = Result<Receipt, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            SendStage::Done(result) => {
                Poll::Ready(result.take().expect("a future that has finished is not polled again"))
            }
            SendStage::Appending(appending) => appending.as_mut().poll(cx).map(|results| {
                let missing = || RelayError::new("the relay returned no result for the message");
                results.into_iter().next().unwrap_or_else(|| Err(SendError::Unknown(missing())))
            }),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
