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
use crate::hub::subscription::opening::{Opening, SubscriptionParts};
use crate::hub::subscription::pacer::Pacer;
use crate::hub::sync::Ordering;
use crate::hub::topic::batch::{Batch, MAX_MESSAGES, QueuedMessage};
use crate::hub::topic::inbox::TopicInbox;
use crate::hub::topic::joined_frame::JoinedFrame;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::scan::Scan;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};

/// So many topics are looked at one by one for a message.
const SCAN_ALL_UP_TO: usize = 4;

/// A subscription to topics of a hub, whose [deliveries](Delivery) come one by one by
/// [`next`](Self::next).
///
/// [`Sse`](crate::stream::response::Sse) takes it as it is. Clients of one topic that are missing the same messages
/// are then sent the same bytes, joined once. It is not a `Stream`, since a stream would have to
/// give the messages one by one; [`deliveries`](Self::deliveries) makes it one.
///
/// It holds no messages but a few that are about to be delivered: it is a position in the logs of
/// its topics. Dropping it ends it at once.
pub struct Subscription {
    hub: Arc<HubState>,
    subscriber: Arc<Subscriber>,
    topics: SubscribedTopics,
    /// What was taken from the logs and is to be delivered, the next one last.
    queue: Vec<QueuedMessage>,
    opening: Option<Box<Opening>>,
    policy: Policy,
    /// It was up to date once, and so may be too slow.
    has_caught_up: bool,
    /// Its client has no ID to return with yet.
    is_new: bool,
    extras: Option<Box<Extras>>,
}

/// The topics of a subscription. Most have one, which needs no memory of its own.
enum SubscribedTopics {
    One(Membership),
    /// By their IDs: new ones come last.
    #[expect(clippy::box_collection, reason = "a third of the size, and most have one topic")]
    Several(Box<Vec<Membership>>),
}

/// What few subscriptions have.
#[derive(Default)]
struct Extras {
    /// Losses up to here were told, while messages that were not lost lie before it and are still
    /// to be delivered.
    told: u64,
    /// The greatest number of topics that were removed before they were read.
    lost: u64,
    /// Where else the hub knows the subscription; taken back when it ends.
    watch: Option<(u32, Arc<TopicInbox>)>,
    identity: Option<(Arc<str>, u32)>,
    pacer: Option<Pacer>,
}

