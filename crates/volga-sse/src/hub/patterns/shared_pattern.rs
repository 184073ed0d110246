//! A pattern and its readers.

use std::sync::Arc;

use crate::hub::topic::pattern::Pattern;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::wait_list::WaitList;
use crate::hub::topic::waves::HasReaders;

/// A pattern that all its readers share.
#[derive(Debug)]
pub(crate) struct SharedPattern {
    pub(crate) id: u32,
    pub(crate) pattern: Pattern,
    /// The last number that the hub had assigned when the pattern came.
    pub(crate) since: u64,
    pub(crate) readers: WaitList,
}

/// The entry of a subscription among the readers of a pattern.
#[derive(Debug)]
pub(crate) struct PatternMembership {
    pub(crate) pattern: Arc<SharedPattern>,
    handle: u32,
}

impl HasReaders for SharedPattern {
    fn readers(&self) -> &WaitList {
        &self.readers
    }
}

impl SharedPattern {
    pub(crate) fn new(id: u32, pattern: Pattern, since: u64) -> Self {
        Self { id, pattern, since, readers: WaitList::default() }
    }

    /// One bit that stands for the pattern, and for others.
    pub(crate) fn bit(&self) -> u64 {
        1 << (self.id % u64::BITS)
    }
}

impl PatternMembership {
    /// Adds a subscription. The tag says which of its patterns this is.
    pub(crate) fn join(
        pattern: Arc<SharedPattern>,
        subscriber: &Arc<Subscriber>,
        tag: u32,
    ) -> Self {
        let handle = pattern.readers.join(subscriber, tag);
        Self { pattern, handle }
    }

    /// Records that the subscription sleeps. `is_set_aside` says that a publisher may have set it
    /// aside.
    pub(crate) fn sleep(&self, is_set_aside: bool) {
        self.pattern.readers.sleep(self.handle, is_set_aside);
    }

    /// Removes the subscription. Returns the pattern, and whether this was its last reader.
    pub(crate) fn leave(self) -> (Arc<SharedPattern>, bool) {
        let (_, was_last) = self.pattern.readers.leave(self.handle);
        (self.pattern, was_last)
    }
}
