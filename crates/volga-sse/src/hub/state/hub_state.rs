//! What all handles of a hub share: how a message gets its position and reaches its topic, and
//! which tasks are woken.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::message::{Message, MessageWithoutId};
use crate::codec::position::Position;
use crate::hub::clock::{HubClock, Moment};
use crate::hub::error::PublishError;
use crate::hub::patterns::Patterns;
use crate::hub::patterns::pattern_set::PatternSet;
use crate::hub::presence::filter_presence::{PresentIdentities, SignOutScope};
use crate::hub::presence::hub_presence::SignOut;
use crate::hub::presence::present_in_topic::PresentCount;
use crate::hub::relay::epochs::Place;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::settings::HubSettings;
use crate::hub::state::delivered_counts::DeliveredCounts;
use crate::hub::state::garbage::GarbageQueue;
use crate::hub::state::locked_state::LockedState;
use crate::hub::state::recent_messages::{
    ForgottenMessages, NewMessage, RecentMatches, RecentMessage, RecentMessages,
};
use crate::hub::state::recent_sets::RecentSets;
use crate::hub::stats::Counters;
use crate::hub::sync::{AtomicU64, Mutex, Ordering, RwLock, read, write};
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;
use crate::hub::topic::short_id::ShortId;
use crate::hub::topic::subscriber::SubscriptionEnd;
use crate::hub::topic::wait_list::WaitList;
use crate::hub::topic::{Topic, TopicContents};
use crate::stream::spread::random_seed;

/// The bits of an epoch. With 48 bits two hubs practically never share an epoch, and event IDs stay
/// short.
const EPOCH_BITS: u32 = 48;
/// How many topics of one subscription are updated before the lock is released and taken again.
pub(crate) const TOPICS_AT_ONCE: usize = 16;

/// How many messages are freed before the lock of the last messages is released and taken again.
const FREED_AT_ONCE: usize = 256;

/// What all handles of a hub share.
#[derive(Debug)]
pub(crate) struct HubState {
    pub(crate) settings: HubSettings,
    /// The epoch of a hub without a relay.
    epoch: u64,
    /// The further state of a shared hub.
    pub(crate) shared: Option<Arc<SharedHub>>,
    pub(crate) clock: HubClock,
    /// The greatest number for which all messages up to it are in their logs.
    ///
    /// A reader that loads it and then reads any logs finds each message up to it, or finds that
    /// the log has dropped it. So a subscription reads the messages of several topics in one order
    /// without ever taking the hub's lock.
    horizon: AtomicU64,
    /// A subscription of a shared hub whose cursor is before this number may have missed something,
    /// or may have received what did not last. Zero in other hubs.
    last_missing: AtomicU64,
    pub(super) locked: Mutex<LockedState>,
    /// How many threads wait for the lock. Those that take it often wait until nobody else does.
    pub(super) waiting: std::sync::atomic::AtomicUsize,
    /// Written under the hub's lock, before the horizon advances.
    recent: RwLock<RecentMessages>,
    pub(crate) patterns: Arc<Patterns>,
    /// The deliveries to subscriptions of several topics.
    delivered: Arc<DeliveredCounts>,
    pub(crate) counters: Counters,
    /// Dropped memory that is not freed yet.
    pub(crate) garbage: GarbageQueue,
    /// How many steps the next [`catch_up`](Self::catch_up) does.
    pub(crate) owed_sweeps: AtomicU64,
    /// When a subscription without news last let the hub drop what has expired.
    #[cfg(not(all(test, loom)))]
    pub(crate) last_quiet_sweep: AtomicU64,
}

