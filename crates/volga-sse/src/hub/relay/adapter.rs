//! `Relay`: the requests of a shared hub to the engine behind it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::position::Position;
use crate::hub::relay::control::{CONTROL_TOPIC, Control};
use crate::hub::relay::error::{RelayError, SendError};
use crate::hub::state::reorder_buffer::OwnedKeyChange;
use crate::hub::topic::key_table::KeyChange;

/// A future of a [`Relay`].
pub type RelayFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The requests of a shared hub to the engine behind it. A crate that connects an engine implements
/// this trait.
///
/// The adapter passes the messages of the engine to the hub through the
/// [`Feed`](crate::hub::Feed).
pub trait Relay: Send + Sync + 'static {
    /// Appends messages to the engine's log, in this order. Returns one result for each of them.
    ///
    /// The hub calls this once for each call of [`Hub::send`](crate::hub::Hub::send). An adapter
    /// that has a task for it can take what was sent meanwhile, and append it at once.
    ///
    /// The message reaches the subscribers of this node when it comes back by the feed, and not
    /// before. So all nodes have one order.
    ///
    /// [`SendError::NotSent`] says that the engine has surely not appended the message.
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>>;

    /// The position of the last message in the engine's log at this moment.
    ///
    /// The hub asks when a client has a position that this node has not reached. Calls do not
    /// overlap, however many clients wait.
    fn tail(&self) -> RelayFuture<Result<Position, RelayError>>;
}

/// A message that an engine is to append.
#[derive(Clone, Debug)]
pub struct Append {
    pub(crate) topic: Arc<str>,
    pub(crate) key: OwnedKeyChange,
    pub(crate) payload: Bytes,
    pub(crate) retry_key: Option<Arc<str>>,
}

impl Append {
    pub(crate) fn of_control(control: &Control) -> Self {
        Self {
            topic: CONTROL_TOPIC.into(),
            key: OwnedKeyChange::None,
            payload: control.encode().into(),
            retry_key: None,
        }
    }

    /// The topic. What the hubs of the nodes tell each other has a name that is not ASCII, which no
    /// topic has. An adapter treats it as any other message.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The change that the message makes to the keys of its topic.
    #[must_use]
    pub fn key(&self) -> KeyChange<'_> {
        self.key.as_change()
    }

    /// The message as the engine holds it, for [`Incoming::payload`](crate::hub::Incoming). It
    /// begins with a version.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// A message with the same retry key as an earlier one is not appended. Its result is the
    /// receipt of the earlier one. An engine remembers keys for at least
    /// [`RETRY_WINDOW`](crate::hub::RETRY_WINDOW).
    #[must_use]
    pub fn retry_key(&self) -> Option<&str> {
        self.retry_key.as_deref()
    }
}

/// Says that a message was published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Receipt {
    /// Where the message is in the order of the hub.
    pub position: Position,
    /// How many machines have the message. It is lost only if all of them lose it. A hub without a
    /// relay has it in the memory of this process, so this is 1.
    pub machines: u32,
}

impl Receipt {
    /// Makes a receipt.
    #[must_use]
    pub const fn new(position: Position, machines: u32) -> Self {
        Self { position, machines }
    }
}
