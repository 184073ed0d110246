//! A topic of a hub: its log, the table of its keys if it is keyed, and its subscribers.
//!
//! | module | content |
//! |---|---|
//! | `name`, `pattern` (pure) | names, and patterns of them |
//! | `log` (pure) | the last messages |
//! | `key_table` (pure) | the newest message of each key |
//! | `joined_frame` (pure) | messages of one topic, joined into one frame |
//! | `short_id` (pure) | a topic's ID in eight bytes |
//! | `scan`, `batch` (pure) | what a subscription looks for, and what it takes at once |
//! | `subscriber` | the part of a subscription that publishers reach |
//! | `sleepers` (pure), `wait_list`, `waves` | the readers of a topic or pattern, and waking them |
//! | `membership` | joining a topic and leaving it |

pub(crate) mod batch;
pub(crate) mod joined_frame;
pub(crate) mod key_table;
pub(crate) mod log;
pub(crate) mod membership;
pub(crate) mod name;
pub(crate) mod pattern;
pub(crate) mod scan;
pub(crate) mod short_id;
pub(crate) mod sleepers;
pub(crate) mod subscriber;
pub(crate) mod wait_list;
pub(crate) mod waves;

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::clock::Moment;
use crate::hub::error::PublishError;
use crate::hub::patterns::pattern_set::KnownPatterns;
use crate::hub::patterns::shared_pattern::RemovedNumbers;
use crate::hub::settings::LogBounds;
use crate::hub::stats::TopicStats;
use crate::hub::sync::{AtomicBool, AtomicU64, Ordering, RwLock, read, write};
use crate::hub::topic::joined_frame::JoinedFrame;
use crate::hub::topic::key_table::{KeyChange, KeyTable, NewValues};
use crate::hub::topic::log::{LogEntries, LogEntry, TopicLog};
use crate::hub::topic::scan::Scan;
use crate::hub::topic::short_id::ShortId;
use crate::hub::topic::wait_list::WaitList;
use crate::hub::topic::waves::HasReaders;

/// A topic of a hub.
// The fields keep this order, so that all that a reader of many topics needs lies side by side,
// if it must look at the topic. Such a reader waits for each cache line of a topic that it has not
// read for a while.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Topic {
    /// The number of the last message that subscriptions may read.
    last: AtomicU64,
    /// How many messages were delivered to subscriptions of this topic alone that have ended.
    delivered: AtomicU64,
    /// True once the registry has removed the topic. It changes only under the hub's lock.
    removed: AtomicBool,
    /// The index of its record in the registry. After the topic is removed, another topic may use
    /// the same index.
    pub(crate) slot: u32,
    data: RwLock<TopicData>,
    /// The patterns that match the topic, as far as they are known.
    pub(crate) patterns: KnownPatterns,
    /// Greater than the ID of every topic that was created before.
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) earlier: EarlierNumbers,
    /// The subscriptions that name the topic.
    pub(crate) readers: WaitList,
}

/// How many values of keys are looked at before the lock of a topic is released and taken again.
const VALUES_AT_ONCE: usize = 64;
/// The same for messages.
const MESSAGES_AT_ONCE: usize = 256;

/// The numbers of earlier topics of the same name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct EarlierNumbers {
    /// The last one. Zero if there was no message, or if the hub has forgotten the number.
    pub(crate) known: u64,
    /// No number was greater than this one.
    pub(crate) bound: u64,
}

/// The messages and values that a topic holds.
#[repr(C)]
#[derive(Debug)]
struct TopicData {
    keys: Option<Box<KeyTable>>,
    log: TopicLog,
}

/// The messages and values that were taken out of a topic. They may be many, so they are freed
/// without a lock, a piece at a time.
#[derive(Debug, Default)]
pub(crate) struct TopicContents {
    log: LogEntries,
    keys: Option<KeyTable>,
}

impl From<LogEntries> for TopicContents {
    fn from(log: LogEntries) -> Self {
        Self { log, keys: None }
    }
}

