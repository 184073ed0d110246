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

use std::collections::VecDeque;
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
use crate::hub::topic::key_table::{KeyChange, KeyTable};
use crate::hub::topic::log::{LogEntry, TopicLog};
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

/// The messages and values that were taken out of a topic. They are freed without a lock.
#[derive(Debug)]
pub(crate) struct TopicContents {
    log: VecDeque<LogEntry>,
    _keys: Option<KeyTable>,
}

impl TopicContents {
    /// Frees the memory. Returns the numbers of the messages that the log held.
    pub(crate) fn free(self) -> Vec<u64> {
        self.log.into_iter().map(|entry| entry.number).collect()
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

    /// Drops all messages and values. The log records what it dropped, so a subscription that had
    /// not read a message reports a gap. Returns the numbers of the messages that the log held.
    pub(crate) fn clear(&self) -> Vec<u64> {
        // The memory is freed without the lock, because that takes time for a long log.
        self.take_contents().free()
    }

    /// The same for a caller that holds the hub's lock. It frees the contents once the lock is
    /// released.
    pub(crate) fn take_contents(&self) -> TopicContents {
        let mut data = write(&self.data);
        let log = data.log.take();
        let dropped = data.log.dropped();
        let keys = data.keys.as_mut().map(|keys| keys.clear(dropped));
        TopicContents { log, _keys: keys }
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

    /// Appends a message. Calls `note_dropped` with the number of each message that the log drops.
    pub(crate) fn append(
        &self,
        number: u64,
        bytes: Bytes,
        key: KeyChange<'_>,
        (now, bounds): (Moment, &LogBounds),
        note_dropped: impl FnMut(u64),
    ) {
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
        log.append(number, bytes, now, bounds, note_dropped);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
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

    /// Drops what came after a number and did not last. Returns the first number of which the topic
    /// may have had such a message. The readers of a keyed topic are told of a gap up to `through`,
    /// because the values of before are not known any more.
    pub(crate) fn roll_back(&self, kept: u64, through: u64) -> Option<u64> {
        let mut data = write(&self.data);
        let first = data.log.roll_back(kept)?;
        if let Some(keys) = &mut data.keys {
            keys.roll_back(kept);
            data.log.note_lost(through);
        }
        Some(first)
    }

    /// See [`KeyTable::replace`].
    pub(crate) fn replace_values(
        &self,
        entries: Vec<(&str, u64, Bytes)>,
        last: u64,
    ) -> (u64, bool) {
        match &mut write(&self.data).keys {
            Some(keys) => keys.replace(entries, last),
            None => (entries.len() as u64, false),
        }
    }

    /// Drops the messages that are too old, and calls `note_dropped` with their numbers. Returns
    /// when the first and the last of the remaining messages expire, or `None` if no message
    /// remains.
    pub(crate) fn expire(
        &self,
        now: Moment,
        bounds: &LogBounds,
        note_dropped: impl FnMut(u64),
    ) -> Option<(Moment, Moment)> {
        let mut data = write(&self.data);
        let TopicData { log, keys } = &mut *data;
        log.expire(now, bounds, note_dropped);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
        log.expiries(bounds)
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

    /// Returns the numbers of the last `count` messages.
    pub(crate) fn last_numbers(&self, count: usize) -> Vec<u64> {
        let log = &read(&self.data).log;
        log.after(log.before_last(count)).map(|entry| entry.number).collect()
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
