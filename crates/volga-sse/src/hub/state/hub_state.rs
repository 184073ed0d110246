//! The hub behind its handles: how a message gets its number and its place, and who is woken.

use std::sync::Arc;
use std::task::Waker;

use crate::codec::message::{Message, Unnumbered};
use crate::codec::position::Position;
use crate::hub::clock::{HubClock, Moment};
use crate::hub::error::PublishError;
use crate::hub::settings::HubSettings;
use crate::hub::state::guard::StateGuard;
use crate::hub::state::locked::LockedState;
use crate::hub::state::recent_topics::{RecentTopics, TopicIndexes};
use crate::hub::stats::Counters;
use crate::hub::sync::{AtomicU64, Mutex, Ordering, RwLock, lock, read, write};
use crate::hub::topic::Topic;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::stream::spread::random_seed;

/// The bits of an epoch: enough that no two hubs share one, and few enough for an event ID to stay
/// short.
const EPOCH_BITS: u32 = 48;
/// How many topics of one subscription are left under one hold of the lock.
pub(crate) const TOPICS_AT_ONCE: usize = 32;

/// A hub behind its handles.
#[derive(Debug)]
pub(crate) struct HubState {
    pub(crate) settings: HubSettings,
    pub(crate) epoch: u64,
    pub(crate) clock: HubClock,
    /// The last number whose message, and those of all numbers before, are in their logs.
    ///
    /// Whoever loads it and then reads any logs finds all messages up to it, or that a log let go
    /// of them. This is what puts the messages of several topics in one order for a reader that
    /// never takes the lock.
    horizon: AtomicU64,
    /// The last number of a relayed hub that never came, or zero: who has not passed it has lost
    /// something.
    last_missing: AtomicU64,
    locked: Mutex<LockedState>,
    /// Written under the lock, before the horizon moves.
    recent: RwLock<RecentTopics>,
    pub(crate) counters: Counters,
}

impl HubState {
    pub(crate) fn new(settings: HubSettings) -> Self {
        // With its highest bit set, so that it always has as many digits: messages are as long in
        // one run as in another.
        let random = random_seed() >> (u64::BITS - EPOCH_BITS) | 1 << (EPOCH_BITS - 1);
        let (epoch, after) =
            settings.relay.as_ref().map_or((random, 0), |relay| (relay.epoch, relay.after));
        Self {
            settings,
            epoch,
            clock: HubClock::new(),
            horizon: AtomicU64::new(after),
            last_missing: AtomicU64::new(after),
            locked: Mutex::new(LockedState::starting_after(after)),
            recent: RwLock::new(RecentTopics::new()),
            counters: Counters::default(),
        }
    }

    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard::new(lock(&self.locked))
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
    pub(crate) fn may_have_sent(&self, position: Position, last: u64) -> bool {
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
        let mut locked = self.lock();
        let topic = self.open_topic(&mut locked, topic, key, now)?;
        locked.last += 1;
        let number = locked.last;
        self.append(&mut locked, &topic, message, key, now);
        self.advance_horizon(&locked, &[(&topic, number)]);
        drop(locked);
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
        let messages: Vec<Unnumbered> = messages
            .into_iter()
            .map(|message| self.prepare(message, expected))
            .collect::<Result<_, _>>()?;
        if messages.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut locked = self.lock();
        let topic = self.open_topic(&mut locked, topic, KeyChange::None, now)?;
        for message in messages {
            locked.last += 1;
            self.append(&mut locked, &topic, message, KeyChange::None, now);
        }
        let last = locked.last;
        self.advance_horizon(&locked, &[(&topic, last)]);
        drop(locked);
        topic.wake();
        Ok(Some(self.position(last)))
    }

    /// Ends all subscriptions once they have read what there is.
    pub(crate) fn close(&self) {
        let (topics, readers) = {
            let mut locked = self.lock();
            locked.closed = true;
            let topics: Vec<_> = locked.registry.topics().map(Arc::clone).collect();
            let readers: Vec<_> = locked
                .pattern_subscribers()
                .map(|pattern_subscriber| Arc::clone(&pattern_subscriber.subscriber))
                .collect();
            (topics, readers)
        };
        for topic in topics {
            topic.close(SubscriptionEnd::HubClosed);
        }
        let close = |subscriber: &Arc<_>| Subscriber::close(subscriber, SubscriptionEnd::HubClosed);
        readers.iter().filter_map(close).for_each(Waker::wake);
    }

    /// Ends all subscriptions of an identity at once; gives their number.
    pub(crate) fn close_identity(&self, identity: &str) -> usize {
        let readers = self.lock().subscribers_of(identity);
        let close =
            |subscriber: &Arc<_>| Subscriber::close(subscriber, SubscriptionEnd::IdentityClosed);
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
    ) -> Result<Unnumbered, PublishError> {
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
        locked: &mut LockedState,
        topic: &str,
        key: KeyChange<'_>,
        now: Moment,
    ) -> Result<Arc<Topic>, PublishError> {
        if locked.closed {
            return Err(PublishError::Closed);
        }
        locked.sweep(&self.settings, now);
        locked.topic_to_publish(topic, key, &self.settings, now)
    }

    /// Lets go of everything that has expired, a few topics at a time.
    pub(crate) fn sweep_all(&self) {
        let now = self.clock.now();
        while self.lock().sweep(&self.settings, now) {}
    }

    /// Tells the registry of topics that the last subscriber has left, or the last one by name. A
    /// few at a time: a subscription may have had many.
    pub(crate) fn note_left(&self, topics: &[Arc<Topic>]) {
        if topics.is_empty() {
            return;
        }
        let now = self.clock.now();
        for some in topics.chunks(TOPICS_AT_ONCE) {
            self.lock().note_left(some, &self.settings, now);
        }
    }

    /// Appends the message with the last number that was given.
    pub(crate) fn append(
        &self,
        locked: &mut LockedState,
        topic: &Topic,
        message: Unnumbered,
        key: KeyChange<'_>,
        now: Moment,
    ) {
        locked.published += 1;
        let bytes = message.at(self.position(locked.last)).into_bytes();
        topic.append(locked.last, bytes, key, now, &self.settings.bounds);
        write(&self.recent).note(locked.last, topic.id);
        locked.note_message(topic, key, &self.settings, now);
    }

    /// Lets readers see what was appended, for each topic up to a number of its own; only under the
    /// lock.
    pub(crate) fn advance_horizon(
        &self,
        locked: &LockedState,
        changed: &[(impl AsRef<Topic>, u64)],
    ) {
        self.horizon.store(locked.last, Ordering::Release);
        // After the horizon: a reader that is told of news by this finds them below the horizon.
        changed.iter().for_each(|(topic, number)| topic.as_ref().set_last(*number));
    }

    /// Which of the topics that `place` knows have messages between two numbers, if that can be
    /// said.
    pub(crate) fn topics_with_messages(
        &self,
        after: u64,
        through: u64,
        index_of: impl Fn(u64) -> Option<usize>,
    ) -> Option<TopicIndexes> {
        read(&self.recent).find(after, through, index_of)
    }

    pub(crate) fn last_missing(&self) -> u64 {
        self.last_missing.load(Ordering::Acquire)
    }

    /// Before the horizon moves past it.
    pub(crate) fn set_last_missing(&self, last_missing: u64) {
        self.last_missing.store(last_missing, Ordering::Release);
    }
}
