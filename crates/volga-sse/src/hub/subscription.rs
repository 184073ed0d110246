//! A subscription: a cursor in the order of its hub, and the topics that it reads.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    Deliveries, Delivery, Gap, Policy, SubscriptionEnd,
    batch::{Batch, MAX_MESSAGES, Taken},
    pace::Pace,
    run::{self, Ready, Run},
    shared::{Shared, TOPICS_AT_ONCE},
    sync::Ordering,
    topic::{Member, Scan},
    wake::Reader,
};
use crate::box_error::BoxError;
use crate::codec::encode::EncodedMessage;
use crate::codec::position::Position;
use crate::stream::frame::Frame;
use crate::stream::item::sealed::IntoPiece;
use crate::stream::source::SseSource;
use crate::stream::source::sealed::{FillFrame, FillOutcome};

/// So many topics are looked at one by one for a message.
const FEW: usize = 4;

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
    hub: Arc<Shared>,
    reader: Arc<Reader>,
    topics: Topics,
    /// What was taken from the logs and is to be delivered, the next one last.
    taken: Vec<Taken>,
    opening: Option<Box<Opening>>,
    policy: Policy,
    /// It was up to date once, and so may be too slow.
    caught_up: bool,
    /// Its client has no ID to return with yet.
    is_new: bool,
    extras: Option<Box<Extras>>,
}

/// The topics of a subscription. Most have one, which needs no memory of its own.
enum Topics {
    One(Member),
    /// By their IDs: new ones come last.
    #[expect(clippy::box_collection, reason = "a third of the size, and most have one topic")]
    Several(Box<Vec<Member>>),
}

/// How a subscription begins.
#[derive(Debug)]
pub(crate) enum Opening {
    /// Keyed topics begin with the newest value of each key up to `through`, the others behind
    /// `plain_after`.
    Newcomer { through: u64, plain_after: u64 },
    /// The topics may have lost messages up to `lost` before they were what they are now.
    Returning { lost: u64 },
    /// The same, and where the client left off is not known.
    Unknown { lost: u64 },
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
    watch: Option<u32>,
    identity: Option<(Arc<str>, u32)>,
    pace: Option<Pace>,
}

/// What a subscription starts with.
pub(crate) struct Start {
    pub(crate) hub: Arc<Shared>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) members: Vec<Member>,
    pub(crate) policy: Policy,
    /// Zero for none.
    pub(crate) pace: Duration,
    pub(crate) opening: Option<Opening>,
    pub(crate) is_new: bool,
    pub(crate) watch: Option<u32>,
    pub(crate) identity: Option<(Arc<str>, u32)>,
}

impl Subscription {
    pub(crate) fn new(start: Start) -> Self {
        let Start { hub, reader, mut members, policy, pace, opening, is_new, watch, identity } =
            start;
        // With a pattern, others may come.
        let topics = match members.pop() {
            Some(only) if members.is_empty() && watch.is_none() => Topics::One(only),
            last => {
                members.extend(last);
                Topics::Several(Box::new(members))
            }
        };
        hub.counts.subscribers.fetch_add(1, Ordering::Relaxed);
        let has_extras = watch.is_some() || identity.is_some() || !pace.is_zero();
        let pace = (!pace.is_zero()).then(|| Pace::new(pace));
        let extras =
            has_extras.then(|| Box::new(Extras { watch, identity, pace, ..Extras::default() }));
        Self {
            hub,
            reader,
            topics,
            taken: Vec::new(),
            opening: opening.map(Box::new),
            policy,
            caught_up: false,
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

    /// Makes it a `Stream` of its deliveries, for adapters such as `map` and `filter`.
    ///
    /// [`Sse`](crate::stream::response::Sse) takes such a stream as well, and each client then pays for itself: every
    /// message is taken out of the log, and copied into a frame, once for each client. If all
    /// clients get the same, change a message before you publish it.
    ///
    /// ```
    /// use futures_util::{StreamExt, future::ready};
    /// use volga_sse::{Message, Sse, hub::{Delivery, Hub}};
    ///
    /// # fn main() -> Result<(), volga_sse::hub::SubscribeError> {
    /// let hub = Hub::new();
    /// let deliveries = hub.subscribe("orders.*").open()?.deliveries();
    /// let with_gaps_only = deliveries.filter(|next| ready(matches!(next, Delivery::Gap(_))));
    /// let response = Sse::new(with_gaps_only).into_response();
    /// # assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deliveries(self) -> Deliveries {
        Deliveries::new(self)
    }

    /// Up to where everything was delivered or told: what a client that has it all would resume
    /// from.
    #[must_use]
    pub fn position(&self) -> Position {
        self.hub.position(self.reader.cursor())
    }

    /// Why it ended by itself, if it did.
    #[must_use]
    pub fn end(&self) -> Option<SubscriptionEnd> {
        self.reader.end()
    }

    pub(crate) fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_with(cx, |this| this.take().or_else(|| this.read()))
    }

