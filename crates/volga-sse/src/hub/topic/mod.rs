//! A topic of a hub: its log, the table of its keys if it is keyed, and its subscribers.
//!
//! | module | content |
//! |---|---|
//! | `name`, `pattern` (pure) | names, and patterns of them |
//! | `log` (pure) | the last messages |
//! | `key_table` (pure) | the newest message of each key |
//! | `joined_frame` (pure) | messages of one topic, joined into one frame |
//! | `scan`, `batch` (pure) | what a subscription looks for, and what it takes at once |
//! | `subscriber` | the part of a subscription that publishers reach |
//! | `subscribers` | the subscribers of a topic |
//! | `membership` | joining a topic and leaving it |
//! | `inbox` | new topics for a subscription with patterns |

pub(crate) mod batch;
pub(crate) mod inbox;
pub(crate) mod joined_frame;
pub(crate) mod key_table;
pub(crate) mod log;
pub(crate) mod membership;
pub(crate) mod name;
pub(crate) mod pattern;
pub(crate) mod scan;
pub(crate) mod subscriber;
pub(crate) mod subscribers;

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::hub::clock::Moment;
use crate::hub::error::PublishError;
use crate::hub::settings::LogBounds;
use crate::hub::stats::{Counters, TopicStats};
use crate::hub::sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock, lock, read, write};
use crate::hub::topic::batch::Batch;
use crate::hub::topic::joined_frame::JoinedFrame;
use crate::hub::topic::key_table::{KeyChange, KeyTable};
use crate::hub::topic::log::TopicLog;
use crate::hub::topic::scan::Scan;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::hub::topic::subscribers::{Readership, SubscriberKind, Subscribers};

/// How many wakers are collected under the lock of the subscribers. They are woken after that lock
/// is released.
const WAKE_AT_ONCE: usize = if cfg!(all(test, loom)) { 1 } else { 32 };

/// A topic of a hub.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Greater than the ID of every topic that was created before.
    pub(crate) id: u64,
    /// The index of its record in the registry. After the topic is removed, another topic may use
    /// the same index.
    pub(crate) slot: u32,
    pub(crate) name: Arc<str>,
    /// An upper bound of the position numbers that earlier topics of the same name had, or zero.
    pub(crate) earlier_last_number: u64,
    /// The number of the last message that subscriptions may read.
    last: AtomicU64,
    /// True once the registry has removed the topic. It changes only under the hub's lock.
    removed: AtomicBool,
    /// How many messages were delivered to subscriptions that have several topics, or that have
    /// ended.
    delivered: AtomicU64,
    data: RwLock<TopicData>,
    /// True if a subscription that reads only this topic went to sleep after the last wake.
    has_sleeper: AtomicBool,
    subscribers: Mutex<Subscribers>,
}

/// The messages and values that a topic holds.
#[derive(Debug)]
struct TopicData {
    log: TopicLog,
    keys: Option<Box<KeyTable>>,
}

/// The kinds of contents for which a topic may be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    Empty,
    Messages,
    /// At least one key has a value, even if its message has left the log.
    Keys,
}

