//! Messages of a shared hub that wait for the ones before them. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::codec::message::MessageWithoutId;
use crate::hub::clock::Moment;
use crate::hub::relay::control::Control;
use crate::hub::topic::key_table::KeyChange;

/// The messages that came early, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct ReorderBuffer(pub(crate) BTreeMap<u64, EarlyMessage>);

/// A message that has a number and waits for the messages before it.
pub(crate) struct EarlyMessage {
    pub(crate) number: u64,
    /// The number of the message before it in the feed.
    pub(crate) after: u64,
    pub(crate) at: Moment,
    pub(crate) topic: Box<str>,
    pub(crate) key: OwnedKeyChange,
    /// `None` if this node cannot hold it.
    pub(crate) message: Option<MessageWithoutId>,
    /// The content, if this is a message between hubs.
    pub(crate) control: Option<Box<Control>>,
}

impl fmt::Debug for EarlyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyMessage").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A [`KeyChange`] that owns its key.
#[derive(Clone, Debug)]
pub(crate) enum OwnedKeyChange {
    None,
    Set(Box<str>),
    Remove(Box<str>),
}

impl OwnedKeyChange {
    pub(crate) fn new(key: KeyChange<'_>) -> Self {
        match key {
            KeyChange::None => Self::None,
            KeyChange::Set(key) => Self::Set(key.into()),
            KeyChange::Remove(key) => Self::Remove(key.into()),
        }
    }

    pub(crate) fn as_change(&self) -> KeyChange<'_> {
        match self {
            Self::None => KeyChange::None,
            Self::Set(key) => KeyChange::Set(key),
            Self::Remove(key) => KeyChange::Remove(key),
        }
    }
}
