//! Joining a topic and leaving it.

use std::sync::Arc;

use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::wait_list::WaitList;

/// The entry of a subscription among the readers of a topic that it names.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) topic: Arc<Topic>,
    handle: u32,
}

impl Topic {
    /// Adds a subscription. The tag says which of its topics this is.
    pub(crate) fn join(self: &Arc<Self>, subscriber: &Arc<Subscriber>, tag: u32) -> Membership {
        let handle = WaitList::join(&**self, subscriber, tag);
        Membership { topic: Arc::clone(self), handle }
    }
}

impl Membership {
    /// Records that the subscription sleeps. `is_set_aside` says that a publisher may have set it
    /// aside.
    pub(crate) fn sleep(&self, is_set_aside: bool) {
        WaitList::sleep(&*self.topic, self.handle, is_set_aside);
    }

    /// Removes the subscription. Returns the topic if this was its last subscription by name. The
    /// caller must then tell the registry.
    pub(crate) fn leave(&self) -> Option<Arc<Topic>> {
        let (subscriber, was_last) = self.topic.readers.leave(self.handle);
        self.topic.delivered.fetch_add(subscriber.delivered(), Ordering::Relaxed);
        was_last.then(|| Arc::clone(&self.topic))
    }
}
