//! Reads from the logs what comes next.
//!
//! A subscription of several topics gets the numbers and topics of its messages in order: from the
//! hub, which remembers those of its last messages, or else from a backlog, which the subscription
//! finds by looking at all of its topics once. Then it reads each message from the log of its
//! topic.

use std::ops::{ControlFlow, Range};

use crate::hub::clock::Moment;
use crate::hub::patterns::shared_pattern::RemovedNumbers;
use crate::hub::policy::PolicyKind;
use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::backlog::{Backlog, Collector};
use crate::hub::subscription::delivery::Delivery;
use crate::hub::subscription::opening::Opening;
use crate::hub::subscription::topics::{SubscribedTopics, TopicSet};
use crate::hub::topic::batch::{Batch, MAX_MESSAGES};
use crate::hub::topic::scan::{Scan, Start};
use crate::hub::topic::short_id::ShortId;
use crate::hub::topic::subscriber::SubscriptionEnd;

/// A subscription that names at most this many topics, and has no patterns, scans all of them.
const SCAN_ALL_UP_TO: usize = 4;
/// How many topics a subscription looks at in one step along the last messages of the hub.
/// Publishers wait until the step ends.
const MAX_LOOKS: usize = if cfg!(test) { 4 } else { 256 };

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
            if self.hub.last_missing() > self.subscriber.cursor() {
                self.note_rollback();
            }
            let horizon = self.hub.horizon();
            let cursor = self.subscriber.cursor();
            let (through, newcomer) = match self.opening.as_deref() {
                Some(Opening::Newcomer(start) | Opening::Unknown { start: Some(start), .. }) => {
                    (start.through, Some(start.unkeyed_after))
                }
                _ => (horizon, None),
            };
            let mut scan = Scan {
                after: cursor,
                through,
                only_latest: self.policy == PolicyKind::Latest,
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
            if let SubscribedTopics::Several(set) = &mut self.topics
                && scan.max_lag.is_some()
                && scan.through >= horizon
            {
                set.lag_checked = horizon;
            }
            // A subscription to a closed hub is never too slow, so that it delivers everything
            // before it ends.
            if scan.is_too_slow && self.subscriber.end().is_none() {
                self.subscriber.close(SubscriptionEnd::TooSlow);
                return None;
            }
            // This is read after the logs are. A missing number that is recorded later lies behind
            // everything that was read from them.
            let is_complete = self.hub.last_missing() <= cursor;
            let lost = if is_complete { 0 } else { self.hub.lost_by_all() };
            if lost > cursor {
                scan.lost = scan.lost.max(lost);
                // The topics of these messages are not known.
                if self.may_have_keys() {
                    scan.lost_of_keyed = scan.lost_of_keyed.max(lost);
                }
            }
            if let Some(gap) = self.gap(&scan, horizon, &batch) {
                if gap.has_snapshot && gap.is_known {
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
            // There are no more messages up to the end of the scan.
            self.subscriber.set_cursor(cursor.max(scan.through));
            if scan.through >= through {
                self.opening = None;
            }
        }
        None
    }

    /// If the subscription has received messages that did not last, it is told of a gap after the
    /// last one that did, and goes on after them.
    #[cold]
    fn note_rollback(&mut self) {
        let Some(shared) = self.hub.shared.clone() else { return };
        // The gap may reach further than the first rollback, so all of them are found before it.
        while let Some((after, lost)) =
            shared.find_rollback(self.subscriber.cursor(), |name| self.topics.has_name(name))
        {
            self.drop_backlog();
            self.subscriber.set_cursor(lost);
            // A gap that it has not been told of yet becomes part of this one.
            let opening = match self.opening.as_deref() {
                Some(Opening::Unknown { start, .. }) => Opening::Unknown { lost, start: *start },
                Some(Opening::Returning { after: before, .. }) => {
                    Opening::Returning { after: after.min(*before), lost }
                }
                Some(Opening::Newcomer(_) | Opening::Snapshot { .. }) | None => {
                    Opening::Returning { after, lost }
                }
            };
            self.opening = Some(Box::new(opening));
        }
    }

    /// Reads the next values of a snapshot that follows a gap. `None` if there are no more.
    fn read_values(&mut self, mut done: u64, then: Start) -> Option<Delivery> {
        let cursor = self.subscriber.cursor();
        let mut batch = Batch::of(if self.policy == PolicyKind::Latest { 1 } else { MAX_MESSAGES });
        match &mut self.topics {
            SubscribedTopics::One(membership) => {
                let offer = |number, bytes: &_| batch.offer(ShortId::NONE, number, bytes);
                membership.topic.scan_values(done, cursor, offer);
            }
            SubscribedTopics::Several(set) => {
                while done < cursor && batch.first_number().is_none() {
                    let mut backlog =
                        set.backlog.take().unwrap_or_else(|| set.values(&self.hub, done, cursor));
                    while !batch.is_full()
                        && let Some((number, topic)) = backlog.pop()
                    {
                        // A value that was replaced meanwhile comes later.
                        if let Some(bytes) = topic.value_at(number) {
                            batch.offer(topic.short_id(), number, &bytes);
                        }
                    }
                    done = backlog.through;
                    set.backlog = Some(backlog).filter(|backlog| !backlog.is_empty());
                }
            }
        }
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

    /// Whether there are values after a number that the client has had before.
    pub(super) fn has_values(&self, after: u64) -> bool {
        let cursor = self.subscriber.cursor();
        match &self.topics {
            SubscribedTopics::One(membership) => {
                let mut has_values = false;
                membership.topic.scan_values(after, cursor, |_, _| {
                    has_values = true;
                    false
                });
                has_values
            }
            SubscribedTopics::Several(set) => !set.values(&self.hub, after, cursor).is_empty(),
        }
    }

    /// Forgets the backlog, because it is for something else than what comes next.
    pub(super) fn drop_backlog(&mut self) {
        if let SubscribedTopics::Several(set) = &mut self.topics {
            set.backlog = None;
        }
    }

    /// Whether one of its topics is keyed, or may have been.
    pub(super) fn may_have_keys(&self) -> bool {
        let may_by_pattern = match &self.topics {
            SubscribedTopics::One(_) => false,
            SubscribedTopics::Several(set) => set.patterns_may_have_keys(&self.hub.settings),
        };
        may_by_pattern || self.topics.named().iter().any(|membership| membership.topic.is_keyed())
    }

    /// Offers to the batch what the subscription has not read yet.
    pub(super) fn scan(&mut self, scan: &mut Scan, batch: &mut Batch) {
        let reported = self.reported_through();
        match &mut self.topics {
            SubscribedTopics::One(membership) => {
                membership
                    .topic
                    .scan(scan, |number, bytes| batch.offer(ShortId::NONE, number, bytes));
            }
            SubscribedTopics::Several(set) => set.scan(&self.hub, scan, batch, reported),
        }
    }
}

impl SubscribedTopics {
    /// Whether a subscription with this cursor lags behind one of the topics by so many messages or
    /// bytes.
    pub(super) fn is_behind_by(&self, hub: &HubState, max: (usize, u64), cursor: u64) -> bool {
        match self {
            Self::One(membership) => membership.topic.is_ahead_by(max, cursor),
            Self::Several(set) => set.is_behind_by(hub, max, cursor),
        }
    }
}

impl TopicSet {
    fn scan(&mut self, hub: &HubState, scan: &mut Scan, batch: &mut Batch, reported: u64) {
        let scans_named = !self.has_patterns() && self.named().len() <= SCAN_ALL_UP_TO;
        if self.backlog.is_none()
            && !scans_named
            && scan.newcomer.is_none()
            && self.scan_recent(hub, scan, batch, reported)
        {
            return;
        }
        if !self.has_patterns() {
            for membership in self.named() {
                let topic = &membership.topic;
                topic.scan(scan, |number, bytes| batch.offer(topic.short_id(), number, bytes));
            }
            return;
        }
        let mut backlog = self.backlog.take().unwrap_or_else(|| self.find_backlog(hub, scan));
        scan.through = scan.through.min(backlog.through);
        backlog.preload(batch.room());
        while !batch.is_full()
            && let Some((number, topic)) = backlog.pop()
        {
            if number > scan.after {
                topic.scan_at(number, scan, |bytes| {
                    batch.offer(topic.short_id(), number, bytes);
                });
            }
        }
        if looks_ahead(scan, reported) {
            backlog.iter().for_each(|(number, topic)| topic.scan_at(*number, scan, |_| {}));
        }
        self.backlog = Some(backlog).filter(|backlog| !backlog.is_empty());
    }

    /// Scans the messages that the hub remembers. Returns false if it does not remember the first
    /// ones.
    fn scan_recent(
        &mut self,
        hub: &HubState,
        scan: &mut Scan,
        batch: &mut Batch,
        reported: u64,
    ) -> bool {
        let mut at = scan.after;
        let now = (at < self.opened_after()).then(|| hub.clock.now());
        // A newer value may replace a message, and a lag is known only to the log.
        let must_look = scan.only_latest || scan.max_lag.is_some();
        while at < scan.through && (!batch.is_full() || looks_ahead(scan, reported)) {
            let looks_ahead = looks_ahead(scan, reported);
            let taken = match must_look {
                true => Some(at),
                false => self.take_recent(hub, scan, batch, (at, looks_ahead), now),
            };
            let next = match taken {
                Some(through) if through == at => {
                    self.look_at_recent(hub, scan, batch, (at, reported), now)
                }
                taken => taken,
            };
            let Some(next) = next else {
                let has_messages = batch.first_number().is_some();
                if has_messages {
                    scan.through = at;
                }
                return has_messages;
            };
            at = next;
        }
        true
    }

    /// Takes messages after a number from the list of those that the hub remembers, up to the first
    /// one that needs a look at its topic. Returns the last number before that. `None` if the hub
    /// does not remember the first ones.
    ///
    /// A message that the list still has was not lost, so its topic has nothing to add.
    fn take_recent(
        &mut self,
        hub: &HubState,
        scan: &Scan,
        batch: &mut Batch,
        (at, looks_ahead): (u64, bool),
        now: Option<Moment>,
    ) -> Option<u64> {
        let (mask, bounds) = (self.mask_after(at), &hub.settings.bounds);
        let mut looks = MAX_LOOKS;
        hub.visit_recent(at, scan.through, |number, message, sets| {
            if batch.is_full() && !looks_ahead {
                return ControlFlow::Break(());
            }
            if !message.has_any(mask) {
                return ControlFlow::Continue(());
            }
            let known = self.gets(number, message);
            let learned = known.or_else(|| self.learn(number, message, sets));
            let gets = learned.or_else(|| {
                looks = looks.checked_sub(1)?;
                self.look(number, message)
            });
            match (gets, message.bytes()) {
                (Some(false), _) => {}
                (Some(true), Some(bytes)) => {
                    // A client that resumes does not get messages that are too old.
                    if now.is_some_and(|now| message.may_have_expired(now, bounds)) {
                        return ControlFlow::Break(());
                    }
                    if !batch.is_full() {
                        batch.offer(message.topic_id(), number, bytes);
                    }
                }
                (Some(true), None) | (None, _) => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        })
    }

    /// Looks at the topics of some messages after a number that the hub remembers. Returns the last
    /// number of these. `None` if the hub does not remember the first ones.
    fn look_at_recent(
        &mut self,
        hub: &HubState,
        scan: &mut Scan,
        batch: &mut Batch,
        (at, reported): (u64, u64),
        now: Option<Moment>,
    ) -> Option<u64> {
        let room = if batch.is_full() { MAX_MESSAGES } else { batch.room() };
        let found = hub.find_recent(at, scan.through, self.mask_after(at), room)?;
        let through = found.through;
        for (number, topic) in found.into_messages() {
            #[cfg(test)]
            crate::hub::work_counts::note_look();
            if batch.is_full() && !looks_ahead(scan, reported) {
                break;
            }
            if !self.has_found(&topic, hub) {
                continue;
            }
            if let Some(now) = now
                && topic.has_expired(number, now, &hub.settings.bounds)
            {
                hub.expire(&topic, now);
            }
            topic.scan_at(number, scan, |bytes| {
                if !batch.is_full() {
                    batch.offer(topic.short_id(), number, bytes);
                }
            });
        }
        Some(through)
    }

    /// Finds unread messages by looking at all topics, up to the first message that the hub
    /// remembers.
    fn find_backlog(&self, hub: &HubState, scan: &mut Scan) -> Backlog {
        let first = hub.first_recent();
        if scan.newcomer.is_none() && first > scan.after + 1 {
            scan.through = scan.through.min(first - 1);
        }
        let lost_by_all = hub.lost_by_all();
        let now = hub.clock.now();
        let mut collector = Collector::through(scan.through);
        self.walk(hub, |topic| {
            hub.expire(topic, now);
            if scan.newcomer.is_none() && !self.names(topic) {
                let last = topic.earlier.known;
                let last_of_keyed = if topic.is_keyed() { last } else { 0 };
                let earlier = RemovedNumbers { last, last_of_keyed, message: 0 };
                scan.note_removed(earlier, scan.after, lost_by_all);
            }
            topic.scan(scan, |number, _| collector.offer(number, topic));
        });
        if scan.newcomer.is_none() {
            let before = hub.removed_before(scan.after, &self.shared_patterns(), || {
                self.patterns_may_have_keys(&hub.settings)
            });
            // This is read after the walk. A topic that the walk has not found because it was
            // removed meanwhile is included.
            scan.note_removed(before.max(self.removed_since(hub)), scan.after, lost_by_all);
        }
        collector.finish()
    }

    /// Finds the values of keys after one number and up to another.
    fn values(&self, hub: &HubState, after: u64, through: u64) -> Backlog {
        let mut collector = Collector::through(through);
        self.walk(hub, |topic| {
            topic.scan_values(after, through, |number, _| collector.offer(number, topic));
        });
        collector.finish()
    }

    fn is_behind_by(&self, hub: &HubState, max: (usize, u64), cursor: u64) -> bool {
        if self.named().iter().any(|membership| membership.topic.is_ahead_by(max, cursor)) {
            return true;
        }
        if !self.has_patterns() {
            return false;
        }
        let recent = self.is_behind_recent_by(hub, cursor..hub.horizon(), max, cursor);
        recent.unwrap_or_else(|| self.is_far_behind_by(hub, max, cursor))
    }

    /// The same, but looks only at messages that have come since the last check. The lag behind all
    /// others becomes smaller while the subscription reads on.
    pub(super) fn is_newly_behind_by(
        &mut self,
        hub: &HubState,
        max: (usize, u64),
        cursor: u64,
    ) -> bool {
        let horizon = hub.horizon();
        let checked = std::mem::replace(&mut self.lag_checked, horizon).max(cursor);
        let recent = self.is_behind_recent_by(hub, checked..horizon, max, cursor);
        recent.unwrap_or_else(|| self.is_behind_by(hub, max, cursor))
    }

    /// The same for the topics of the messages after one number and up to another. `None` if the
    /// hub does not remember all of these messages.
    fn is_behind_recent_by(
        &self,
        hub: &HubState,
        range: Range<u64>,
        max: (usize, u64),
        cursor: u64,
    ) -> Option<bool> {
        let (mut at, horizon) = (range.start, range.end);
        while at < horizon {
            let found = hub.find_recent(at, horizon, self.mask_after(at), MAX_MESSAGES)?;
            let is_ahead = |topic: &_| self.has(topic, hub) && topic.is_ahead_by(max, cursor);
            if found.messages().any(|(_, topic)| is_ahead(topic)) {
                return Some(true);
            }
            at = found.through;
        }
        Some(false)
    }

    /// The same for a subscription that is further behind than the hub remembers messages. It looks
    /// at all topics, and at what is known of removed ones.
    fn is_far_behind_by(&self, hub: &HubState, max: (usize, u64), cursor: u64) -> bool {
        let seen = cursor.max(hub.lost_by_all());
        let mut is_behind = false;
        self.walk(hub, |topic| {
            is_behind |= topic.is_ahead_by(max, cursor);
        });
        is_behind || self.removed_since(hub).message > seen
    }
}

/// Whether a scan looks at the messages after those that it takes. If some are lost, one gap covers
/// what all topics have lost so far. And a subscription that ends if it lags must know the lag
/// behind each topic.
fn looks_ahead(scan: &Scan, reported: u64) -> bool {
    scan.max_lag.is_some()
        || scan.lost > scan.after.max(reported)
        || scan.lost_of_keyed > scan.after
}
