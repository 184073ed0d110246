//! A subscription: a cursor in the order of its hub, and the topics that it reads.
//!
//! | module | content |
//! |---|---|
//! | `subscribe`, `arguments` | a subscription before it opens |
//! | `opening` | how it begins |
//! | `delivery` | messages and gaps |
//! | `deliveries` | a subscription as a `Stream` |
//! | `fill_frame` | a subscription as the source of an event stream |
//! | `frame_cache` | frames that several subscriptions of one topic share |
//! | `pacer` | the shortest time between deliveries |

pub(crate) mod arguments;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(crate) mod fill_frame;
pub(crate) mod frame_cache;
pub(crate) mod opening;
pub(crate) mod pacer;
pub(crate) mod subscribe;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::codec::encode::EncodedMessage;
use crate::codec::position::Position;
use crate::hub::policy::Policy;
use crate::hub::state::hub_state::{HubState, TOPICS_AT_ONCE};
use crate::hub::subscription::delivery::{Delivery, Gap};
use crate::hub::subscription::opening::{Opening, Start, SubscriptionParts};
use crate::hub::subscription::pacer::Pacer;
use crate::hub::sync::Ordering;
use crate::hub::topic::batch::{Batch, MAX_MESSAGES, QueuedMessage};
use crate::hub::topic::inbox::TopicInbox;
use crate::hub::topic::joined_frame::JoinedFrame;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::scan::Scan;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};

/// A subscription of at most this many topics scans all of them. With more topics, it first asks
/// the hub which of them have new messages.
const SCAN_ALL_UP_TO: usize = 4;

/// A subscription to topics of a hub. [`next`](Self::next) returns its [deliveries](Delivery) one
/// by one.
///
/// You can pass it to [`Sse`](crate::stream::response::Sse) as it is. Clients of one topic that
/// need the same messages then share one frame, which is joined once. A `Stream` would have to hand
/// out the messages one by one, so a subscription is not a `Stream`;
/// [`deliveries`](Self::deliveries) turns it into one.
///
/// A subscription is a position in the logs of its topics. Apart from a few messages that are about
/// to be delivered, it holds no messages. Dropping it ends it at once.
pub struct Subscription {
    hub: Arc<HubState>,
    subscriber: Arc<Subscriber>,
    topics: SubscribedTopics,
    /// Messages that were read from the logs and are not delivered yet, in reverse order.
    queue: Vec<QueuedMessage>,
    opening: Option<Box<Opening>>,
    policy: Policy,
    /// True once the subscription had read everything. Only then may it be closed for being too
    /// slow.
    has_caught_up: bool,
    /// True while the client has no event ID yet with which it could resume, and is to get one.
    needs_first_id: bool,
    extras: Option<Box<Extras>>,
}

/// The topics of a subscription. Most subscriptions have one topic, which needs no allocation.
enum SubscribedTopics {
    One(Membership),
    /// Sorted by ID, so new topics are appended.
    #[expect(clippy::box_collection, reason = "a third of the size, and most have one topic")]
    Several(Box<Vec<Membership>>),
}

/// What only few subscriptions need.
#[derive(Default)]
struct Extras {
    /// Gaps up to here were reported although messages before it are still to be delivered.
    reported_through: u64,
    /// The greatest number of a topic that was removed before its messages were read.
    removed_through: u64,
    /// The client may not see messages up to this number.
    floor: u64,
    /// It was told of a gap with a snapshot, and has not caught up since then.
    is_overrun: bool,
    /// Its entry among the hub's pattern subscribers, and the inbox of its new topics.
    pattern: Option<(u32, Arc<TopicInbox>)>,
    identity: Option<(Arc<str>, u32)>,
    pacer: Option<Pacer>,
}

/// What a subscription has ready for an empty frame.
pub(crate) enum ReadyDelivery {
    Single(Delivery),
    Joined(JoinedFrame),
}

impl From<Delivery> for ReadyDelivery {
    fn from(delivery: Delivery) -> Self {
        Self::Single(delivery)
    }
}