impl HubState {
    pub(crate) fn new(settings: HubSettings, shared: Option<Arc<SharedHub>>) -> Self {
        // The highest bit is set, so that epochs always have the same number of digits. Messages
        // then have the same length in every run of a program.
        let epoch = random_seed() >> (u64::BITS - EPOCH_BITS) | 1 << (EPOCH_BITS - 1);
        let is_shared = shared.is_some();
        let locked = LockedState::default();
        let patterns = Arc::clone(&locked.registry.patterns);
        let delivered = Arc::clone(&locked.registry.delivered);
        Self {
            settings,
            epoch,
            shared,
            clock: if is_shared { HubClock::of_shared_hub() } else { HubClock::new() },
            horizon: AtomicU64::new(0),
            last_missing: AtomicU64::new(0),
            locked: Mutex::new(locked),
            waiting: std::sync::atomic::AtomicUsize::new(0),
            recent: RwLock::new(RecentMessages::default()),
            patterns,
            delivered,
            counters: Counters::default(),
            garbage: GarbageQueue::default(),
            owed_sweeps: AtomicU64::new(0),
            #[cfg(not(all(test, loom)))]
            last_quiet_sweep: AtomicU64::new(0),
        }
    }

    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.load(Ordering::Acquire)
    }

    pub(crate) fn position(&self, number: u64) -> Position {
        match &self.shared {
            None => Position::new(self.epoch, number),
            Some(shared) => shared.position(number),
        }
    }

    /// Where a client's position is when the hub has assigned numbers up to `last`.
    pub(crate) fn place(&self, position: Position, last: u64) -> Place {
        match &self.shared {
            Some(shared) => shared.place(position, last),
            None if position.epoch() == self.epoch && position.number() <= last => {
                Place::Known(position.number())
            }
            None => Place::Unknown,
        }
    }

    pub(crate) fn publish(
        &self,
        topic: &str,
        message: Message,
        key: KeyChange<'_>,
    ) -> Result<Position, PublishError> {
        self.publish_unless_done(topic, message, key, None)
    }

    /// Publishes a message, unless one was published with the same retry key.
    pub(crate) fn publish_once(
        &self,
        topic: &str,
        message: Message,
        key: KeyChange<'_>,
        retry_key: &Arc<str>,
    ) -> Result<Position, PublishError> {
        self.publish_unless_done(topic, message, key, Some(retry_key))
    }

    // Always inlined, so that publishing without a retry key does not check for one.
    #[inline(always)]
    fn publish_unless_done(
        &self,
        topic: &str,
        message: Message,
        key: KeyChange<'_>,
        retry_key: Option<&Arc<str>>,
    ) -> Result<Position, PublishError> {
        check_name(topic, self.settings.max_topic_name)?;
        self.check_key(key)?;
        let message = self.prepare(message, self.next_position()?)?;
        let now = self.clock.now();
        let mut locked = self.lock();
        if let Some(number) = retry_key.and_then(|key| locked.retry_keys.find(key, now)) {
            return Ok(self.position(number));
        }
        let topic = self.open_topic(&mut locked, topic, key, now)?;
        locked.last_number += 1;
        let number = locked.last_number;
        if let Some(retry_key) = retry_key {
            locked.retry_keys.note(retry_key, number, now);
        }
        let patterns = self.append(&mut locked, &topic, message, key, now);
        self.advance_horizon(&locked, &[(&topic, number)]);
        drop(locked);
        WaitList::wake(&topic);
        patterns.iter().for_each(|patterns| self.patterns.wake(patterns));
        self.catch_up(now);
        Ok(self.position(number))
    }

    /// Publishes the messages one right after the other, and returns the position of the last one.
    pub(crate) fn publish_many(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Option<Position>, PublishError> {
        check_name(topic, self.settings.max_topic_name)?;
        let expected = self.next_position()?;
        let messages = self.prepare_many(messages, expected)?;
        if messages.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut locked = self.lock();
        self.check_batch(&messages, locked.last_number)?;
        let topic = self.open_topic(&mut locked, topic, KeyChange::None, now)?;
        let mut patterns = None;
        for message in messages {
            locked.last_number += 1;
            patterns = self.append(&mut locked, &topic, message, KeyChange::None, now);
        }
        let last = locked.last_number;
        self.advance_horizon(&locked, &[(&topic, last)]);
        drop(locked);
        WaitList::wake(&topic);
        patterns.iter().for_each(|patterns| self.patterns.wake(patterns));
        self.catch_up(now);
        Ok(Some(self.position(last)))
    }

    /// Removes a topic. Those who show values of its keys are told by a gap, which takes a number.
    pub(crate) fn remove_topic(&self, name: &str) -> bool {
        let now = self.clock.now();
        let mut locked = self.lock();
        let Some(topic) = locked.topic(name) else { return false };
        let is_told = self.shared.is_none() && topic.has_values();
        if is_told {
            locked.last_number += 1;
            locked.clear_topic(&topic);
            topic.note_gap(locked.last_number);
        }
        let patterns = if is_told { self.remember(&mut locked, &topic, None) } else { None };
        if is_told {
            self.advance_horizon(&locked, &[(&topic, locked.last_number)]);
        }
        locked.remove_topic(&topic, &self.settings, now);
        drop(locked);
        if is_told {
            WaitList::wake(&topic);
            patterns.iter().for_each(|patterns| self.patterns.wake(patterns));
        }
        true
    }

    /// Ends all subscriptions, each after it has delivered what was published before.
    pub(crate) fn close(&self) {
        // A subscription or a watch that begins after this ends by itself.
        self.lock_when_told().is_closed = true;
        let mut last: Option<Arc<str>> = None;
        loop {
            last = self.lock_for_step().close_presence_step(last.as_deref());
            if last.is_none() {
                break;
            }
        }
        self.walk_all(|topic| topic.readers.close(SubscriptionEnd::HubClosed));
        self.patterns.walk(|pattern| pattern.readers.close(SubscriptionEnd::HubClosed));
    }

    /// Whether a new message of a topic with this key would be refused, as far as this node knows.
    pub(crate) fn check_send(&self, topic: &str, key: KeyChange<'_>) -> Result<(), PublishError> {
        check_name(topic, self.settings.max_topic_name)?;
        self.check_key(key)?;
        self.lock().check_publish(topic, key, &self.settings)
    }

    /// Ends all subscriptions of an identity at once, and returns their number. The identity leaves
    /// every topic.
    pub(crate) fn close_identity(&self, identity: &str) -> usize {
        let (group, sign_out) =
            self.lock().begin_sign_out(&identity.into(), SignOutScope::ThisNode);
        let count = group.map_or(0, |group| group.close(SubscriptionEnd::IdentityClosed));
        sign_out.into_iter().for_each(|sign_out| self.finish_sign_out(sign_out));
        count
    }

    /// Lets an identity that signs out leave its topics, a few at a time.
    pub(crate) fn finish_sign_out(&self, mut sign_out: SignOut) {
        while self.lock_for_step().sign_out_step(&mut sign_out) {}
    }

    /// Returns the identities that are present in a topic, each with the number of its
    /// subscriptions.
    pub(crate) fn present(&self, topic: &str) -> PresentIdentities {
        if check_name(topic, self.settings.max_topic_name).is_err() {
            return PresentIdentities::new();
        }
        self.sweep_presence(topic);
        self.list_present(topic)
    }

    /// Lists the identities that are present in a topic, a few at a time. The lock is released in
    /// between, so an identity that comes or goes meanwhile may be missing or there.
    pub(crate) fn list_present(&self, topic: &str) -> PresentIdentities {
        let mut present = PresentIdentities::new();
        let mut end = None;
        loop {
            let page = self.lock_for_step().page_of_present(topic, end.as_ref());
            for (identity, count) in page.identities {
                if let Some(subscriptions) = self.finish_count(topic, &identity, count) {
                    present.insert(identity, subscriptions);
                }
            }
            end = page.end;
            if end.is_none() {
                return present;
            }
        }
    }

    /// Counts the rest of an identity's subscriptions in a topic, a few at a time. `None` if the
    /// identity is not present.
    pub(crate) fn finish_count(
        &self,
        topic: &str,
        identity: &Arc<str>,
        mut count: PresentCount,
    ) -> Option<usize> {
        while !count.is_complete() {
            self.lock_for_step().presence.count_on(topic, identity, &mut count);
        }
        count.total()
    }

    /// The position that a message gets if it is published now and no other message comes first.
    fn next_position(&self) -> Result<Position, PublishError> {
        if self.shared.is_some() {
            return Err(PublishError::Shared);
        }
        Ok(self.position(self.horizon() + 1))
    }

    /// Encodes the message apart from its ID, which is not known yet. This needs no lock.
    pub(crate) fn prepare(
        &self,
        message: Message,
        expected: Position,
    ) -> Result<MessageWithoutId, PublishError> {
        let reserved = message.event_name().and_then(|name| self.settings.reserved_event(name));
        if let Some(name) = reserved {
            return Err(PublishError::ReservedEvent { name });
        }
        let message = message.without_id(expected)?;
        let (bytes, max) = (message.len(), self.settings.max_message_bytes);
        if bytes > max {
            return Err(PublishError::MessageTooLong { bytes, max });
        }
        Ok(message)
    }

    /// Encodes messages that are published together. Takes no more of them than a log holds, so
    /// that an endless iterator is refused.
    fn prepare_many(
        &self,
        messages: impl IntoIterator<Item = Message>,
        expected: Position,
    ) -> Result<Vec<MessageWithoutId>, PublishError> {
        let (max, max_bytes) = (self.settings.bounds.messages, self.settings.bounds.bytes);
        let (mut prepared, mut bytes) = (Vec::new(), 0);
        for message in messages {
            if prepared.len() == max {
                return Err(PublishError::TooManyMessages { max });
            }
            let message = self.prepare(message, expected)?;
            bytes += message.len_without_id();
            if bytes > max_bytes && !prepared.is_empty() {
                return Err(PublishError::TooManyBytes { max: max_bytes });
            }
            prepared.push(message);
        }
        Ok(prepared)
    }

    /// Checks that a log holds all of these messages, which will be published after the number
    /// `last`. A log holds any single message, however long it is.
    fn check_batch(&self, messages: &[MessageWithoutId], last: u64) -> Result<(), PublishError> {
        let max = self.settings.bounds.bytes;
        let bytes_of =
            |(number, message): (u64, &MessageWithoutId)| message.len_at(self.position(number));
        let bytes: usize = (last + 1..).zip(messages).map(bytes_of).sum();
        if messages.len() > 1 && bytes > max {
            return Err(PublishError::TooManyBytes { max });
        }
        Ok(())
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
        if locked.is_closed {
            return Err(PublishError::Closed);
        }
        self.sweep_step(locked, now);
        locked.topic_to_publish(topic, key, &self.settings)
    }

    /// Appends the message with the last number that was assigned. Returns the patterns whose
    /// readers must be woken once the message is readable.
    pub(crate) fn append(
        &self,
        locked: &mut LockedState,
        topic: &Arc<Topic>,
        message: MessageWithoutId,
        key: KeyChange<'_>,
        now: Moment,
    ) -> Option<Arc<PatternSet>> {
        locked.published += 1;
        let bytes = message.at(self.position(locked.last_number)).into_bytes();
        let held = locked.remembers_messages.then(|| (bytes.clone(), now));
        let (is_remembered, mut dropped) = (held.is_some(), std::mem::take(&mut locked.dropped));
        // The message is noted before the log has it. If a reader lets the log drop it at once,
        // because it is old, the reader finds it in the list and frees it there.
        let patterns = self.remember(locked, topic, held);
        let age_bounds = (now, &self.settings.bounds);
        let taken = topic.append(locked.last_number, bytes, key, age_bounds, |number| {
            if is_remembered {
                dropped.push(number);
            }
        });
        if let Some(taken) = taken {
            locked.free_later(TopicContents::from(taken));
        }
        self.free_recent(&dropped);
        dropped.clear();
        locked.dropped = dropped;
        locked.note_message(topic, key, &self.settings, now);
        patterns
    }

    /// Remembers the last number that was assigned, and its message if there is one, with the time
    /// at which it was published. Returns the patterns that match its topic.
    pub(crate) fn remember(
        &self,
        locked: &mut LockedState,
        topic: &Arc<Topic>,
        held: Option<(Bytes, Moment)>,
    ) -> Option<Arc<PatternSet>> {
        let patterns = self.patterns.of(topic);
        if locked.remembers_messages {
            let message = NewMessage { topic, patterns: patterns.as_deref(), held };
            let (number, removed) = (locked.last_number, locked.registry.removed);
            let forgotten = write(&self.recent).note(number, message, removed);
            if let Some(forgotten) = forgotten {
                locked.free_later(forgotten);
            }
        }
        patterns
    }

    /// Frees messages in the list of the last ones, because the logs of their topics have dropped
    /// them. Others may have the lock of the list after every few messages.
    pub(crate) fn free_recent(&self, dropped: &[u64]) {
        let mut pages = dropped.chunks(FREED_AT_ONCE).peekable();
        while let Some(page) = pages.next() {
            write(&self.recent).free(page);
            if pages.peek().is_some() {
                std::thread::yield_now();
            }
        }
    }

    /// Forgets which messages came last. Those that have not read them look at all of their topics.
    pub(crate) fn forget_recent(&self) -> ForgottenMessages {
        write(&self.recent).clear()
    }

    /// Drops the messages of a topic that are too old. The caller does not hold the hub's lock.
    pub(crate) fn expire(&self, topic: &Topic, now: Moment) {
        let mut dropped = Vec::new();
        let (_, taken) = topic.expire(now, &self.settings.bounds, |number| dropped.push(number));
        self.free_recent(&dropped);
        taken.into_iter().for_each(|taken| self.free(TopicContents::from(taken)));
    }

    /// Panics if the list of the last messages holds one that no log holds. Its memory would not
    /// count for the bounds of any topic.
    #[cfg(test)]
    pub(crate) fn check_recent(&self) {
        let topics: Vec<_> = self.lock().registry.topics().map(Arc::clone).collect();
        let in_logs: std::collections::HashSet<u64> =
            topics.iter().flat_map(|topic| topic.last_numbers(usize::MAX, u64::MAX)).collect();
        for number in read(&self.recent).held() {
            assert!(in_logs.contains(&number), "no log holds message {number}");
        }
    }

    /// Counts a delivery to a subscription of several topics.
    #[inline]
    pub(crate) fn count_delivered(&self, topic: ShortId) {
        if !self.delivered.count(topic) {
            self.counters.late_delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many messages of a topic were delivered to subscriptions of several topics.
    pub(crate) fn delivered_to_several(&self, topic: &Topic) -> u64 {
        self.delivered.get(topic.short_id())
    }

    /// Makes appended messages readable, up to the given number in each topic. Called only under
    /// the lock.
    pub(crate) fn advance_horizon(
        &self,
        locked: &LockedState,
        changed: &[(impl AsRef<Topic>, u64)],
    ) {
        self.horizon.store(locked.last_number, Ordering::Release);
        // This happens after the horizon has advanced. So a subscription that learns of a message
        // from its topic finds that message below the horizon.
        changed.iter().for_each(|(topic, number)| topic.as_ref().make_readable(*number));
    }

    /// Finds the topics of messages after one number and up to another, of which some have one of
    /// the bits of the mask. `None` if not all of these messages are remembered.
    /// `max` is the number of messages to return at most.
    pub(crate) fn find_recent(
        &self,
        after: u64,
        through: u64,
        mask: u64,
        max: usize,
    ) -> Option<RecentMatches> {
        read(&self.recent).find(after, through, mask, max)
    }

    /// Visits messages that are remembered. See [`RecentMessages::visit`].
    pub(crate) fn visit_recent(
        &self,
        after: u64,
        through: u64,
        visit: impl FnMut(u64, &RecentMessage, &RecentSets) -> ControlFlow<()>,
    ) -> Option<u64> {
        read(&self.recent).visit(after, through, visit)
    }

    /// The first number that is remembered.
    pub(crate) fn first_recent(&self) -> u64 {
        read(&self.recent).first()
    }

    pub(crate) fn last_missing(&self) -> u64 {
        self.last_missing.load(Ordering::Acquire)
    }

    /// Messages of a shared hub up to this number are missing, and may have belonged to any topic.
    #[cold]
    pub(crate) fn lost_by_all(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.lost_by_all())
    }

    /// Must be called before the horizon advances past the number.
    pub(crate) fn set_last_missing(&self, last_missing: u64) {
        self.last_missing.store(last_missing, Ordering::Release);
    }
}
