//! How many messages of each topic were delivered to subscriptions that have several topics.
//!
//! The counts lie side by side instead of in their topics. A reader of many topics that is behind
//! would otherwise load the memory of a topic only to count a delivery.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::hub::topic::short_id::ShortId;

/// How many topics the first segment has. Each further segment has twice as many as the one before.
const FIRST_SEGMENT: u32 = if cfg!(test) { 64 } else { 1_024 };
/// Together they have a place for each slot.
const SEGMENTS: usize = (u32::BITS - FIRST_SEGMENT.ilog2() + 1) as usize;
/// The high bits of a count say which topic has the slot, so that a late delivery of an earlier
/// topic is not counted for a later one. The low bits are the count.
const COUNT_BITS: u32 = 48;

/// The counts of all topics, by slot.
#[derive(Debug, Default)]
pub(crate) struct DeliveredCounts {
    segments: [OnceLock<Box<[AtomicU64]>>; SEGMENTS],
    /// The next segment. Each topic of the segment before adds two counts to it. So it is complete
    /// when it is needed, and no publisher waits until a whole segment is made.
    next: Mutex<Vec<AtomicU64>>,
}

impl DeliveredCounts {
    /// Counts from zero for a new topic. Called under the hub's lock.
    pub(crate) fn begin(&self, topic: ShortId) {
        let (segment, index) = place(topic.slot);
        let counts = self.segments[segment].get_or_init(|| {
            let mut counts = std::mem::take(&mut *self.lock_next());
            grow(&mut counts, len_of(segment));
            counts.into()
        });
        counts[index].store(mark(topic.low_id), Ordering::Relaxed);
        let is_next_missing = |next: &OnceLock<_>| next.get().is_none();
        if self.segments.get(segment + 1).is_some_and(is_next_missing) {
            let mut next = self.lock_next();
            // This takes the memory at once, and writes nothing to it.
            let missing = len_of(segment + 1).saturating_sub(next.len());
            next.reserve_exact(missing);
            grow(&mut next, 2 * (index + 1));
        }
    }

    fn lock_next(&self) -> MutexGuard<'_, Vec<AtomicU64>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a delivery. Returns false if the topic was removed.
    #[inline]
    pub(crate) fn count(&self, topic: ShortId) -> bool {
        let Some(count) = self.of(topic) else { return false };
        // If the topic is removed right now, a later topic may get this one delivery.
        count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// The count of a topic. Zero if the topic was removed.
    pub(crate) fn get(&self, topic: ShortId) -> u64 {
        let count = self.of(topic).map_or(0, |count| count.load(Ordering::Relaxed));
        count & ((1 << COUNT_BITS) - 1)
    }

    /// Ends the count of a topic that is removed, and returns it. Called under the hub's lock.
    pub(crate) fn end(&self, topic: ShortId) -> u64 {
        let count = self.get(topic);
        if let Some(cell) = self.of(topic) {
            cell.store(mark(topic.low_id.wrapping_add(1)), Ordering::Relaxed);
        }
        count
    }

    fn of(&self, topic: ShortId) -> Option<&AtomicU64> {
        let (segment, index) = place(topic.slot);
        let count = &self.segments[segment].get()?[index];
        let mark_of = |count: u64| count >> COUNT_BITS << COUNT_BITS;
        (mark_of(count.load(Ordering::Relaxed)) == mark(topic.low_id)).then_some(count)
    }
}

/// How many counts a segment has.
fn len_of(segment: usize) -> usize {
    (FIRST_SEGMENT as usize) << segment
}

/// Adds counts until there are so many.
fn grow(counts: &mut Vec<AtomicU64>, len: usize) {
    #[cfg(test)]
    crate::hub::work_counts::note_work(len.saturating_sub(counts.len()));
    while counts.len() < len {
        counts.push(AtomicU64::new(0));
    }
}

/// The high bits of the count of a topic.
fn mark(low_id: u32) -> u64 {
    u64::from(low_id) << COUNT_BITS
}

/// The segment of a slot, and the index in it.
fn place(slot: u32) -> (usize, usize) {
    let at = u64::from(slot) + u64::from(FIRST_SEGMENT);
    let segment = at.ilog2() - FIRST_SEGMENT.ilog2();
    (segment as usize, (at - (u64::from(FIRST_SEGMENT) << segment)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_a_place_of_its_own() {
        let mut expect = (0, 0);
        for slot in 0..100_000 {
            assert_eq!(place(slot), expect);
            expect.1 += 1;
            if expect.1 == (FIRST_SEGMENT as usize) << expect.0 {
                expect = (expect.0 + 1, 0);
            }
        }
        assert_eq!(place(u32::MAX).0, SEGMENTS - 1);
    }

    #[test]
    fn a_new_topic_makes_a_few_counts_whatever_the_number_of_topics() {
        let counts = DeliveredCounts::default();
        let prepared = |segment: usize| match counts.segments[segment].get() {
            Some(segment) => segment.len(),
            None => counts.lock_next().len(),
        };
        for slot in 0..100_000 {
            let (segment, _) = place(slot);
            let before = (slot > 0).then(|| [prepared(segment), prepared(segment + 1)]);
            counts.begin(ShortId { slot, low_id: 7 });
            assert_eq!(prepared(segment), len_of(segment));
            if let Some([own, next]) = before {
                assert_eq!(own, len_of(segment), "made before");
                let is_first_of_segment = place(slot).1 == 0;
                let next = if is_first_of_segment { 0 } else { next };
                assert_eq!(prepared(segment + 1) - next, 2);
            }
        }
    }

    #[test]
    fn a_topic_counts_only_its_own_deliveries() {
        let counts = DeliveredCounts::default();
        for slot in [0, 1_023, 1_024, 50_000] {
            let (old, new) = (ShortId { slot, low_id: 7 }, ShortId { slot, low_id: 70_000 });
            assert!(!counts.count(old));
            counts.begin(old);
            assert!(counts.count(old) && counts.count(old) && !counts.count(new));
            assert_eq!((counts.get(old), counts.get(new)), (2, 0));
            assert_eq!(counts.end(old), 2);
            assert!(!counts.count(old));
            counts.begin(new);
            assert!(!counts.count(old) && counts.count(new));
            assert_eq!((counts.get(old), counts.get(new)), (0, 1));
        }
    }
}
