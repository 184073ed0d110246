//! A topic: its log, the table of its keys if it is keyed, and who listens.
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

/// How many wakers are taken under the lock of the members before they are woken without it.
const WAKE_AT_ONCE: usize = if cfg!(all(test, loom)) { 1 } else { 32 };

/// A topic of a hub.
#[derive(Debug)]
pub(crate) struct Topic {
    /// Greater than that of every topic before.
    pub(crate) id: u64,
    /// Where the registry has its record. When the topic is gone, another one has this place.
    pub(crate) slot: u32,
    pub(crate) name: Arc<str>,
    /// The greatest number that an earlier topic of this name had, or may have had.
    pub(crate) before: u64,
    /// The number of the last message, once it may be read.
    last: AtomicU64,
    /// The registry has it no longer. Changes under the hub's lock.
    removed: AtomicBool,
    /// How many messages were delivered to subscriptions that have other topics, or are gone.
    delivered: AtomicU64,
    data: RwLock<TopicData>,
    /// A subscription of this topic alone has gone to sleep since such were woken last.
    asleep: AtomicBool,
    subscribers: Mutex<Subscribers>,
}

/// What a topic holds.
#[derive(Debug)]
struct TopicData {
    log: TopicLog,
    keys: Option<Box<KeyTable>>,
}

/// What a topic holds that a client could want.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    Empty,
    Messages,
    /// The value of a key, whether the log has its message or not.
    Keys,
}

