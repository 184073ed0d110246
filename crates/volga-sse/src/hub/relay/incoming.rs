//! The messages and values that a feed takes.

use std::time::SystemTime;

use crate::codec::position::Position;
use crate::hub::topic::key_table::KeyChange;

/// A message that comes in from an engine.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Where the message is in the engine's log. The first message of an epoch has number 1.
    pub position: Position,
    /// The position of the message before it in this feed. `None` if the engine numbers densely, so
    /// that the message before it has the number before.
    pub after: Option<Position>,
    /// When the engine appended the message, by the engine's clock. So all nodes hold messages for
    /// the same time. `None` stands for now.
    pub at: Option<SystemTime>,
    /// The name of its topic.
    pub topic: &'a [u8],
    /// The change that the message makes to the keys of its topic.
    pub key: KeyChange<'a>,
    /// The bytes of [`Append::payload`](crate::hub::Append::payload).
    pub payload: &'a [u8],
}

/// The newest message of a key of a keyed topic, for
/// [`Feed::snapshot`](crate::hub::Feed::snapshot).
#[derive(Clone, Copy, Debug)]
pub struct SnapshotEntry<'a> {
    /// The key.
    pub key: &'a str,
    /// Where the message is in the engine's log, which may have dropped it since.
    pub position: Position,
    /// The bytes of [`Append::payload`](crate::hub::Append::payload).
    pub payload: &'a [u8],
}
