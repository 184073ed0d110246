//! The hub behind its handles: how a message gets its number and its place, and who is woken.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use super::{
    Policy, PublishError, SubscriptionEnd, TopicCreation,
    clock::{Clock, Moment},
    limits::Bounds,
    name::check_name,
    order::Order,
    pattern::Filter,
    recent::{Found, Recent},
    stats::Counts,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, RwLock, lock, read, write},
    topic::{KeyChange, Topic},
};
use crate::codec::message::{Message, MessageWithoutId};
use crate::codec::position::Position;
use crate::stream::spread::random_seed;

/// The bits of an epoch: enough that no two hubs share one, and few enough for an event ID to stay
/// short.
const EPOCH_BITS: u32 = 48;
/// How many topics of one subscription are left under one hold of the lock.
pub(crate) const TOPICS_AT_ONCE: usize = 32;

/// What a hub was built with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) bounds: Bounds,
    pub(crate) max_topics: usize,
    /// In milliseconds.
    pub(crate) topic_idle: u64,
    pub(crate) creation: TopicCreation,
    pub(crate) max_forgotten_topics: usize,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_topic_name: usize,
    pub(crate) max_key: usize,
    pub(crate) max_topics_per_subscription: usize,
    pub(crate) policy: Policy,
    /// Zero for none.
    pub(crate) pace: Duration,
    pub(crate) keyed: Vec<KeyedTopics>,
    pub(crate) relay: Option<Relay>,
    pub(crate) max_reordered: usize,
}

/// The source of a hub that numbers nothing itself.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) epoch: u64,
    /// The hub has nothing up to here.
    pub(crate) after: u64,
}

/// Which topics are keyed, and for how many keys.
#[derive(Debug)]
pub(crate) struct KeyedTopics {
    pub(crate) filter: Filter,
    pub(crate) max_keys: usize,
}

impl Settings {
    /// How many keys a topic may have, if it is keyed.
    pub(crate) fn max_keys(&self, topic: &str) -> Option<usize> {
        let keyed = self.keyed.iter().find(|keyed| keyed.filter.matches(topic))?;
        Some(keyed.max_keys)
    }
}