impl Topic {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        name: Arc<str>,
        before: u64,
        max_keys: Option<usize>,
    ) -> Self {
        let keys = max_keys.map(|max| Box::new(KeyTable::new(max)));
        Self {
            id,
            slot,
            name,
            before,
            last: AtomicU64::new(0),
            removed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            data: RwLock::new(TopicData { log: TopicLog::default(), keys }),
            asleep: AtomicBool::new(false),
            subscribers: Mutex::new(Subscribers::default()),
        }
    }

    /// The number of the last message, or zero.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Says that the messages up to this number may be read: all that the hub has up to it are in
    /// place.
    pub(crate) fn set_last(&self, number: u64) {
        self.last.fetch_max(number, Ordering::Release);
    }

    /// The number that a later topic of this name has to know. The last message counts before it
    /// may be read.
    pub(crate) fn last_ever(&self) -> u64 {
        self.before.max(self.last()).max(self.last_number())
    }

    /// The number of the last message, be it held or not, or zero.
    pub(crate) fn last_number(&self) -> u64 {
        read(&self.data).log.last_number()
    }

    /// Whether the registry has let go of it. Messages that were not read until then are told as a
    /// gap.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(crate) fn set_removed(&self) {
        self.removed.store(true, Ordering::Release);
    }

    /// Who reads it. Only under the hub's lock can nobody come meanwhile.
    pub(crate) fn readers(&self) -> Readership {
        lock(&self.subscribers).readers()
    }

    /// What it holds once what has expired is gone.
    pub(crate) fn contents_at(&self, now: Moment, bounds: &LogBounds) -> Contents {
        let data = read(&self.data);
        match &data.keys {
            Some(keys) if keys.len() > 0 => Contents::Keys,
            _ if data.log.has_messages_at(now, bounds) => Contents::Messages,
            _ => Contents::Empty,
        }
    }

    /// Lets go of all messages and values. Whoever has not read the messages has lost them, and
    /// finds that out in the log.
    pub(crate) fn clear(&self) {
        let mut data = write(&self.data);
        let log = data.log.take();
        let dropped = data.log.dropped();
        let keys = data.keys.as_mut().map(|keys| keys.clear(dropped));
        drop(data);
        // Freed without the lock.
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
            keys.dropped(log.dropped());
        }
    }

    /// Lets go of what is too old. Gives the moments when the first and the last of the rest will
    /// be; `None` if nothing is left.
    pub(crate) fn expire(&self, now: Moment, bounds: &LogBounds) -> Option<(Moment, Moment)> {
        let mut data = write(&self.data);
        let TopicData { log, keys } = &mut *data;
        log.expire(now, bounds);
        if let Some(keys) = keys {
            keys.dropped(log.dropped());
        }
        log.expiries(bounds)
    }

    /// Whether a message with this key may be published.
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

    pub(crate) fn is_keyed(&self) -> bool {
        read(&self.data).keys.is_some()
    }

    /// The numbers of the last `count` messages.
    pub(crate) fn last_numbers(&self, count: usize) -> Vec<u64> {
        let log = &read(&self.data).log;
        log.after(log.before_last(count)).map(|entry| entry.number).collect()
    }

    /// Offers what the subscription lacks.
    pub(crate) fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let after = match scan.newcomer {
            Some(after) if keys.is_none() => after.max(scan.after),
            _ => scan.after,
        };
        if let Some((messages, bytes)) = scan.max_lag {
            let behind = log.behind(after);
            scan.too_slow |= behind.0 >= messages || behind.1 >= bytes;
        }
        let (topic, through) = (scan.topic, scan.through);
        let mut offer =
            |number: u64, bytes: &Bytes| number <= through && batch.offer(topic, number, bytes);
        match keys {
            Some(keys) if scan.newcomer.is_some() => {
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                return;
            }
            Some(keys) if scan.latest => {
                scan.lost = scan.lost.max(lost(keys.unkeyed_dropped(), after));
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                keys.unkeyed_after(after)
                    .filter_map(|number| log.find(number))
                    .all(|entry| offer(entry.number, &entry.bytes));
                return;
            }
            // What the log has lost stands in the table, as far as nothing newer replaced it.
            Some(keys) => {
                keys.after(after)
                    .take_while(|(number, _)| *number <= log.dropped())
                    .all(|(number, bytes)| offer(number, bytes));
            }
            None => {}
        }
        log.after(after).all(|entry| offer(entry.number, &entry.bytes));
        scan.lost = scan.lost.max(lost(log.dropped(), after));
    }

    /// What stands after a number and up to another, as one run; `None` if there is nothing, or if
    /// the log has let go of some of it.
    pub(crate) fn join_frame(&self, after: u64, through: u64) -> Option<JoinedFrame> {
        let log = &read(&self.data).log;
        if log.dropped() > after {
            return None;
        }
        let entries = log.after(after).take_while(|entry| entry.number <= through);
        JoinedFrame::join(after, entries.map(|entry| (entry.number, &entry.bytes)))
    }

    /// Says that a subscription of this topic alone has left its waker and goes to sleep, unless
    /// there is news: so it looks once more after this.
    ///
    /// Whoever publishes makes the news visible and then takes this mark. Both change the same
    /// flag, so one comes after the other and sees what was before it: the publisher the waker, or
    /// the subscription the news.
    pub(crate) fn sleeps(&self) {
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Wakes every subscription that sleeps. No lock is held while a waker runs.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.wake_kind(SubscriberKind::OnlyTopic, Subscriber::take_waker);
        }
        self.wake_kind(SubscriberKind::Pattern, Subscriber::take_waker);
    }

    /// Ends every subscription.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        self.wake_kind(SubscriberKind::OnlyTopic, |subscriber| subscriber.close(end));
        self.wake_kind(SubscriberKind::Pattern, |subscriber| subscriber.close(end));
    }

    fn wake_kind(&self, kind: SubscriberKind, take: impl Fn(&Subscriber) -> Option<Waker>) {
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

    /// How many messages were delivered to subscriptions that are gone.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> TopicStats {
        let subscribers = lock(&self.subscribers);
        let everybody = || subscribers.alone.iter().chain(subscribers.others.iter());
        let slowest = everybody().map(|subscriber| subscriber.cursor()).min();
        let delivered: u64 =
            subscribers.alone.iter().map(|subscriber| subscriber.delivered()).sum();
        let subscribers = subscribers.len();
        drop(subscribers);
        let data = read(&self.data);
        let TopicData { log, keys } = &*data;
        let unlogged = |keys: &KeyTable| keys.bytes_through(log.dropped());
        TopicStats {
            subscribers,
            published: log.appended(),
            delivered: delivered + self.delivered.load(Ordering::Relaxed),
            messages: log.len(),
            bytes: log.bytes() + keys.as_deref().map_or(0, unlogged),
            keys: keys.as_deref().map_or(0, KeyTable::len),
            max_lag: slowest.map_or(0, |cursor| log.behind(cursor).0),
        }
    }
}

/// The number, if somebody who has everything up to `after` has lost it; else zero.
fn lost(dropped: u64, after: u64) -> u64 {
    if dropped > after { dropped } else { 0 }
}