impl Topic {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        name: Arc<str>,
        earlier_last_number: u64,
        max_keys: Option<usize>,
    ) -> Self {
        let keys = max_keys.map(|max| Box::new(KeyTable::new(max)));
        Self {
            id,
            slot,
            name,
            earlier_last_number,
            last: AtomicU64::new(0),
            removed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            data: RwLock::new(TopicData { log: TopicLog::default(), keys }),
            has_sleeper: AtomicBool::new(false),
            subscribers: Mutex::new(Subscribers::default()),
        }
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
        self.earlier_last_number.max(self.last_readable()).max(self.last_number())
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

    /// Which kinds of subscriptions read the topic. The result stays true only while the hub's lock
    /// is held, since nobody can subscribe meanwhile.
    pub(crate) fn readership(&self) -> Readership {
        lock(&self.subscribers).readership()
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
    /// not read a message reports a gap.
    pub(crate) fn clear(&self) {
        self.clear_through(0);
    }

    /// The same, and records that everything up to this number was dropped. So a subscription that
    /// has read all messages reports a gap as well, if the number is greater than theirs.
    pub(crate) fn clear_through(&self, number: u64) {
        let mut data = write(&self.data);
        let log = data.log.take(number);
        let dropped = data.log.dropped();
        let keys = data.keys.as_mut().map(|keys| keys.clear(dropped));
        drop(data);
        // The memory is freed without the lock, because that takes time for a long log.
        drop((log, keys));
    }

    pub(crate) fn append(
        &self,
        number: u64,
        bytes: Bytes,
        key: KeyChange<'_>,
        now: Moment,
        bounds: &LogBounds,
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
        log.append(number, bytes, now, bounds);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
    }

    /// Drops the messages that are too old. Returns when the first and the last of the remaining
    /// messages expire, or `None` if no message remains.
    pub(crate) fn expire(&self, now: Moment, bounds: &LogBounds) -> Option<(Moment, Moment)> {
        let mut data = write(&self.data);
        let TopicData { log, keys } = &mut *data;
        log.expire(now, bounds);
        if let Some(keys) = keys {
            keys.drop_through(log.dropped());
        }
        log.expiries(bounds)
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

    /// Offers to the batch the messages that the subscription has not read yet.
    pub(crate) fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let after = match scan.newcomer {
            Some(after) if keys.is_none() => after.max(scan.after),
            _ => scan.after,
        };
        if let Some((messages, bytes)) = scan.max_lag {
            let behind = log.behind(after);
            let has_dropped = log.dropped() > after;
            scan.is_too_slow |= behind.0 >= messages || behind.1 >= bytes || has_dropped;
        }
        let (topic, through) = (scan.topic, scan.through);
        let mut offer =
            |number: u64, bytes: &Bytes| number <= through && batch.offer(topic, number, bytes);
        match keys {
            Some(keys) if scan.newcomer.is_some() => {
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                return;
            }
            Some(keys) if scan.only_latest => {
                scan.lost_of_keyed = scan.lost_of_keyed.max(lost(keys.unkeyed_dropped(), after));
                scan.lost = scan.lost.max(scan.lost_of_keyed);
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
        let lost = lost(log.dropped(), after);
        scan.lost = scan.lost.max(lost);
        if keys.is_some() {
            scan.lost_of_keyed = scan.lost_of_keyed.max(lost);
        }
    }

    /// Offers to the batch the values of keys after one number and up to another.
    pub(crate) fn scan_values(&self, topic: usize, after: u64, through: u64, batch: &mut Batch) {
        if let Some(keys) = &read(&self.data).keys {
            keys.after(after)
                .take_while(|(number, _)| *number <= through)
                .all(|(number, bytes)| batch.offer(topic, number, bytes));
        }
    }

    /// Whether a subscription that has read everything up to a number lags by so many messages or
    /// bytes, or further than the log reaches.
    pub(crate) fn is_ahead_by(&self, (messages, bytes): (usize, u64), after: u64) -> bool {
        let log = &read(&self.data).log;
        let behind = log.behind(after);
        behind.0 >= messages || behind.1 >= bytes || log.dropped() > after
    }

    /// Joins the messages after one number and up to another into a frame. Returns `None` if there
    /// are no such messages, or if the log has dropped some of them.
    pub(crate) fn join_frame(&self, after: u64, through: u64) -> Option<JoinedFrame> {
        let log = &read(&self.data).log;
        if log.dropped() > after {
            return None;
        }
        let entries = log.after(after).take_while(|entry| entry.number <= through);
        JoinedFrame::join(after, entries.map(|entry| (entry.number, &entry.bytes)))
    }

    /// Records that a subscription which reads only this topic has left its waker and is going to
    /// sleep. The subscription must look for new messages once more after this call.
    ///
    /// The publisher makes a message readable and then clears this flag. Both sides swap the same
    /// flag, so one swap happens before the other, and the later side sees what the earlier one
    /// did: the publisher finds the waker, or the subscription finds the message.
    pub(crate) fn mark_asleep(&self) {
        self.has_sleeper.swap(true, Ordering::AcqRel);
    }

    /// Wakes every subscription that sleeps. No lock is held while a waker runs.
    pub(crate) fn wake(&self) {
        if self.has_sleeper.swap(false, Ordering::AcqRel) {
            self.wake_subscribers(SubscriberKind::OnlyTopic, Subscriber::take_waker);
        }
        self.wake_subscribers(SubscriberKind::Pattern, Subscriber::take_waker);
    }

    /// Ends every subscription.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        self.wake_subscribers(SubscriberKind::OnlyTopic, |subscriber| subscriber.close(end));
        self.wake_subscribers(SubscriberKind::Pattern, |subscriber| subscriber.close(end));
    }

    fn wake_subscribers(&self, kind: SubscriberKind, take: impl Fn(&Subscriber) -> Option<Waker>) {
        let mut wakers: [Option<Waker>; WAKE_AT_ONCE] = [const { None }; WAKE_AT_ONCE];
        let mut walk = None;
        loop {
            let mut count = 0;
            let mut subscribers = lock(&self.subscribers);
            let of_kind = subscribers.of_kind_mut(kind);
            let walk = walk.get_or_insert_with(|| of_kind.walk());
            while count < WAKE_AT_ONCE
                && let Some(subscriber) = of_kind.step(walk)
            {
                wakers[count] = take(subscriber);
                count += usize::from(wakers[count].is_some());
            }
            drop(subscribers);
            wakers[..count].iter_mut().filter_map(Option::take).for_each(Waker::wake);
            if count < WAKE_AT_ONCE {
                return;
            }
        }
    }

    pub(crate) fn count_delivered(&self, counters: &Counters) {
        let delivered = if self.is_removed() { &counters.late_delivered } else { &self.delivered };
        delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many messages were delivered to subscriptions that have several topics, or that have
    /// ended.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> TopicStats {
        let subscribers = lock(&self.subscribers);
        let all = || subscribers.only_topic.iter().chain(subscribers.others.iter());
        let slowest = all().map(|subscriber| subscriber.cursor()).min();
        let delivered: u64 =
            subscribers.only_topic.iter().map(|subscriber| subscriber.delivered()).sum();
        let count = subscribers.len();
        drop(subscribers);
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let unlogged = |keys: &KeyTable| keys.bytes_through(log.dropped());
        TopicStats {
            subscribers: count,
            published: log.appended(),
            delivered: delivered + self.delivered.load(Ordering::Relaxed),
            messages: log.len(),
            bytes: log.bytes() + keys.as_deref().map_or(0, unlogged),
            keys: keys.as_deref().map_or(0, KeyTable::len),
            max_lag: slowest.map_or(0, |cursor| log.behind(cursor).0),
        }
    }
}

/// Returns `dropped` if a subscription that has read everything up to `after` missed it, and zero
/// otherwise.
fn lost(dropped: u64, after: u64) -> u64 {
    if dropped > after { dropped } else { 0 }
}
