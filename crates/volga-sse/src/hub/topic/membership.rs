//! Joining a topic and leaving it.

use std::sync::Arc;

use crate::hub::sync::{Ordering, lock};
use crate::hub::topic::Topic;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::subscribers::SubscriberKind;

/// The entry of a subscription among the subscribers of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) topic: Arc<Topic>,
    handle: u32,
    kind: SubscriberKind,
}

impl Topic {
    /// Adds a subscription.
    pub(crate) fn join(
        self: &Arc<Self>,
        subscriber: &Arc<Subscriber>,
        kind: SubscriberKind,
    ) -> Membership {
        let mut subscribers = lock(&self.subscribers);
        let handle = subscribers.of_kind_mut(kind).insert(Arc::clone(subscriber));
        subscribers.named_others += usize::from(kind == SubscriberKind::Named);
        drop(subscribers);
        Membership { topic: Arc::clone(self), handle, kind }
    }
}

impl Membership {
    /// Removes the subscription. Returns the topic if its readership changed, that is, if this was
    /// its last subscription or its last subscription by name. The caller must then tell the
    /// registry.
    pub(crate) fn leave(self) -> Option<Arc<Topic>> {
        let mut subscribers = lock(&self.topic.subscribers);
        let before = subscribers.readership();
        let subscriber = subscribers.of_kind_mut(self.kind).remove(self.handle);
        subscribers.named_others -= usize::from(self.kind == SubscriberKind::Named);
        if self.kind == SubscriberKind::OnlyTopic {
            self.topic.delivered.fetch_add(subscriber.delivered(), Ordering::Relaxed);
        }
        let has_changed = subscribers.readership() != before;
        drop(subscribers);
        drop(subscriber);
        has_changed.then_some(self.topic)
    }
}