/// What a subscription has ready for a frame.
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
    pub(crate) fn new(start: SubscriptionParts) -> Self {
        let SubscriptionParts {
            hub,
            subscriber,
            mut memberships,
            policy,
            pace,
            opening,
            is_new,
            watch,
            identity,
        } = start;
        // With a pattern, others may come.
        let topics = match memberships.pop() {
            Some(only) if memberships.is_empty() && watch.is_none() => SubscribedTopics::One(only),
            last => {
                memberships.extend(last);
                SubscribedTopics::Several(Box::new(memberships))
            }
        };
        hub.counters.subscribers.fetch_add(1, Ordering::Relaxed);
        let has_extras = watch.is_some() || identity.is_some() || !pace.is_zero();
        let pacer = (!pace.is_zero()).then(|| Pacer::new(pace));
        let extras =
            has_extras.then(|| Box::new(Extras { watch, identity, pacer, ..Extras::default() }));
        Self {
            hub,
            subscriber,
            topics,
            queue: Vec::new(),
            opening: opening.map(Box::new),
            policy,
            has_caught_up: false,
            is_new,
            extras,
        }
    }

    /// Waits for the next delivery of the subscribed topics.
    ///
    /// Messages arrive in the order of their positions. A client that is new and for whom nothing
    /// is there yet first gets a message with an ID and nothing else, which is no event: without
    /// it, one that is cut off before its first message would return as new, and miss what it does
    /// not know of. A [`Delivery::Gap`] stands where a log moved past this subscriber: it covers at
    /// least what is missing, and the subscription goes on with the oldest message that is still
    /// held. `None` means that it [ended](Self::end).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_delivery(cx)).await
    }

    /// Up to where everything was delivered or told: what a client that has it all would resume
    /// from.
    #[must_use]
    pub fn position(&self) -> Position {
        self.hub.position(self.subscriber.cursor())
    }

    /// Why it ended by itself, if it did.
    #[must_use]
    pub fn end(&self) -> Option<SubscriptionEnd> {
        self.subscriber.end()
    }

    pub(crate) fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_with(cx, |this| this.pop_queued().or_else(|| this.read()))
    }

    /// The next delivery; or all messages that are ready and make a frame, if they can be had at
    /// once. For a body with an empty frame.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<ReadyDelivery>> {
        self.poll_with(cx, |this| {
            let delivery = |this: &mut Self| this.pop_queued().or_else(|| this.read());
            this.joined_frame()
                .map(ReadyDelivery::Joined)
                .or_else(|| delivery(this).map(ReadyDelivery::Single))
        })
    }

    /// Waits until `next` gives something.
    #[inline(always)]
    fn poll_with<T: From<Delivery>>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl Fn(&mut Self) -> Option<T>,
    ) -> Poll<Option<T>> {
        loop {
            // Looked at before the logs are: what was published before the hub closed is then seen
            // there.
            let end = self.subscriber.end();
            if end.is_some_and(|end| end != SubscriptionEnd::HubClosed) {
                self.queue = Vec::new();
                return Poll::Ready(None);
            }
            if let (None, Some(pacer)) = (end, self.pacer()) {
                ready!(pacer.poll_open(cx));
            }
            if let Some(ready) = next(self) {
                self.is_new = false;
                self.pacer().into_iter().for_each(Pacer::delivered);
                return Poll::Ready(Some(ready));
            }
            if end.is_some() {
                return Poll::Ready(None);
            }
            if self.pacer().is_some_and(Pacer::drained) {
                continue;
            }
            self.has_caught_up = true;
            if std::mem::take(&mut self.is_new) {
                return Poll::Ready(Some(self.position_message().into()));
            }
            self.subscriber.park(cx.waker());
            if let SubscribedTopics::One(membership) = &self.topics {
                membership.topic.sleeps();
            }
            if !self.has_news() && self.subscriber.end() == end {
                return Poll::Pending;
            }
        }
    }

    /// An ID and nothing else.
    fn position_message(&self) -> Delivery {
        let position = self.position();
        Delivery::Message(EncodedMessage::held(format!("id: {position}\n\n").into(), position))
    }

    fn told(&self) -> u64 {
        self.extras.as_ref().map_or(0, |extras| extras.told)
    }

    fn pacer(&mut self) -> Option<&mut Pacer> {
        self.extras.as_mut()?.pacer.as_mut()
    }

    /// The next of the messages that were taken before.
    // Copied into where it is called: as calls, this and what it calls made each message of a burst
    // a fifth dearer.
    #[inline(always)]
    fn pop_queued(&mut self) -> Option<Delivery> {
        let message = self.queue.pop()?;
        if self.queue.is_empty() {
            // A subscriber that waits holds no memory for bursts.
            self.queue = Vec::new();
        }
        Some(self.deliver(message))
    }

    #[inline(always)]
    fn deliver(&self, message: QueuedMessage) -> Delivery {
        self.subscriber.set_cursor(message.number);
        match &self.topics {
            SubscribedTopics::One(_) => self.subscriber.count_delivered(1),
            SubscribedTopics::Several(memberships) => {
                memberships[message.topic].topic.count_delivered(&self.hub.counters)
            }
        }
        Delivery::Message(EncodedMessage::held(message.bytes, self.hub.position(message.number)))
    }

    /// All messages that are ready, as far as they make one frame, if they are those that others of
    /// the topic lack as well.
    fn joined_frame(&mut self) -> Option<JoinedFrame> {
        let SubscribedTopics::One(Membership { topic, .. }) = &self.topics else {
            return None;
        };
        if !self.queue.is_empty() || self.opening.is_some() || self.policy == Policy::Latest {
            return None;
        }
        let (cursor, last) = (self.subscriber.cursor(), topic.last());
        if last <= cursor {
            return None;
        }
        let frame = match frame_cache::find(topic, cursor, last) {
            Some(frame) => frame,
            None => {
                let frame = topic.join_frame(cursor, last)?;
                // Looked at after the log is: a hole that is not seen here lies behind what was
                // read.
                if self.hub.last_missing() > cursor {
                    return None;
                }
                frame_cache::store(topic, &frame);
                frame
            }
        };
        // What is left behind by a full frame is not known, and one that may be too slow is looked
        // at more closely.
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
                SubscribedTopics::One(membership) => membership.topic.last() > cursor,
                SubscribedTopics::Several(_) => self.hub.horizon() > cursor,
            }
    }

    /// Reads from the logs until there is something to deliver, or nothing more to read.
    #[inline(never)]
    fn read(&mut self) -> Option<Delivery> {
        while self.has_news() {
            let horizon = self.hub.horizon();
            self.take_new_topics();
            let cursor = self.subscriber.cursor();
            let (through, newcomer) = match self.opening.as_deref() {
                Some(Opening::Newcomer { through, plain_after }) => (*through, Some(*plain_after)),
                _ => (horizon, None),
            };
            let mut scan = Scan {
                topic: 0,
                after: cursor,
                through,
                latest: self.policy == Policy::Latest,
                newcomer,
                max_lag: self.max_lag(),
                lost: 0,
                too_slow: false,
            };
            // What was taken cannot be replaced by a newer value any more.
            let mut batch = Batch::of(if scan.latest { 1 } else { MAX_MESSAGES });
            self.scan(&mut scan, &mut batch);
            let lost =
                self.hub.last_missing().max(self.extras.as_ref().map_or(0, |extras| extras.lost));
            if lost > cursor {
                scan.lost = scan.lost.max(lost);
            }
            if let Some(gap) = self.gap(&scan, horizon, &batch) {
                let (first, mut rest) = batch.into_parts();
                rest.extend(first);
                self.queue = rest;
                return Some(Delivery::Gap(gap));
            }
            // A hub that is closed leaves nobody behind: its subscriptions come to its end.
            if scan.too_slow && self.subscriber.end().is_none() {
                self.subscriber.close(SubscriptionEnd::TooSlow);
                return None;
            }
            let (first, rest) = batch.into_parts();
            if let Some(first) = first {
                self.queue = rest;
                return Some(self.deliver(first));
            }
            // Nothing is left up to there.
            self.subscriber.set_cursor(cursor.max(through));
            self.opening = None;
        }
        None
    }

    /// Looks into the topics: into those with news if this can be said and is worth asking, else
    /// into all.
    fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let memberships = self.topics.memberships();
        let index_of =
            |id| memberships.binary_search_by_key(&id, |membership| membership.topic.id).ok();
        let changed = if memberships.len() > SCAN_ALL_UP_TO && self.opening.is_none() {
            self.hub.topics_with_messages(scan.after, scan.through, index_of)
        } else {
            None
        };
        let mut look = |topic: usize| {
            scan.topic = topic;
            memberships[topic].topic.scan(scan, batch);
        };
        match changed {
            // A topic that let go of a message which was not read yet had that message after the
            // cursor: so it is among these.
            Some(found) => found.indexes().iter().for_each(|topic| look(*topic)),
            None => (0..memberships.len()).for_each(look),
        }
    }

    /// The gap that is to be told before the messages of the batch. It then counts as told.
    fn gap(&mut self, scan: &Scan, horizon: u64, batch: &Batch) -> Option<Gap> {
        let told = scan.after.max(self.told()).max(scan.newcomer.unwrap_or(0));
        // What a topic let go of meanwhile may lie beyond messages that others got meanwhile: those
        // were not looked for.
        let mut lost = scan.lost.min(horizon);
        let mut after = Some(told);
        match self.opening.as_deref() {
            Some(Opening::Returning { lost: before }) => lost = lost.max(*before),
            Some(Opening::Unknown { lost: before }) => {
                lost = lost.max(*before);
                after = None;
            }
            Some(Opening::Newcomer { .. }) | None => {}
        }
        if after.is_some() && lost <= told {
            return None;
        }
        if scan.newcomer.is_none() {
            self.opening = None;
        }
        self.hub.counters.gap(after.map_or(0, |after| lost - after));
        let settled = lost <= scan.through && batch.first_number().is_none_or(|first| first > lost);
        if settled {
            self.subscriber.set_cursor(scan.after.max(lost));
        } else {
            self.extras.get_or_insert_default().told = lost;
        }
        Some(Gap::new(
            after.map(|after| self.hub.position(after)),
            self.hub.position(lost),
            settled,
        ))
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
            // What is lagged behind by is more than one message.
            None => ((bounds.messages / 2).max(2), (bounds.bytes as u64 / 2).max(1)),
            Some(messages) => (messages.get() as usize, u64::MAX),
        })
    }

    /// Takes in the topics that were handed over. Those that are gone and were read make room for
    /// them.
    fn take_new_topics(&mut self) {
        let SubscribedTopics::Several(memberships) = &mut self.topics else {
            return;
        };
        let inbox = self.extras.as_ref().and_then(|extras| extras.watch.as_ref());
        let Some(mut joined) = inbox.map(|(_, inbox)| inbox.take()) else {
            return;
        };
        if joined.lost > 0 {
            let extras = self.extras.get_or_insert_default();
            extras.lost = extras.lost.max(joined.lost);
        }
        if joined.memberships.is_empty() {
            return;
        }
        // Only when the list would have to grow: so looking through it costs each topic that comes
        // a constant time.
        if memberships.capacity() - memberships.len() < joined.memberships.len() {
            let cursor = self.subscriber.cursor();
            let is_over = |membership: &Membership| {
                membership.topic.is_removed() && membership.topic.last_number() <= cursor
            };
            let over: Vec<_> =
                memberships.extract_if(.., |membership| is_over(membership)).collect();
            over.into_iter().for_each(|membership| _ = membership.leave());
        }
        joined.memberships.make_contiguous().sort_unstable_by_key(|membership| membership.topic.id);
        memberships.extend(joined.memberships);
    }
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
            && (extras.watch.is_some() || extras.identity.is_some())
        {
            let identity = extras.identity.take();
            let mut locked = hub.lock();
            let pattern_subscriber =
                extras.watch.as_ref().map(|(handle, _)| locked.remove_pattern_subscriber(*handle));
            if let Some((identity, handle)) = &identity {
                locked.remove_identity(identity, *handle);
            }
            drop(locked);
            drop(pattern_subscriber);
            // No topic is handed over any more.
            self.take_new_topics();
            if let Some((identity, _)) = &identity {
                // A few at a time: a pattern may have matched many.
                for memberships in self.topics.memberships().chunks(TOPICS_AT_ONCE) {
                    hub.lock().remove_presence(
                        identity,
                        memberships.iter().map(|membership| &membership.topic),
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
                // Those that had a message last come last, so that this is still the order in which
                // they make room.
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
