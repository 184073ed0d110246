//! Joining a topic and leaving it.

use std::sync::Arc;

use crate::hub::sync::{Ordering, lock};
use crate::hub::topic::Topic;
use crate::hub::topic::subscriber::Reader;
use crate::hub::topic::subscribers::Side;

/// A subscription's place among the members of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) topic: Arc<Topic>,
    handle: u32,
    side: Side,
}

impl Topic {
    /// Takes a subscription in.
    pub(crate) fn join(self: &Arc<Self>, reader: &Arc<Reader>, side: Side) -> Member {
        let mut members = lock(&self.members);
        let handle = members.side_mut(side).insert(Arc::clone(reader));
        members.named_others += usize::from(side == Side::Named);
        drop(members);
        Member { topic: Arc::clone(self), handle, side }
    }
}

impl Member {
    /// Takes the subscription out. Gives the topic if this was the last one, or the last one by
    /// name: the registry then has to hear of it.
    pub(crate) fn leave(self) -> Option<Arc<Topic>> {
        let mut members = lock(&self.topic.members);
        let before = members.readers();
        let reader = members.side_mut(self.side).remove(self.handle);
        members.named_others -= usize::from(self.side == Side::Named);
        if self.side == Side::Alone {
            self.topic.delivered.fetch_add(reader.delivered(), Ordering::Relaxed);
        }
        let has_changed = members.readers() != before;
        drop(members);
        drop(reader);
        has_changed.then_some(self.topic)
    }
}
