//! The subscribers of a topic.

use std::sync::Arc;

use crate::hub::slot_map::SlotMap;
use crate::hub::topic::subscriber::Subscriber;

/// The subscriptions of a topic.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    /// Those of this topic alone. They say when they sleep, so in a burst they are looked at once.
    pub(super) alone: SlotMap<Arc<Subscriber>>,
    /// Those that have other topics, or may have. To say it they would have to say it to all of
    /// these.
    pub(super) others: SlotMap<Arc<Subscriber>>,
    /// How many of these subscribe to the topic's name.
    pub(super) named_others: usize,
}

/// Among which members of a topic a subscription is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SubscriberKind {
    /// It subscribes to the name of this topic and to nothing else.
    OnlyTopic,
    /// It subscribes to the name of this topic, and to others.
    Named,
    /// A pattern of it matches.
    Pattern,
}

/// Who reads a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readership {
    None,
    /// Only subscriptions by pattern.
    ByPattern,
    /// At least one that subscribes to its name.
    Named,
}

impl Subscribers {
    pub(super) fn of_kind_mut(&mut self, kind: SubscriberKind) -> &mut SlotMap<Arc<Subscriber>> {
        match kind {
            SubscriberKind::OnlyTopic => &mut self.alone,
            SubscriberKind::Named | SubscriberKind::Pattern => &mut self.others,
        }
    }

    pub(super) fn readers(&self) -> Readership {
        match self.len() {
            0 => Readership::None,
            _ if self.alone.is_empty() && self.named_others == 0 => Readership::ByPattern,
            _ => Readership::Named,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.alone.len() + self.others.len()
    }
}