/// A hub behind its handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) epoch: u64,
    pub(crate) clock: Clock,
    /// The last number whose message, and those of all numbers before, are in their logs.
    ///
    /// Whoever loads it and then reads any logs finds all messages up to it, or that a log let go
    /// of them. This is what puts the messages of several topics in one order for a reader that
    /// never takes the lock.
    horizon: AtomicU64,
    /// The last number of a relayed hub that never came, or zero: who has not passed it has lost
    /// something.
    hole: AtomicU64,
    order: Mutex<Order>,
    /// Written under the lock, before the horizon moves.
    recent: RwLock<Recent>,
    pub(crate) counts: Counts,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        // With its highest bit set, so that it always has as many digits: messages are as long in
        // one run as in another.
        let random = random_seed() >> (u64::BITS - EPOCH_BITS) | 1 << (EPOCH_BITS - 1);
        let (epoch, after) =
            settings.relay.as_ref().map_or((random, 0), |relay| (relay.epoch, relay.after));
        Self {
            settings,
            epoch,
            clock: Clock::new(),
            horizon: AtomicU64::new(after),
            hole: AtomicU64::new(after),
            order: Mutex::new(Order::starting_after(after)),
            recent: RwLock::new(Recent::new()),
            counts: Counts::default(),
        }
    }

    pub(crate) fn order(&self) -> Locked<'_> {
        Locked(Some(lock(&self.order)))
    }

    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.load(Ordering::Acquire)
    }

    pub(crate) fn position(&self, number: u64) -> Position {
        Position::new(self.epoch, number)
    }

    /// Whether a client can have an event of this position when the hub has given numbers up to
    /// `last`. Of a source that several hubs follow, another hub may be ahead, by no more than what
    /// is held back here.
    pub(crate) fn knows(&self, position: Position, last: u64) -> bool {
        let ahead = if self.settings.relay.is_some() { self.settings.max_reordered } else { 0 };
        position.epoch() == self.epoch && position.number() <= last.saturating_add(ahead as u64)
    }

    pub(crate) fn publish(
        &self,
        topic: &str,
        message: Message,
        key: KeyChange<'_>,
    ) -> Result<Position, PublishError> {
        check_name(topic, self.settings.max_topic_name)?;
        self.check_key(key)?;
        let message = self.prepare(message, self.next_position()?)?;
        let now = self.clock.now();
        let mut order = self.order();
        let topic = self.open_topic(&mut order, topic, key, now)?;
        order.last += 1;
        let number = order.last;
        self.append(&mut order, &topic, message, key, now);
        self.show(&order, &[(&topic, number)]);
        drop(order);
        topic.wake();
        Ok(self.position(number))
    }

    /// Gives the position of the last one.
    pub(crate) fn publish_many(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Option<Position>, PublishError> {
        check_name(topic, self.settings.max_topic_name)?;
        let expected = self.next_position()?;
        let messages: Vec<MessageWithoutId> = messages
            .into_iter()
            .map(|message| self.prepare(message, expected))
            .collect::<Result<_, _>>()?;
        if messages.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut order = self.order();
        let topic = self.open_topic(&mut order, topic, KeyChange::None, now)?;
        for message in messages {
            order.last += 1;
            self.append(&mut order, &topic, message, KeyChange::None, now);
        }
        let last = order.last;
        self.show(&order, &[(&topic, last)]);
        drop(order);
        topic.wake();
        Ok(Some(self.position(last)))
    }

    /// Ends all subscriptions once they have read what there is.
    pub(crate) fn close(&self) {
        let (topics, readers) = {
            let mut order = self.order();
            order.closed = true;
            let topics: Vec<_> = order.registry.topics().map(Arc::clone).collect();
            let readers: Vec<_> =
                order.watchers().map(|watcher| Arc::clone(&watcher.reader)).collect();
            (topics, readers)
        };
        for topic in topics {
            topic.close(SubscriptionEnd::HubClosed);
        }
        let close =
            |reader: &Arc<_>| super::wake::Reader::close(reader, SubscriptionEnd::HubClosed);
        readers.iter().filter_map(close).for_each(Waker::wake);
    }

    /// Ends all subscriptions of an identity at once; gives their number.
    pub(crate) fn close_identity(&self, identity: &str) -> usize {
        let readers = self.order().identified(identity);
        let close =
            |reader: &Arc<_>| super::wake::Reader::close(reader, SubscriptionEnd::IdentityClosed);
        readers.iter().filter_map(close).for_each(Waker::wake);
        readers.len()
    }

    /// The position that a message published now is likely to get.
    fn next_position(&self) -> Result<Position, PublishError> {
        if self.settings.relay.is_some() {
            return Err(PublishError::Relayed);
        }
        Ok(self.position(self.horizon() + 1))
    }

    /// The encoding, as far as it does not depend on the number: what the lock need not be held
    /// for.
    pub(crate) fn prepare(
        &self,
        message: Message,
        expected: Position,
    ) -> Result<MessageWithoutId, PublishError> {
        let message = message.without_id(expected)?;
        let (bytes, max) = (message.len(), self.settings.max_message_bytes);
        if bytes > max {
            return Err(PublishError::MessageTooLong { bytes, max });
        }
        Ok(message)
    }

    pub(crate) fn check_key(&self, key: KeyChange<'_>) -> Result<(), PublishError> {
        let max = self.settings.max_key;
        match key {
            KeyChange::Set(key) | KeyChange::Remove(key) if key.len() > max => {
                Err(PublishError::KeyTooLong { max })
            }
            _ => Ok(()),
        }
    }

    fn open_topic(
        &self,
        order: &mut Order,
        topic: &str,
        key: KeyChange<'_>,
        now: Moment,
    ) -> Result<Arc<Topic>, PublishError> {
        if order.closed {
            return Err(PublishError::Closed);
        }
        order.sweep(&self.settings, now);
        order.topic_to_publish(topic, key, &self.settings, now)
    }

    /// Lets go of everything that has expired, a few topics at a time.
    pub(crate) fn sweep_all(&self) {
        let now = self.clock.now();
        while self.order().sweep(&self.settings, now) {}
    }

    /// Tells the registry of topics that the last subscriber has left, or the last one by name. A
    /// few at a time: a subscription may have had many.
    pub(crate) fn note_left(&self, topics: &[Arc<Topic>]) {
        if topics.is_empty() {
            return;
        }
        let now = self.clock.now();
        for some in topics.chunks(TOPICS_AT_ONCE) {
            self.order().note_left(some, &self.settings, now);
        }
    }

    /// Appends the message with the last number that was given.
    pub(crate) fn append(
        &self,
        order: &mut Order,
        topic: &Topic,
        message: MessageWithoutId,
        key: KeyChange<'_>,
        now: Moment,
    ) {
        order.published += 1;
        let bytes = message.at(self.position(order.last)).into_bytes();
        topic.append(order.last, bytes, key, now, &self.settings.bounds);
        write(&self.recent).note(order.last, topic.id);
        order.note_message(topic, key, &self.settings, now);
    }

    /// Lets readers see what was appended, for each topic up to a number of its own; only under the
    /// lock.
    pub(crate) fn show(&self, order: &Order, changed: &[(impl AsRef<Topic>, u64)]) {
        self.horizon.store(order.last, Ordering::Release);
        // After the horizon: a reader that is told of news by this finds them below the horizon.
        changed.iter().for_each(|(topic, number)| topic.as_ref().set_last(*number));
    }

    /// Which of the topics that `place` knows have messages between two numbers, if that can be
    /// said.
    pub(crate) fn changed(
        &self,
        after: u64,
        through: u64,
        place: impl Fn(u64) -> Option<usize>,
    ) -> Option<Found> {
        read(&self.recent).find(after, through, place)
    }

    pub(crate) fn hole(&self) -> u64 {
        self.hole.load(Ordering::Acquire)
    }

    /// Before the horizon moves past it.
    pub(crate) fn set_hole(&self, hole: u64) {
        self.hole.store(hole, Ordering::Release);
    }
}

/// The hub's lock while it is held.
///
/// When it is dropped, it first frees the lock. Then it wakes the tasks that concern what was done
/// under it, and clears the topics that were removed: wakers are foreign code, and a long log takes
/// time to free.
#[derive(Debug)]
pub(crate) struct Locked<'a>(Option<MutexGuard<'a, Order>>);

impl Deref for Locked<'_> {
    type Target = Order;

    fn deref(&self) -> &Order {
        self.0.as_deref().expect(HELD)
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Order {
        self.0.as_deref_mut().expect(HELD)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut order) = self.0.take() else { return };
        if !order.has_rest() {
            return;
        }
        let (wakers, removed) = order.take_rest();
        drop(order);
        wakers.into_iter().for_each(Waker::wake);
        removed.iter().for_each(|topic| topic.clear());
    }
}

/// Why the guard of [`Locked`] is there.
const HELD: &str = "only dropping takes the guard";