    /// The next delivery; or all messages that are ready and make a frame, if they can be had at
    /// once. For a body with an empty frame.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ready>> {
        self.poll_with(cx, |this| {
            let delivery = |this: &mut Self| this.take().or_else(|| this.read());
            this.run().map(Ready::Run).or_else(|| delivery(this).map(Ready::One))
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
            let end = self.reader.end();
            if end.is_some_and(|end| end != SubscriptionEnd::HubClosed) {
                self.taken = Vec::new();
                return Poll::Ready(None);
            }
            if let (None, Some(pace)) = (end, self.pace()) {
                ready!(pace.poll_open(cx));
            }
            if let Some(ready) = next(self) {
                self.is_new = false;
                self.pace().into_iter().for_each(Pace::delivered);
                return Poll::Ready(Some(ready));
            }
            if end.is_some() {
                return Poll::Ready(None);
            }
            if self.pace().is_some_and(Pace::drained) {
                continue;
            }
            self.caught_up = true;
            if std::mem::take(&mut self.is_new) {
                return Poll::Ready(Some(self.place().into()));
            }
            self.reader.park(cx.waker());
            if let Topics::One(member) = &self.topics {
                member.topic.sleeps();
            }
            if !self.has_news() && self.reader.end() == end {
                return Poll::Pending;
            }
        }
    }

    /// An ID and nothing else.
    fn place(&self) -> Delivery {
        let position = self.position();
        Delivery::Message(EncodedMessage::from_log(format!("id: {position}\n\n").into(), position))
    }

    fn told(&self) -> u64 {
        self.extras.as_ref().map_or(0, |extras| extras.told)
    }

    fn pace(&mut self) -> Option<&mut Pace> {
        self.extras.as_mut()?.pace.as_mut()
    }

    /// The next of the messages that were taken before.
    // Copied into where it is called: as calls, this and what it calls made each message of a burst
    // a fifth dearer.
    #[inline(always)]
    fn take(&mut self) -> Option<Delivery> {
        let taken = self.taken.pop()?;
        if self.taken.is_empty() {
            // A subscriber that waits holds no memory for bursts.
            self.taken = Vec::new();
        }
        Some(self.deliver(taken))
    }

    #[inline(always)]
    fn deliver(&self, taken: Taken) -> Delivery {
        self.reader.set_cursor(taken.number);
        match &self.topics {
            Topics::One(_) => self.reader.count_delivered(1),
            Topics::Several(members) => {
                members[taken.topic].topic.count_delivered(&self.hub.counts)
            }
        }
        Delivery::Message(EncodedMessage::from_log(taken.bytes, self.hub.position(taken.number)))
    }

    /// All messages that are ready, as far as they make one frame, if they are those that others of
    /// the topic lack as well.
    fn run(&mut self) -> Option<Run> {
        let Topics::One(Member { topic, .. }) = &self.topics else {
            return None;
        };
        if !self.taken.is_empty() || self.opening.is_some() || self.policy == Policy::Latest {
            return None;
        }
        let (cursor, last) = (self.reader.cursor(), topic.last());
        if last <= cursor {
            return None;
        }
        let run = match run::joined(topic, cursor, last) {
            Some(run) => run,
            None => {
                let run = topic.run(cursor, last)?;
                // Looked at after the log is: a hole that is not seen here lies behind what was
                // read.
                if self.hub.hole() > cursor {
                    return None;
                }
                run::remember(topic, &run);
                run
            }
        };
        // What is left behind by a full frame is not known, and one that may be too slow is looked
        // at more closely.
        let is_within = |(messages, bytes)| {
            run.last == last && run.messages < messages && (run.bytes.len() as u64) < bytes
        };
        if !self.max_lag().is_none_or(is_within) {
            return None;
        }
        self.reader.set_cursor(run.last);
        self.reader.count_delivered(run.messages);
        Some(run)
    }

    /// Whether there may be something to read.
    fn has_news(&self) -> bool {
        let cursor = self.reader.cursor();
        self.opening.is_some()
            || match &self.topics {
                Topics::One(member) => member.topic.last() > cursor,
                Topics::Several(_) => self.hub.horizon() > cursor,
            }
    }

    /// Reads from the logs until there is something to deliver, or nothing more to read.
    #[inline(never)]
    fn read(&mut self) -> Option<Delivery> {
        while self.has_news() {
            let horizon = self.hub.horizon();
            self.take_joined();
            let cursor = self.reader.cursor();
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
            let lost = self.hub.hole().max(self.extras.as_ref().map_or(0, |extras| extras.lost));
            if lost > cursor {
                scan.lost = scan.lost.max(lost);
            }
            if let Some(gap) = self.gap(&scan, horizon, &batch) {
                let (first, mut taken) = batch.into_parts();
                taken.extend(first);
                self.taken = taken;
                return Some(Delivery::Gap(gap));
            }
            // A hub that is closed leaves nobody behind: its subscriptions come to its end.
            if scan.too_slow && self.reader.end().is_none() {
                self.reader.close(SubscriptionEnd::TooSlow);
                return None;
            }
            let (first, taken) = batch.into_parts();
            if let Some(first) = first {
                self.taken = taken;
                return Some(self.deliver(first));
            }
            // Nothing is left up to there.
            self.reader.set_cursor(cursor.max(through));
            self.opening = None;
        }
        None
    }

