//! A subscription: a cursor in the order of its hub, and the topics that it reads.
//!
//! | module | content |
//! |---|---|
//! | `subscribe`, `arguments` | a subscription before it opens |
//! | `start`, `opening`, `parts` | how it begins |
//! | `waiting` | it waits for its node |
//! | `topics` | the topics that it reads |
//! | `matching` (pure) | which messages of other topics it does not get |
//! | `unsubscribe` | how it ends |
//! | `reading`, `backlog`, `gaps` | what comes next |
//! | `delivery` | messages and gaps |
//! | `deliveries` | a subscription as a `Stream` |
//! | `fill_frame` | a subscription as the source of an event stream |
//! | `end_watch` | says that a subscription has ended although it is not polled |
//! | `frame_cache` | frames that several subscriptions of one topic share |
//! | `pacer` | the shortest time between deliveries |

pub(crate) mod arguments;
pub(crate) mod backlog;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(crate) mod end_watch;
pub(crate) mod fill_frame;
pub(crate) mod frame_cache;
mod gaps;
pub(crate) mod matching;
pub(crate) mod opening;
pub(crate) mod pacer;
pub(crate) mod parts;
mod reading;
pub(crate) mod start;
pub(crate) mod subscribe;
pub(crate) mod topics;
mod unsubscribe;
pub(crate) mod waiting;

use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::codec::encode::{EncodedMessage, prefix};
use crate::codec::position::{Position, PositionText};
use crate::hub::policy::{Policy, PolicyKind};
use crate::hub::state::hub_state::HubState;
use crate::hub::state::identities::IdentityMembership;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::subscription::opening::Opening;
use crate::hub::subscription::pacer::Pacer;
use crate::hub::subscription::parts::SubscriptionParts;
use crate::hub::subscription::topics::SubscribedTopics;
use crate::hub::subscription::waiting::{WaitOutcome, Waiting};
use crate::hub::sync::Ordering;
use crate::hub::topic::batch::QueuedMessage;
use crate::hub::topic::joined_frame::JoinedFrame;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};

/// A subscription to topics of a hub. [`next`](Self::next) returns its [deliveries](Delivery) one
/// by one.
///
/// You can pass it to [`Sse`](crate::stream::response::Sse) as it is. Clients of one topic that
/// need the same messages then share one frame, which is joined once. A `Stream` would have to hand
/// out the messages one by one, so a subscription is not a `Stream`;
/// [`deliveries`](Self::deliveries) turns it into one. If you read the subscription in a stream of
/// your own, tell the stream to [end with it](crate::stream::response::Sse::end_with).
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
    /// How far the subscription may lag, if its policy sets that.
    max_lag: Option<NonZeroU32>,
    policy: PolicyKind,
    /// True once the subscription had read everything. Only then may it be closed for being too
    /// slow.
    has_caught_up: bool,
    /// True while the client has no event ID yet with which it could resume, and is to get one.
    needs_first_id: bool,
    /// Whether it has returned something since it last began to wait.
    has_returned: bool,
    extras: Option<Box<Extras>>,
}

/// What only few subscriptions need.
#[derive(Default)]
struct Extras {
    /// Gaps up to here were reported although messages before it are still to be delivered.
    reported_through: u64,
    /// The client may not see messages up to this number.
    floor: u64,
    /// It was told of a gap with a snapshot, and has not caught up since then.
    is_overrun: bool,
    identity: Option<IdentityMembership>,
    pacer: Option<Pacer>,
    /// It has not started, because it waits for its node.
    waiting: Option<Waiting>,
    /// The last thing that the client was told of its node: whether the engine is lost. `None` if
    /// clients are not told.
    told_lost: Option<bool>,
}