impl TopicContents {
    /// Frees some of the messages, or else the values. Before that, it passes the numbers of these
    /// messages to a function. Returns true if there is more to free.
    pub(crate) fn free_piece(&mut self, note: impl FnOnce(&[u64])) -> bool {
        let piece = self.log.take_front(MESSAGES_AT_ONCE);
        if piece.is_empty() {
            self.keys = None;
            return false;
        }
        let numbers: Vec<_> = piece.iter_from(0).map(|entry: &LogEntry| entry.number).collect();
        note(&numbers);
        !self.log.is_empty() || self.keys.is_some()
    }
}

/// The kinds of contents for which a topic may be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    Empty,
    Messages,
    /// At least one key has a value, even if its message has left the log.
    Keys,
}

impl HasReaders for Topic {
    fn readers(&self) -> &WaitList {
        &self.readers
    }
}

impl Topic {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        name: Arc<str>,
        earlier: EarlierNumbers,
        max_keys: Option<usize>,
    ) -> Self {
        let keys = max_keys.map(|max| Box::new(KeyTable::new(max)));
        Self {
            id,
            slot,
            name,
            earlier,
            last: AtomicU64::new(0),
            removed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            data: RwLock::new(TopicData { log: TopicLog::default(), keys }),
            readers: WaitList::default(),
            patterns: KnownPatterns::default(),
        }
    }

    /// A topic that a hub does not have, and that holds nothing.
    pub(crate) fn removed(name: &str) -> Self {
        // No other topic has this ID.
        let topic = Self::new(u64::MAX, 0, name.into(), EarlierNumbers::default(), None);
        topic.set_removed();
        topic
    }

    /// The number of the last message that may be read, or zero.
    pub(crate) fn last_readable(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Makes the messages up to this number readable. The caller has appended all messages of the
    /// hub up to it.
    pub(crate) fn make_readable(&self, number: u64) {
        self.last.fetch_max(number, Ordering::Release);
    }

    /// The last number of this topic or of an earlier topic of the same name. A later topic of this
    /// name must know it, so a message counts here even before it may be read.
    pub(crate) fn last_number_of_name(&self) -> u64 {
        self.earlier.bound.max(self.last_readable()).max(self.last_number())
    }

    /// The numbers that a reader must have read to miss nothing when the topic is removed.
    pub(crate) fn numbers_to_remove(&self) -> RemovedNumbers {
        let (last, message) = {
            let log = &read(&self.data).log;
            (log.last_number(), log.last_message_number())
        };
        let last = last.max(self.last_readable()).max(self.earlier.known);
        RemovedNumbers { last, last_of_keyed: if self.is_keyed() { last } else { 0 }, message }
    }

    /// The number of the last message that was appended, or zero. The log may have dropped that
    /// message.
    pub(crate) fn last_number(&self) -> u64 {
        read(&self.data).log.last_number()
    }

    /// Whether the registry has removed the topic. Subscriptions report the messages that they had
    /// not read by then as a gap.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(crate) fn set_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }

    /// What the topic holds apart from expired messages.
    pub(crate) fn contents_at(&self, now: Moment, bounds: &LogBounds) -> Contents {
        let data = read(&self.data);
        match &data.keys {
            Some(keys) if keys.len() > 0 => Contents::Keys,
            _ if data.log.has_messages_at(now, bounds) => Contents::Messages,
            _ => Contents::Empty,
        }
    }

    /// Takes all messages and values out. The log records what it dropped, so a subscription that
    /// had not read a message reports a gap. The caller frees the contents without a lock.
    pub(crate) fn take_contents(&self) -> TopicContents {
        let mut data = write(&self.data);
        let log = data.log.take();
        let dropped = data.log.dropped();
        let keys = data.keys.as_mut().map(|keys| keys.clear(dropped));
        TopicContents { log, keys }
    }

    /// Lets every subscription that has not read up to this number report a gap, although this is
    /// not the number of a message.
    pub(crate) fn note_gap(&self, number: u64) {
        write(&self.data).log.note_lost(number);
    }

    /// The topic's ID in eight bytes.
    pub(crate) fn short_id(&self) -> ShortId {
        ShortId::new(self.id, self.slot)
    }

    /// Appends a message. Calls `note_dropped` with the number of each message that the log drops,
    /// apart from those that it returns.
    pub(crate) fn append(
        &self,
        number: u64,
        bytes: Bytes,
        key: KeyChange<'_>,
        (now, bounds): (Moment, &LogBounds),
        note_dropped: impl FnMut(u64),
    ) -> Option<LogEntries> {
        let mut data = write(&self.data);
        let TopicData { log, keys } = &mut *data;
        if let Some(keys) = keys {
            match key {
                KeyChange::Set(key) => keys.set(key, number, bytes.clone()),
                KeyChange::Remove(key) => {
                    keys.remove(key);
                    keys.note_unkeyed(number);
                }
                KeyChange::None => keys.note_unkeyed(number),
            }
        }
        let taken = log.append(number, bytes, now, bounds, note_dropped);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
        taken
    }

    /// Records that the message with this number never came, and that it had this key.
    pub(crate) fn note_lost(&self, number: u64, key: KeyChange<'_>) {
        let mut data = write(&self.data);
        data.log.note_lost(number);
        if let (Some(keys), KeyChange::Set(key) | KeyChange::Remove(key)) = (&mut data.keys, key) {
            // The value before is not the newest one any more.
            keys.remove(key);
        }
    }

    /// Takes the messages out that came after a number and did not last. Also returns the first
    /// number of which the topic may have had such a message. The readers of a keyed topic are told
    /// of a gap up to `through`, because the values of before are not known any more. The caller
    /// goes on with [`roll_back_values`](Self::roll_back_values).
    pub(crate) fn roll_back(&self, kept: u64, through: u64) -> Option<(u64, LogEntries)> {
        let mut data = write(&self.data);
        let (first, taken) = data.log.roll_back(kept)?;
        if let Some(keys) = &mut data.keys {
            keys.roll_back_unkeyed(kept);
            data.log.note_lost(through);
        }
        Some((first, taken))
    }

    /// Drops a few of the values that came after a number and did not last. Returns true if there
    /// are more.
    pub(crate) fn roll_back_values(&self, kept: u64) -> bool {
        write(&self.data).keys.as_mut().is_some_and(|keys| keys.roll_back_step(kept))
    }

    /// Collects values that will replace those of the topic. Of a key whose newest value has a
    /// number greater than `last`, the value of before stays until the newest one comes. `None` if
    /// the topic is not keyed.
    pub(crate) fn collect_values(
        &self,
        entries: &[(&str, u64, Bytes)],
        last: u64,
    ) -> Option<NewValues> {
        let mut new = read(&self.data).keys.as_ref()?.begin_replacement();
        for some in entries.chunks(VALUES_AT_ONCE) {
            let old: Vec<_> = {
                let data = read(&self.data);
                let value_of = |key: &str| data.keys.as_ref()?.get(key);
                some.iter().map(|(key, ..)| value_of(key)).collect()
            };
            for ((key, number, bytes), old) in some.iter().zip(old) {
                new.add(key, (*number, bytes), last, old);
            }
        }
        Some(new)
    }

    /// See [`KeyTable::replace`].
    pub(crate) fn replace_values(&self, new: NewValues) -> Option<KeyTable> {
        write(&self.data).keys.as_mut()?.replace(new)
    }

    /// Drops the messages that are too old, and calls `note_dropped` with their numbers, apart from
    /// those that it returns. Also returns when the first and the last of the remaining messages
    /// expire, or `None` if no message remains.
    pub(crate) fn expire(
        &self,
        now: Moment,
        bounds: &LogBounds,
        note_dropped: impl FnMut(u64),
    ) -> (Option<(Moment, Moment)>, Option<LogEntries>) {
        let mut data = write(&self.data);
        let TopicData { log, keys } = &mut *data;
        let taken = log.expire(now, bounds, note_dropped);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
        (log.expiries(bounds), taken)
    }

    /// Whether the log holds a message with this number that is too old.
    pub(crate) fn has_expired(&self, number: u64, now: Moment, bounds: &LogBounds) -> bool {
        read(&self.data).log.has_expired(number, now, bounds)
    }

    /// Checks whether a message with this key may be published.
    pub(crate) fn check_key(&self, key: KeyChange<'_>) -> Result<(), PublishError> {
        if key == KeyChange::None {
            return Ok(());
        }
        match (&read(&self.data).keys, key) {
            (None, _) => Err(PublishError::NotKeyed),
            (Some(keys), KeyChange::Set(key)) if !keys.has_room(key) => {
                Err(PublishError::TooManyKeys { max: keys.max() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a key has a value.
    pub(crate) fn has_values(&self) -> bool {
        read(&self.data).keys.as_ref().is_some_and(|keys| keys.len() > 0)
    }

    pub(crate) fn is_keyed(&self) -> bool {
        read(&self.data).keys.is_some()
    }

    /// The number of the last message up to this number that the log holds, or of the last one that
    /// it has dropped. Zero if there was none.
    pub(crate) fn last_through(&self, number: u64) -> u64 {
        read(&self.data).log.last_through(number)
    }

    /// Returns the numbers of the last `count` messages up to this number.
    pub(crate) fn last_numbers(&self, count: usize, through: u64) -> Vec<u64> {
        let mut after = read(&self.data).log.before_last(count, through);
        let mut numbers = Vec::new();
        loop {
            let before = numbers.len();
            // The lock is released after every few messages, because a publisher waits for it.
            let log = &read(&self.data).log;
            let page = log.after(after).take(MESSAGES_AT_ONCE).map(|entry| entry.number);
            numbers.extend(page.take_while(|number| *number <= through));
            match numbers.last() {
                Some(last) if numbers.len() - before == MESSAGES_AT_ONCE => after = *last,
                _ => return numbers,
            }
        }
    }

    /// Offers the messages that the subscription has not read yet, until one is refused. Only keyed
    /// topics offer numbers that are not in order.
    pub(crate) fn scan(&self, scan: &mut Scan, mut offer: impl FnMut(u64, &Bytes) -> bool) {
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let after = scan.after_in(keys.is_some());
        scan.note_lag(log, after);
        let through = scan.through;
        let mut offer = |number: u64, bytes: &Bytes| number <= through && offer(number, bytes);
        match keys {
            Some(keys) if scan.newcomer.is_some() => {
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                return;
            }
            Some(keys) if scan.only_latest => {
                scan.note_lost_of_keyed(keys.unkeyed_dropped().max(log.lost()), after);
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                keys.unkeyed_after(after)
                    .filter_map(|number| log.find(number))
                    .all(|entry| offer(entry.number, &entry.bytes));
                return;
            }
            // The table still holds values that the log has dropped, unless a newer value replaced
            // them.
            Some(keys) => {
                keys.after(after)
                    .take_while(|(number, _)| *number <= log.dropped())
                    .all(|(number, bytes)| offer(number, bytes));
            }
            None => {}
        }
        log.after(after).all(|entry| offer(entry.number, &entry.bytes));
        scan.note_lost(log.missing(), after, keys.is_some());
    }

    /// The same for a single message of this topic, which the subscription has not read yet. It is
    /// not offered if the subscription does not get it: the topic has lost it, or has replaced it
    /// by one with a greater number.
    pub(crate) fn scan_at(&self, number: u64, scan: &mut Scan, offer: impl FnOnce(&Bytes)) {
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let after = scan.after_in(keys.is_some());
        scan.note_lag(log, after);
        let bytes = match keys {
            Some(keys) if scan.newcomer.is_some() => keys.value_at(number),
            Some(keys) if scan.only_latest => {
                scan.note_lost_of_keyed(keys.unkeyed_dropped().max(log.lost()), after);
                let plain = || {
                    let number = keys.unkeyed_after(number - 1).next().filter(|n| *n == number)?;
                    log.find(number).map(|entry| &entry.bytes)
                };
                keys.value_at(number).or_else(plain)
            }
            _ => {
                scan.note_lost(log.missing(), after, keys.is_some());
                match (log.find(number), keys) {
                    (Some(entry), _) => Some(&entry.bytes),
                    (None, Some(keys)) => keys.value_at(number),
                    (None, None) => None,
                }
            }
        };
        bytes.map(offer);
    }

    /// Begins to load from memory what a reader of many topics needs.
    ///
    /// A processor loads several topics at the same time. But a lock waits for what was asked for
    /// before it. So a reader that only locked one topic after the other would wait for each alone.
    #[cfg(not(all(test, loom)))]
    pub(crate) fn preload(self: &Arc<Self>) {
        std::hint::black_box((Arc::strong_count(self), self.data.is_poisoned()));
        self.patterns.preload();
    }

    #[cfg(all(test, loom))]
    pub(crate) fn preload(self: &Arc<Self>) {}

    /// Offers the values of keys after one number and up to another, until one is refused.
    pub(crate) fn scan_values(
        &self,
        after: u64,
        through: u64,
        mut offer: impl FnMut(u64, &Bytes) -> bool,
    ) {
        if let Some(keys) = &read(&self.data).keys {
            keys.after(after)
                .take_while(|(number, _)| *number <= through)
                .all(|(number, bytes)| offer(number, bytes));
        }
    }

    /// The message with this number, if it is the value of a key.
    pub(crate) fn value_at(&self, number: u64) -> Option<Bytes> {
        read(&self.data).keys.as_ref()?.value_at(number).cloned()
    }

    /// Whether a subscription that has read everything up to a number lags by so many messages or
    /// bytes, or further than the log reaches.
    pub(crate) fn is_ahead_by(&self, (messages, bytes): (usize, u64), after: u64) -> bool {
        let log = &read(&self.data).log;
        let behind = log.behind(after);
        behind.0 >= messages || behind.1 >= bytes || log.dropped() > after
    }

    /// Joins the messages after one number and up to another into a frame. Returns `None` if there
    /// are no such messages, or if some of them are missing.
    pub(crate) fn join_frame(&self, after: u64, through: u64) -> Option<JoinedFrame> {
        let log = &read(&self.data).log;
        if log.missing() > after {
            return None;
        }
        let entries = log.after(after).take_while(|entry| entry.number <= through);
        JoinedFrame::join(after, entries.map(|entry| (entry.number, &entry.bytes)))
    }

    /// How many messages were delivered to subscriptions of this topic alone that have ended.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// The statistics, of which the caller knows how many subscriptions read the topic, where the
    /// slowest one is, and how many messages the subscriptions of several topics got.
    pub(crate) fn stats(
        &self,
        subscribers: usize,
        slowest: Option<u64>,
        delivered_to_several: u64,
    ) -> TopicStats {
        let mut delivered = self.delivered() + delivered_to_several;
        self.readers.for_each(|subscriber| delivered += subscriber.delivered());
        if self.is_keyed() {
            while write(&self.data).keys.as_mut().is_some_and(|keys| keys.count_step()) {}
        }
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        TopicStats {
            subscribers,
            published: log.appended(),
            delivered,
            messages: log.len(),
            bytes: log.bytes() + keys.as_deref().map_or(0, KeyTable::unlogged_bytes),
            keys: keys.as_deref().map_or(0, KeyTable::len),
            max_lag: slowest.map_or(0, |cursor| log.behind(cursor).0),
        }
    }
}