    /// Looks into the topics: into those with news if this can be said and is worth asking, else
    /// into all.
    fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let members = self.topics.members();
        let place = |id| members.binary_search_by_key(&id, |member| member.topic.id).ok();
        let changed = if members.len() > FEW && self.opening.is_none() {
            self.hub.changed(scan.after, scan.through, place)
        } else {
            None
        };
        let mut look = |topic: usize| {
            scan.topic = topic;
            members[topic].topic.scan(scan, batch);
        };
        match changed {
            // A topic that let go of a message which was not read yet had that message after the
            // cursor: so it is among these.
            Some(found) => found.places().iter().for_each(|topic| look(*topic)),
            None => (0..members.len()).for_each(look),
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
        self.hub.counts.gap(after.map_or(0, |after| lost - after));
        let settled = lost <= scan.through && batch.first_number().is_none_or(|first| first > lost);
        if settled {
            self.reader.set_cursor(scan.after.max(lost));
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
        if !self.caught_up {
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
    fn take_joined(&mut self) {
        let Topics::Several(members) = &mut self.topics else {
            return;
        };
        let mut joined = self.reader.take_joined();
        if joined.lost > 0 {
            let extras = self.extras.get_or_insert_default();
            extras.lost = extras.lost.max(joined.lost);
        }
        if joined.members.is_empty() {
            return;
        }
        // Only when the list would have to grow: so looking through it costs each topic that comes
        // a constant time.
        if members.capacity() - members.len() < joined.members.len() {
            let cursor = self.reader.cursor();
            let is_over =
                |member: &Member| member.topic.is_removed() && member.topic.last_number() <= cursor;
            let over: Vec<_> = members.extract_if(.., |member| is_over(member)).collect();
            over.into_iter().for_each(|member| _ = member.leave());
        }
        joined.members.make_contiguous().sort_unstable_by_key(|member| member.topic.id);
        members.extend(joined.members);
    }
}

impl Topics {
    fn members(&self) -> &[Member] {
        match self {
            Self::One(member) => std::slice::from_ref(member),
            Self::Several(members) => members,
        }
    }
}

impl SseSource for Subscription {}

impl FillFrame for Subscription {
    #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
    fn fill(
        self: Pin<&mut Self>,
        frame: &mut Frame,
        cx: &mut Context<'_>,
    ) -> Result<FillOutcome, BoxError> {
        let this = self.get_mut();
        // A run is a frame of its own: together with what the frame already has, it could exceed
        // the bounds of one.
        if frame.is_empty() {
            match this.poll_ready(cx) {
                Poll::Pending => return Ok(FillOutcome::Pending),
                Poll::Ready(None) => return Ok(FillOutcome::Finished),
                Poll::Ready(Some(Ready::Run(run))) => {
                    frame.push_joined(run.bytes, run.messages);
                    return Ok(FillOutcome::Full);
                }
                Poll::Ready(Some(Ready::One(delivery))) => frame.push(delivery.into_piece()?)?,
            }
        }
        while !frame.is_full() {
            match this.poll_delivery(cx) {
                Poll::Pending => return Ok(FillOutcome::Pending),
                Poll::Ready(None) => return Ok(FillOutcome::Finished),
                Poll::Ready(Some(delivery)) => frame.push(delivery.into_piece()?)?,
            }
        }
        Ok(FillOutcome::Full)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        if let Some(extras) = self.extras.take()
            && (extras.watch.is_some() || extras.identity.is_some())
        {
            let mut order = hub.order();
            let watcher = extras.watch.map(|handle| order.unwatch(handle));
            if let Some((identity, handle)) = &extras.identity {
                order.unidentify(identity, *handle);
            }
            drop(order);
            drop(watcher);
            // No topic is handed over any more.
            self.take_joined();
            if let Some((identity, _)) = &extras.identity {
                // A few at a time: a pattern may have matched many.
                for members in self.topics.members().chunks(TOPICS_AT_ONCE) {
                    hub.order().exit(identity, members.iter().map(|member| &member.topic));
                }
            }
        }
        hub.counts.subscribers.fetch_sub(1, Ordering::Relaxed);
        match std::mem::replace(&mut self.topics, Topics::Several(Box::default())) {
            Topics::One(member) => {
                run::forget(&member.topic);
                hub.note_left(member.leave().as_slice());
            }
            Topics::Several(members) => {
                let mut left: Vec<_> = members.into_iter().filter_map(Member::leave).collect();
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
