//! The subscribers of a topic.

use std::sync::Arc;

use crate::hub::slot_map::SlotMap;
use crate::hub::topic::subscriber::Subscriber;

/// The subscriptions of a topic.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    /// Subscriptions that read only this topic. They record when they go to sleep, so the later
    /// messages of a burst need not visit them again.
    pub(super) only_topic: SlotMap<Arc<Subscriber>>,
    /// Subscriptions that read other topics as well, or may do so later. They don't record when
    /// they sleep, because they would have to record it in each of their topics.
    pub(super) others: SlotMap<Arc<Subscriber>>,
    /// How many of `others` subscribe to the topic's name.
    pub(super) named_others: usize,
}

/// How a subscription came to a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SubscriberKind {
    /// It subscribes to the name of this topic and to nothing else.
    OnlyTopic,
    /// It subscribes to the name of this topic, and to other names or patterns.
    Named,
    /// One of its patterns matches the topic.
    Pattern,
}

/// Which kinds of subscriptions read a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readership {
    None,
    /// All its subscriptions are by pattern.
    ByPattern,
    /// At least one subscription is by the topic's name.
    Named,
}

impl Subscribers {
    pub(super) fn of_kind_mut(&mut self, kind: SubscriberKind) -> &mut SlotMap<Arc<Subscriber>> {
        match kind {
            SubscriberKind::OnlyTopic => &mut self.only_topic,
            SubscriberKind::Named | SubscriberKind::Pattern => &mut self.others,
        }
    }

    pub(super) fn readership(&self) -> Readership {
        match self.len() {
            0 => Readership::None,
            _ if self.only_topic.is_empty() && self.named_others == 0 => Readership::ByPattern,
            _ => Readership::Named,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.only_topic.len() + self.others.len()
    }
}