impl Extras {
    /// Whether there is nothing but a gap that was reported, of which the subscription has read
    /// everything.
    fn has_only_gap_before(&self, cursor: u64) -> bool {
        let Self { reported_through, floor, is_overrun, identity, pacer, waiting, told_lost } =
            self;
        *reported_through <= cursor
            && *floor == 0
            && !is_overrun
            && identity.is_none()
            && pacer.is_none()
            && waiting.is_none()
            && told_lost.is_none()
    }
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
            topics,
            policy,
            pace,
            opening,
            needs_first_id,
            floor,
            identity,
            waiting,
        } = parts;
        hub.counters.subscribers.fetch_add(1, Ordering::Relaxed);
        // A client takes its node for one that has its engine.
        let told_lost =
            (hub.shared.is_some() && hub.settings.relay_event.is_some()).then_some(false);
        let has_extras = identity.is_some()
            || !pace.is_zero()
            || floor > 0
            || waiting.is_some()
            || told_lost.is_some();
        let pacer = (!pace.is_zero()).then(|| Pacer::new(pace));
        let extras = has_extras.then(|| {
            Box::new(Extras { floor, identity, pacer, waiting, told_lost, ..Extras::default() })
        });
        let (policy, max_lag) = policy.into_parts();
        Self {
            hub,
            subscriber,
            topics,
            queue: Vec::new(),
            opening: opening.map(Box::new),
            max_lag,
            policy,
            has_caught_up: false,
            needs_first_id,
            has_returned: true,
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
        let end = self.current_end();
        if end == Some(SubscriptionEnd::TooSlow) {
            // From now on this is its end, whatever was read already.
            drop(self.subscriber.close(SubscriptionEnd::TooSlow));
        }
        end
    }

    fn current_end(&self) -> Option<SubscriptionEnd> {
        self.subscriber.end().or_else(|| {
            // It may be too slow already although it was not polled since.
            let max = self.max_lag()?;
            let is_too_slow = self.topics.is_behind_by(&self.hub, max, self.subscriber.cursor());
            is_too_slow.then_some(SubscriptionEnd::TooSlow)
        })
    }

    pub(crate) fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_with(cx, Self::next_delivery)
    }

    #[inline(always)]
    fn next_delivery(&mut self) -> Option<Delivery> {
        // Messages that were read earlier hide how far the subscription lags.
        if self.policy == PolicyKind::Close && self.close_if_too_slow() {
            return None;
        }
        // Reading is a function call, and a subscription looks here once more after each delivery.
        self.pop_queued().or_else(|| if self.has_news() { self.read() } else { None })
    }

    /// Ends a subscription whose queue hides that it lags too far. Returns whether it did.
    fn close_if_too_slow(&mut self) -> bool {
        // Without a queue, reading finds out.
        if self.queue.is_empty() || self.subscriber.end().is_some() {
            return false;
        }
        let (Some(max), cursor) = (self.max_lag(), self.subscriber.cursor()) else { return false };
        let is_too_slow = match &mut self.topics {
            SubscribedTopics::One(membership) => membership.topic.is_ahead_by(max, cursor),
            SubscribedTopics::Several(set) => set.is_newly_behind_by(&self.hub, max, cursor),
        };
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
            if self.extras.as_ref().is_some_and(|extras| extras.waiting.is_some()) {
                if end.is_some() {
                    return Poll::Ready(None);
                }
                ready!(self.poll_start(cx));
                continue;
            }
            if let (None, Some(pacer)) = (end, self.pacer()) {
                ready!(pacer.poll_open(cx));
            }
            if end.is_none()
                && let Some(is_lost) = self.untold_state()
            {
                self.pacer().into_iter().for_each(Pacer::note_delivery);
                return Poll::Ready(Some(self.relay_event(is_lost).into()));
            }
            if let Some(ready) = next(self) {
                self.needs_first_id = false;
                self.has_returned = true;
                self.pacer().into_iter().for_each(Pacer::note_delivery);
                return Poll::Ready(Some(ready));
            }
            if end.is_some() {
                return Poll::Ready(None);
            }
            if !self.has_caught_up {
                self.has_caught_up = true;
                self.subscriber.set_may_be_too_slow(true);
            }
            if let Some(extras) = &mut self.extras {
                extras.is_overrun = false;
                // A subscription that waits must not keep what it needed for its last gap.
                if extras.has_only_gap_before(self.subscriber.cursor()) {
                    self.extras = None;
                }
            }
            if self.pacer().is_some_and(Pacer::start_window) {
                continue;
            }
            if std::mem::take(&mut self.needs_first_id) {
                return Poll::Ready(Some(self.position_message().into()));
            }
            self.park(cx);
            let is_told = self.untold_state().is_none();
            if !self.has_news() && is_told && self.subscriber.end() == end {
                if !std::mem::take(&mut self.has_returned) {
                    self.hub.sweep_if_quiet();
                }
                return Poll::Pending;
            }
        }
    }

    /// Leaves the waker for publishers. After that, the caller must look for news once more.
    #[inline(always)]
    fn park(&mut self, cx: &Context<'_>) {
        let visits = self.subscriber.park(cx.waker());
        match &mut self.topics {
            SubscribedTopics::One(membership) if visits.has(0) => {
                membership.sleep(visits.is_set_aside(0));
            }
            SubscribedTopics::One(_) => {}
            SubscribedTopics::Several(set) => {
                set.sleep(visits);
            }
        }
    }

    /// Polls a subscription that has not started until it starts or ends.
    #[cold]
    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // So closing the hub wakes it.
        self.park(cx);
        if self.subscriber.end().is_some() {
            return Poll::Ready(());
        }
        let hub = Arc::clone(&self.hub);
        let (Some(shared), Some(extras)) = (&hub.shared, &mut self.extras) else {
            return Poll::Ready(());
        };
        let Some(waiting) = &mut extras.waiting else { return Poll::Ready(()) };
        match ready!(waiting.poll(cx, &hub, shared)) {
            WaitOutcome::TimedOut => _ = self.subscriber.close(SubscriptionEnd::NodeBehind),
            WaitOutcome::Start => {
                let request = waiting.request;
                extras.waiting = None;
                // The lock is not held for the topics, because their logs may be long.
                let last = hub.lock().last_number;
                let start = request.find_start(&hub, &self.topics, last, hub.clock.now());
                extras.floor = start.floor;
                self.opening = start.opening.map(Box::new);
                self.subscriber.set_cursor(start.cursor);
            }
        }
        Poll::Ready(())
    }

    /// Whether the node has lost its engine, if the client is to be told of that and was not.
    #[inline(always)]
    fn untold_state(&self) -> Option<bool> {
        let told_lost = self.extras.as_ref()?.told_lost?;
        let is_lost = self.hub.shared.as_ref()?.lost_at().is_some();
        (is_lost != told_lost).then_some(is_lost)
    }

    /// The event that tells the client whether its node has lost the engine.
    #[cold]
    fn relay_event(&mut self, is_lost: bool) -> Delivery {
        self.extras.get_or_insert_default().told_lost = Some(is_lost);
        let name = self.hub.settings.relay_event.unwrap_or_default();
        let state = if is_lost { "lost" } else { "live" };
        let lines = format!("event: {name}\ndata: {{\"state\":\"{state}\"}}\n\n");
        Delivery::Message(EncodedMessage::new(lines.into_bytes()))
    }

    /// A message that has an ID and nothing else.
    fn position_message(&self) -> Delivery {
        let position = self.position();
        let id = PositionText::new(position);
        let lines = [&prefix::ID[..], id.as_str().as_bytes(), b"\n\n"].concat();
        Delivery::Message(EncodedMessage::from_log(lines.into(), position))
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
        let QueuedMessage { topic, number, bytes } = message;
        let position = self.hub.position(number);
        if number <= self.subscriber.cursor() {
            return repeated(bytes, position);
        }
        self.subscriber.set_cursor(number);
        match &self.topics {
            SubscribedTopics::One(_) => self.subscriber.count_delivered(1),
            SubscribedTopics::Several(_) => self.hub.count_delivered(topic),
        }
        Delivery::Message(EncodedMessage::from_log(bytes, position))
    }

    /// A frame of all messages that are ready, up to the size of one frame. `None` if the
    /// subscription needs something that other subscriptions of the topic do not.
    fn joined_frame(&mut self) -> Option<JoinedFrame> {
        let SubscribedTopics::One(Membership { topic, .. }) = &self.topics else {
            return None;
        };
        if !self.queue.is_empty() || self.opening.is_some() || self.policy == PolicyKind::Latest {
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
    #[inline(always)]
    fn has_news(&self) -> bool {
        let cursor = self.subscriber.cursor();
        self.opening.is_some()
            || match &self.topics {
                SubscribedTopics::One(membership) => membership.topic.last_readable() > cursor,
                SubscribedTopics::Several(_) => self.hub.horizon() > cursor,
            }
    }

    fn policy(&self) -> Policy {
        self.policy.with(self.max_lag)
    }

    fn max_lag(&self) -> Option<(usize, u64)> {
        let max = self.policy().max_lag(&self.hub.settings.bounds)?;
        self.has_caught_up.then_some(max)
    }
}

/// A value that comes again after a gap, without its ID: the client's last event ID must not go
/// back to it.
#[cold]
fn repeated(bytes: Bytes, position: Position) -> Delivery {
    Delivery::Message(EncodedMessage::without_id(&bytes, position))
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("position", &self.position())
            .field("policy", &self.policy())
            .field("end", &self.current_end())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_that_waits_is_small() {
        assert!(size_of::<Subscription>() <= 80, "{} bytes", size_of::<Subscription>());
    }
}
