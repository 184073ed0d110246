//! A pattern and its readers.

use std::sync::Arc;

use crate::hub::patterns::sleeper_count::SleeperCount;
use crate::hub::sync::{AtomicU64, Ordering};
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
    /// The first version of the hub's patterns that has it.
    pub(crate) version: u64,
    /// The topics that the hub had removed and forgotten when the pattern came had no greater
    /// numbers.
    forgotten: u64,
    removed: RemovedSince,
    /// `None` for `>`, which every search finds first.
    sleepers: Option<Arc<SleeperCount>>,
    pub(crate) readers: WaitList,
}

/// The greatest numbers of topics that were removed, or zero. A reader that has read up to them has
/// missed nothing by the removals.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RemovedNumbers {
    pub(crate) last: u64,
    /// The same for keyed topics alone.
    pub(crate) last_of_keyed: u64,
    /// The number of the last message. If keys of a topic had values, its removal has a greater
    /// number of its own.
    pub(crate) message: u64,
}

/// The numbers of the matching topics that were removed since the pattern came.
#[derive(Debug, Default)]
struct RemovedSince {
    last: AtomicU64,
    last_of_keyed: AtomicU64,
    message: AtomicU64,
}

impl RemovedNumbers {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            last: self.last.max(other.last),
            last_of_keyed: self.last_of_keyed.max(other.last_of_keyed),
            message: self.message.max(other.message),
        }
    }
}

/// The entry of a subscription among the readers of a pattern.
#[derive(Clone, Debug)]
pub(crate) struct PatternMembership {
    pub(crate) pattern: Arc<SharedPattern>,
    handle: u32,
}

impl HasReaders for SharedPattern {
    fn readers(&self) -> &WaitList {
        &self.readers
    }

    fn sleeper_count(&self) -> Option<&SleeperCount> {
        self.sleepers.as_deref()
    }
}

impl SharedPattern {
    pub(crate) fn new(id: u32, pattern: Pattern, since: u64, version: u64, forgotten: u64) -> Self {
        let (removed, readers) = (RemovedSince::default(), WaitList::default());
        Self { id, pattern, since, version, forgotten, removed, sleepers: None, readers }
    }

    /// With the count of its place in the tree.
    pub(crate) fn counted_by(self, sleepers: Option<Arc<SleeperCount>>) -> Self {
        Self { sleepers, ..self }
    }

    /// Notes that a topic that the pattern matches was removed.
    pub(crate) fn note_removed(&self, numbers: RemovedNumbers) {
        let RemovedSince { last, last_of_keyed, message } = &self.removed;
        last.fetch_max(numbers.last, Ordering::AcqRel);
        last_of_keyed.fetch_max(numbers.last_of_keyed, Ordering::AcqRel);
        message.fetch_max(numbers.message, Ordering::AcqRel);
    }

    /// The greatest numbers of the matching topics that were removed since the pattern came.
    pub(crate) fn removed_since(&self) -> RemovedNumbers {
        let RemovedSince { last, last_of_keyed, message } = &self.removed;
        RemovedNumbers {
            last: last.load(Ordering::Acquire),
            last_of_keyed: last_of_keyed.load(Ordering::Acquire),
            message: message.load(Ordering::Acquire),
        }
    }

    /// A number that is at least as great as those of the matching topics that were removed and
    /// forgotten before the pattern came.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
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
        let handle = WaitList::join(&*pattern, subscriber, tag);
        Self { pattern, handle }
    }

    /// Records that the subscription sleeps. `is_set_aside` says that a publisher may have set it
    /// aside.
    pub(crate) fn sleep(&self, is_set_aside: bool) {
        WaitList::sleep(&*self.pattern, self.handle, is_set_aside);
    }

    /// Removes the subscription. Returns the pattern, and whether this was its last reader.
    pub(crate) fn leave(self) -> (Arc<SharedPattern>, bool) {
        let (_, was_last) = self.pattern.readers.leave(self.handle);
        if was_last {
            // The readers that were asleep count no more.
            WaitList::take_sleepers(&*self.pattern);
        }
        (self.pattern, was_last)
    }
}