impl Subscription {
    pub(crate) fn new(parts: SubscriptionParts) -> Self {
        let SubscriptionParts {
            hub,
            subscriber,
            mut memberships,
            policy,
            pace,
            opening,
            needs_first_id,
            floor,
            pattern,
            identity,
        } = parts;
        // A subscription with a pattern may get more topics.
        let topics = match memberships.pop() {
            Some(only) if memberships.is_empty() && pattern.is_none() => {
                SubscribedTopics::One(only)
            }
            last => {
                memberships.extend(last);
                SubscribedTopics::Several(Box::new(memberships))
            }
        };
        hub.counters.subscribers.fetch_add(1, Ordering::Relaxed);
        let has_extras = pattern.is_some() || identity.is_some() || !pace.is_zero() || floor > 0;
        let pacer = (!pace.is_zero()).then(|| Pacer::new(pace));
        let extras = has_extras
            .then(|| Box::new(Extras { floor, pattern, identity, pacer, ..Extras::default() }));
        Self {
            hub,
            subscriber,
            topics,
            queue: Vec::new(),
            opening: opening.map(Box::new),
            policy,
            has_caught_up: false,
            needs_first_id,
            extras,
        }
    }

    /// Waits for the next delivery of the subscribed topics.
    ///
    /// Messages arrive in the order of their positions. A [`Delivery::Gap`] tells you that a log
    /// has dropped messages which this subscription had not read. The gap covers at least what is
    /// missing, and the subscription continues with the oldest message that the log still holds.
    /// `None` means that the subscription has [ended](Self::end).
    ///
    /// If the client is new and there is no message for it yet, the first delivery is a message
    /// that has an ID and nothing else, unless
    /// [`without_first_id`](crate::hub::Subscribe::without_first_id) leaves it out. Browsers
    /// dispatch no event for it but remember the ID. Without this ID, a client that loses its
    /// connection before its first message would return as a new client, and would silently miss
    /// what was published in between.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_delivery(cx)).await
    }

    /// The position up to which everything was delivered or reported as a gap. A client that has
    /// received all deliveries so far would resume from here.
    #[must_use]
    pub fn position(&self) -> Position {
        self.hub.position(self.subscriber.cursor())
    }

    /// Why the subscription ended. `None` if it is open.
    #[must_use]
    pub fn end(&self) -> Option<SubscriptionEnd> {
        self.subscriber.end().or_else(|| {
            // It may be too slow already although it was not polled since.
            let (max, cursor) = (self.max_lag()?, self.subscriber.cursor());
            let is_ahead = |membership: &Membership| membership.topic.is_ahead_by(max, cursor);
            let is_too_slow = self.topics.memberships().iter().any(is_ahead);
            is_too_slow.then_some(SubscriptionEnd::TooSlow)
        })
    }

    pub(crate) fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_with(cx, Self::next_delivery)
    }

    #[inline(always)]
    fn next_delivery(&mut self) -> Option<Delivery> {
        // Messages that were read earlier hide how far the subscription lags.
        if matches!(self.policy, Policy::Close { .. }) && self.close_if_too_slow() {
            return None;
        }
        self.pop_queued().or_else(|| self.read())
    }

    /// Ends a subscription whose queue hides that it lags too far. Returns whether it did.
    fn close_if_too_slow(&self) -> bool {
        // Without a queue, reading finds out.
        let is_too_slow = !self.queue.is_empty()
            && self.subscriber.end().is_none()
            && self.queue.last().is_some_and(|next| {
                let topic = &self.topics.memberships()[next.topic].topic;
                self.max_lag().is_some_and(|max| topic.is_ahead_by(max, self.subscriber.cursor()))
            });
        if is_too_slow {
            self.subscriber.close(SubscriptionEnd::TooSlow);
        }
        is_too_slow
    }

    /// Polls for a joined frame with all messages that are ready, or else for the next delivery.
    /// For a body whose frame is empty.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<ReadyDelivery>> {
        self.poll_with(cx, |this| {
            this.joined_frame()
                .map(ReadyDelivery::Joined)
                .or_else(|| this.next_delivery().map(ReadyDelivery::Single))
        })
    }

    /// Polls until `next` returns something.
    #[inline(always)]
    fn poll_with<T: From<Delivery>>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl Fn(&mut Self) -> Option<T>,
    ) -> Poll<Option<T>> {
        loop {
            // This is read before the logs are. So everything that was published before the hub
            // closed is found in the logs below.
            let end = self.subscriber.end();
            if end.is_some_and(|end| end != SubscriptionEnd::HubClosed) {
                self.queue = Vec::new();
                return Poll::Ready(None);
            }
            if let (None, Some(pacer)) = (end, self.pacer()) {
                ready!(pacer.poll_open(cx));
            }
            if let Some(ready) = next(self) {
                self.needs_first_id = false;
                self.pacer().into_iter().for_each(Pacer::note_delivery);
                return Poll::Ready(Some(ready));
            }
            if end.is_some() {
                return Poll::Ready(None);
            }
            if self.pacer().is_some_and(Pacer::start_window) {
                continue;
            }
            self.has_caught_up = true;
            if let Some(extras) = &mut self.extras {
                extras.is_overrun = false;
            }
            if std::mem::take(&mut self.needs_first_id) {
                return Poll::Ready(Some(self.position_message().into()));
            }
            self.subscriber.park(cx.waker());
            if let SubscribedTopics::One(membership) = &self.topics {
                membership.topic.mark_asleep();
            }
            if !self.has_news() && self.subscriber.end() == end {
                return Poll::Pending;
            }
        }
    }

    /// A message that has an ID and nothing else.
    fn position_message(&self) -> Delivery {
        let position = self.position();
        Delivery::Message(EncodedMessage::from_log(format!("id: {position}\n\n").into(), position))
    }

    fn reported_through(&self) -> u64 {
        self.extras.as_ref().map_or(0, |extras| extras.reported_through)
    }

    fn pacer(&mut self) -> Option<&mut Pacer> {
        self.extras.as_mut()?.pacer.as_mut()
    }

    /// The next message that was read from the logs earlier.
    // Inlined because this is called for each message of a burst: as function calls, this function
    // and the ones that it calls made each message 20% slower.
    #[inline(always)]
    fn pop_queued(&mut self) -> Option<Delivery> {
        let message = self.queue.pop()?;
        if self.queue.is_empty() {
            // A subscription that waits must not keep the memory of its last burst.
            self.queue = Vec::new();
        }
        Some(self.deliver(message))
    }

    #[inline(always)]
    fn deliver(&self, message: QueuedMessage) -> Delivery {
        if message.number <= self.subscriber.cursor() {
            return repeated(&message, self.hub.position(message.number));
        }
        self.subscriber.set_cursor(message.number);
        match &self.topics {
            SubscribedTopics::One(_) => self.subscriber.count_delivered(1),
            SubscribedTopics::Several(memberships) => {
                memberships[message.topic].topic.count_delivered(&self.hub.counters)
            }
        }
        Delivery::Message(EncodedMessage::from_log(
            message.bytes,
            self.hub.position(message.number),
        ))
    }

    /// A frame of all messages that are ready, up to the size of one frame. `None` if the
    /// subscription needs something that other subscriptions of the topic do not.
    fn joined_frame(&mut self) -> Option<JoinedFrame> {
        let SubscribedTopics::One(Membership { topic, .. }) = &self.topics else {
            return None;
        };
        if !self.queue.is_empty() || self.opening.is_some() || self.policy == Policy::Latest {
            return None;
        }
        let (cursor, last) = (self.subscriber.cursor(), topic.last_readable());
        if last <= cursor {
            return None;
        }
        let frame = match frame_cache::find(topic, cursor, last) {
            Some(frame) => frame,
            None => {
                let frame = topic.join_frame(cursor, last)?;
                // This is read after the log is. A missing number that is recorded later lies
                // behind everything that was read from the log.
                if self.hub.last_missing() > cursor {
                    return None;
                }
                frame_cache::store(topic, &frame);
                frame
            }
        };
        // How far the subscription lags is known only if the frame has all of its messages.
        // Otherwise the slower path checks whether it is too slow.
        let is_within = |(messages, bytes)| {
            frame.last == last && frame.messages < messages && (frame.bytes.len() as u64) < bytes
        };
        if !self.max_lag().is_none_or(is_within) {
            return None;
        }
        self.subscriber.set_cursor(frame.last);
        self.subscriber.count_delivered(frame.messages);
        Some(frame)
    }

    /// Whether there may be something to read.
    fn has_news(&self) -> bool {
        let cursor = self.subscriber.cursor();
        self.opening.is_some()
            || match &self.topics {
                SubscribedTopics::One(membership) => membership.topic.last_readable() > cursor,
                SubscribedTopics::Several(_) => self.hub.horizon() > cursor,
            }
    }

    /// Reads from the logs until there is something to deliver, or nothing more to read.
    #[inline(never)]
    fn read(&mut self) -> Option<Delivery> {
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
    fn read_values(&mut self, done: u64, then: Start) -> Option<Delivery> {
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
    fn scan_values(&self, after: u64, batch: &mut Batch) {
        let cursor = self.subscriber.cursor();
        for (index, membership) in self.topics.memberships().iter().enumerate() {
            membership.topic.scan_values(index, after, cursor, batch);
        }
    }

    /// Whether one of its topics is keyed, or may have been.
    fn may_have_keys(&self) -> bool {
        let has_patterns = self.extras.as_ref().is_some_and(|extras| extras.pattern.is_some());
        has_patterns && !self.hub.settings.keyed.is_empty()
            || self.topics.memberships().iter().any(|membership| membership.topic.is_keyed())
    }

    /// Scans the topics that have new messages if the hub knows which they are and asking is worth
    /// it. Otherwise scans all topics.
    fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
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

    /// Returns the gap that must be reported before the messages of the batch, and records it as
    /// reported.
    fn gap(&mut self, scan: &Scan, horizon: u64, batch: &Batch) -> Option<Gap> {
        let mut reported = scan.after.max(self.reported_through()).max(scan.newcomer.unwrap_or(0));
        // While this scan runs, other topics may get messages beyond the horizon that it loaded,
        // and a log may drop some of them. The scan did not look for messages there, so the gap
        // ends at the horizon.
        let mut lost = scan.lost.min(horizon);
        let mut is_known = true;
        let mut start = None;
        let mut lost_of_keyed = scan.lost_of_keyed.min(horizon);
        match self.opening.as_deref() {
            Some(Opening::Returning { after, lost: before }) => {
                lost = lost.max(*before);
                reported = *after;
                if self.may_have_keys() {
                    lost_of_keyed = lost_of_keyed.max(*before);
                }
            }
            Some(Opening::Unknown { lost: before, start: begin }) => {
                lost = lost.max(*before);
                is_known = false;
                start = *begin;
            }
            Some(Opening::Newcomer(begin)) => start = Some(*begin),
            Some(Opening::Snapshot { .. }) | None => {}
        }
        // What keyed topics have lost after the cursor was never replaced by a snapshot, even if an
        // earlier gap covers it.
        let base = if start.is_some() { reported } else { reported.min(scan.after) };
        if is_known && lost_of_keyed > base {
            // A subscription that is overrun again before it has caught up takes everything from
            // the tables. Otherwise it would never get to the newest values.
            let is_overrun = self.extras.as_ref().is_some_and(|extras| extras.is_overrun);
            let through = if is_overrun { horizon } else { lost.max(lost_of_keyed) };
            let unkeyed_after = start.map_or(0, |start| start.unkeyed_after).max(scan.after);
            return Some(self.gap_with_snapshot(
                base,
                scan.after,
                Start { through, unkeyed_after },
            ));
        }
        if is_known && lost <= reported {
            return None;
        }
        self.opening = start.map(|start| Box::new(Opening::Newcomer(start)));
        let after = is_known.then_some(reported);
        self.hub.counters.count_gap(after.map_or(0, |after| lost - after));
        let is_settled =
            lost <= scan.through && batch.first_number().is_none_or(|first| first > lost);
        if is_settled {
            self.subscriber.set_cursor(scan.after.max(lost));
        } else {
            self.extras.get_or_insert_default().reported_through = lost;
        }
        Some(Gap {
            after,
            through: self.hub.position(lost),
            is_settled,
            has_snapshot: !is_known && self.may_have_keys(),
            event: self.hub.settings.gap_event,
        })
    }

    /// The gap after which keyed topics begin at `then`, as for a new client. Other topics go on.
    fn gap_with_snapshot(&mut self, after: u64, cursor: u64, then: Start) -> Gap {
        let extras = self.extras.get_or_insert_default();
        extras.is_overrun = true;
        let (floor, through) = (extras.floor, then.through);
        let mut values = Batch::of(1);
        self.scan_values(floor, &mut values);
        let has_repeated = values.first_number().is_some();
        let mut scan = Scan::of_newcomer(cursor, then);
        self.scan(&mut scan, &mut values);
        let is_settled = values.first_number().is_none();
        if is_settled {
            self.subscriber.set_cursor(cursor.max(through));
            self.opening = None;
        } else {
            self.extras.get_or_insert_default().reported_through = through;
            self.opening = Some(Box::new(match has_repeated {
                true => Opening::Snapshot { done: floor, then },
                false => Opening::Newcomer(then),
            }));
        }
        self.hub.counters.count_gap(through - after);
        Gap {
            after: Some(after),
            through: self.hub.position(through),
            is_settled,
            has_snapshot: true,
            event: self.hub.settings.gap_event,
        }
    }

    fn max_lag(&self) -> Option<(usize, u64)> {
        let Policy::Close { max_lag } = self.policy else {
            return None;
        };
        if !self.has_caught_up {
            return None;
        }
        let bounds = &self.hub.settings.bounds;
        Some(match max_lag {
            // A single message is never a lag that closes the subscription.
            None => ((bounds.messages / 2).max(2), (bounds.bytes as u64 / 2).max(1)),
            Some(messages) => (messages.get() as usize, u64::MAX),
        })
    }

    /// Takes over the new topics from the inbox.
    fn take_new_topics(&mut self) {
        let SubscribedTopics::Several(memberships) = &mut self.topics else {
            return;
        };
        let inbox = self.extras.as_ref().and_then(|extras| extras.pattern.as_ref());
        let Some(mut new) = inbox.map(|(_, inbox)| inbox.take()) else {
            return;
        };
        if new.lost > 0 {
            let extras = self.extras.get_or_insert_default();
            extras.removed_through = extras.removed_through.max(new.lost);
        }
        if new.memberships.is_empty() {
            return;
        }
        // Removed topics that were read completely are dropped from the list only when it would
        // have to grow. So each new topic costs constant time on average.
        if memberships.capacity() - memberships.len() < new.memberships.len() {
            let cursor = self.subscriber.cursor();
            let is_finished = |membership: &Membership| {
                membership.topic.is_removed() && membership.topic.last_number() <= cursor
            };
            let finished: Vec<_> =
                memberships.extract_if(.., |membership| is_finished(membership)).collect();
            finished.into_iter().for_each(|membership| _ = membership.leave());
        }
        new.memberships.make_contiguous().sort_unstable_by_key(|membership| membership.topic.id);
        memberships.extend(new.memberships);
    }
}

/// A value that comes again after a gap, without its ID: the client's last event ID must not go
/// back to it.
#[cold]
fn repeated(message: &QueuedMessage, position: Position) -> Delivery {
    Delivery::Message(EncodedMessage::without_id(&message.bytes, position))
}

impl SubscribedTopics {
    fn memberships(&self) -> &[Membership] {
        match self {
            Self::One(membership) => std::slice::from_ref(membership),
            Self::Several(memberships) => memberships,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        if let Some(extras) = &mut self.extras
            && (extras.pattern.is_some() || extras.identity.is_some())
        {
            let identity = extras.identity.take();
            let mut locked = hub.lock();
            let pattern_subscriber = extras
                .pattern
                .as_ref()
                .map(|(handle, _)| locked.remove_pattern_subscriber(*handle));
            if let Some((identity, handle)) = &identity {
                locked.remove_identity(identity, *handle);
            }
            drop(locked);
            drop(pattern_subscriber);
            // From here on the hub hands over no more topics.
            self.take_new_topics();
            if let Some((identity, _)) = &identity {
                // The lock is released between chunks, because a pattern may have matched many
                // topics.
                let gone_at = hub.settings.gone_at(hub.clock.now());
                for memberships in self.topics.memberships().chunks(TOPICS_AT_ONCE) {
                    hub.lock().remove_presence(
                        identity,
                        memberships.iter().map(|membership| &membership.topic),
                        gone_at,
                    );
                }
            }
        }
        hub.counters.subscribers.fetch_sub(1, Ordering::Relaxed);
        match std::mem::replace(&mut self.topics, SubscribedTopics::Several(Box::default())) {
            SubscribedTopics::One(membership) => {
                frame_cache::remove(&membership.topic);
                hub.note_left(membership.leave().as_slice());
            }
            SubscribedTopics::Several(memberships) => {
                let mut left: Vec<_> =
                    memberships.into_iter().filter_map(Membership::leave).collect();
                // Sorted by their last messages, so that the registry lists them in the order in
                // which they should make room.
                left.sort_by_cached_key(|topic| topic.last_number());
                hub.note_left(&left);
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("position", &self.position())
            .field("policy", &self.policy)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_that_waits_is_small() {
        assert!(size_of::<Subscription>() <= 88, "{} bytes", size_of::<Subscription>());
    }
}
