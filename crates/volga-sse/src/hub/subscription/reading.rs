//! Reads from the logs what comes next.

use crate::hub::policy::Policy;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::subscription::opening::{Opening, Start};
use crate::hub::topic::batch::{Batch, MAX_MESSAGES};
use crate::hub::topic::scan::Scan;
use crate::hub::topic::subscriber::SubscriptionEnd;

/// A subscription of at most this many topics scans all of them. With more topics, it first asks
/// the hub which of them have new messages.
const SCAN_ALL_UP_TO: usize = 4;

impl Subscription {
    /// Reads from the logs until there is something to deliver, or nothing more to read.
    #[inline(never)]
    pub(super) fn read(&mut self) -> Option<Delivery> {
        while self.has_news() {
            if let Some(Opening::Snapshot { done, then }) = self.opening.as_deref().copied() {
                if let Some(value) = self.read_values(done, then) {
                    return Some(value);
                }
                continue;
            }
            let horizon = self.hub.horizon();
            self.take_new_topics();
            let cursor = self.subscriber.cursor();
            let (through, newcomer) = match self.opening.as_deref() {
                Some(Opening::Newcomer(start) | Opening::Unknown { start: Some(start), .. }) => {
                    (start.through, Some(start.unkeyed_after))
                }
                _ => (horizon, None),
            };
            let mut scan = Scan {
                topic: 0,
                after: cursor,
                through,
                only_latest: self.policy == Policy::Latest,
                newcomer,
                max_lag: self.max_lag(),
                lost: 0,
                lost_of_keyed: 0,
                is_too_slow: false,
            };
            // With `Policy::Latest` one message is read at a time, because a queued message can't
            // be replaced by a newer value anymore.
            let mut batch = Batch::of(if scan.only_latest { 1 } else { MAX_MESSAGES });
            self.scan(&mut scan, &mut batch);
            // A subscription to a closed hub is never too slow, so that it delivers everything
            // before it ends.
            if scan.is_too_slow && self.subscriber.end().is_none() {
                self.subscriber.close(SubscriptionEnd::TooSlow);
                return None;
            }
            let lost = self
                .hub
                .last_missing()
                .max(self.extras.as_ref().map_or(0, |extras| extras.removed_through));
            if lost > cursor {
                scan.lost = scan.lost.max(lost);
                // The topics of these messages are not known.
                if self.may_have_keys() {
                    scan.lost_of_keyed = scan.lost_of_keyed.max(lost);
                }
            }
            if let Some(gap) = self.gap(&scan, horizon, &batch) {
                if gap.has_snapshot && gap.after.is_some() {
                    // The snapshot replaces what was read here.
                    return Some(Delivery::Gap(gap));
                }
                let (first, mut rest) = batch.into_parts();
                rest.extend(first);
                self.queue = rest;
                return Some(Delivery::Gap(gap));
            }
            let (first, rest) = batch.into_parts();
            if let Some(first) = first {
                self.queue = rest;
                return Some(self.deliver(first));
            }
            // There are no more messages up to `through`.
            self.subscriber.set_cursor(cursor.max(through));
            self.opening = None;
        }
        None
    }

    /// Reads the next values of a snapshot that follows a gap. `None` if there are no more.
    pub(super) fn read_values(&mut self, done: u64, then: Start) -> Option<Delivery> {
        let mut batch = Batch::of(if self.policy == Policy::Latest { 1 } else { MAX_MESSAGES });
        self.scan_values(done, &mut batch);
        let last = batch.last_number();
        let (first, rest) = batch.into_parts();
        self.queue = rest;
        let next = match last {
            Some(done) => Opening::Snapshot { done, then },
            None => Opening::Newcomer(then),
        };
        self.opening = Some(Box::new(next));
        first.map(|first| self.deliver(first))
    }

    /// Offers the values that the client has had before, after a number.
    pub(super) fn scan_values(&self, after: u64, batch: &mut Batch) {
        let cursor = self.subscriber.cursor();
        for (index, membership) in self.topics.memberships().iter().enumerate() {
            membership.topic.scan_values(index, after, cursor, batch);
        }
    }

    /// Whether one of its topics is keyed, or may have been.
    pub(super) fn may_have_keys(&self) -> bool {
        let has_patterns = self.extras.as_ref().is_some_and(|extras| extras.pattern.is_some());
        has_patterns && !self.hub.settings.keyed.is_empty()
            || self.topics.memberships().iter().any(|membership| membership.topic.is_keyed())
    }

    /// Scans the topics that have new messages if the hub knows which they are and asking is worth
    /// it. Otherwise scans all topics.
    pub(super) fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let memberships = self.topics.memberships();
        let index_of =
            |id| memberships.binary_search_by_key(&id, |membership| membership.topic.id).ok();
        let changed = if memberships.len() > SCAN_ALL_UP_TO
            && scan.newcomer.is_none()
            && self.opening.is_none()
        {
            self.hub.topics_with_messages(scan.after, scan.through, index_of)
        } else {
            None
        };
        let mut scan_topic = |topic: usize| {
            scan.topic = topic;
            memberships[topic].topic.scan(scan, batch);
        };
        match changed {
            // These include every topic that dropped an unread message, since that message had a
            // number after the cursor as well.
            Some(indexes) => indexes.indexes().iter().for_each(|topic| scan_topic(*topic)),
            None => (0..memberships.len()).for_each(scan_topic),
        }
    }
}
