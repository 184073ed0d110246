//! A topic: its log, the table of its keys if it is keyed, and who listens.

use std::{sync::Arc, task::Waker};

use bytes::Bytes;

use super::{
    PublishError,
    batch::Batch,
    clock::Moment,
    dense::Dense,
    keys::Keys,
    limits::Bounds,
    log::Log,
    run::Run,
    stats::{Counts, TopicStats},
    sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock, lock, read, write},
    wake::{Reader, SubscriptionEnd},
};

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
    held: RwLock<Held>,
    /// A subscription of this topic alone has gone to sleep since such were woken last.
    asleep: AtomicBool,
    members: Mutex<Members>,
}

/// The subscriptions of a topic.
#[derive(Debug, Default)]
struct Members {
    /// Those of this topic alone. They say when they sleep, so in a burst they are looked at once.
    alone: Dense<Arc<Reader>>,
    /// Those that have other topics, or may have. To say it they would have to say it to all of
    /// these.
    others: Dense<Arc<Reader>>,
    /// How many of these subscribe to the topic's name.
    named_others: usize,
}

/// What a topic holds.
#[derive(Debug)]
struct Held {
    log: Log,
    keys: Option<Box<Keys>>,
}

/// A subscription's place among the members of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) topic: Arc<Topic>,
    handle: u32,
    side: Side,
}

/// Among which members of a topic a subscription is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// It subscribes to the name of this topic and to nothing else.
    Alone,
    /// It subscribes to the name of this topic, and to others.
    Named,
    /// A pattern of it matches.
    Pattern,
}

/// Who reads a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readers {
    None,
    /// Only subscriptions by pattern.
    ByPattern,
    /// At least one that subscribes to its name.
    Named,
}

/// What a topic holds that a client could want.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contents {
    Empty,
    Messages,
    /// The value of a key, whether the log has its message or not.
    Keys,
}

impl Members {
    fn side_mut(&mut self, side: Side) -> &mut Dense<Arc<Reader>> {
        match side {
            Side::Alone => &mut self.alone,
            Side::Named | Side::Pattern => &mut self.others,
        }
    }

    fn readers(&self) -> Readers {
        match self.len() {
            0 => Readers::None,
            _ if self.alone.is_empty() && self.named_others == 0 => Readers::ByPattern,
            _ => Readers::Named,
        }
    }

    fn len(&self) -> usize {
        self.alone.len() + self.others.len()
    }
}

/// What a message is to the keys of a [keyed](super::HubBuilder::keyed) topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyChange<'a> {
    /// It has no key.
    None,
    /// It is the newest of this key.
    Set(&'a str),
    /// It says that this key is gone.
    Remove(&'a str),
}

/// What a subscription looks for, and what else it finds.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Which of the subscription's topics this is.
    pub(crate) topic: usize,
    /// Numbers greater than this,
    pub(crate) after: u64,
    /// and up to this one: all of them were appended before the look began.
    pub(crate) through: u64,
    /// Only the newest message of each key counts.
    pub(crate) latest: bool,
    /// For a newcomer: the newest value of each key, and of messages without keys those after this
    /// number.
    pub(crate) newcomer: Option<u64>,
    /// How far behind a topic may be, in messages and bytes.
    pub(crate) max_lag: Option<(usize, u64)>,
    /// The greatest number that a topic let go of and that counts.
    pub(crate) lost: u64,
    /// A topic is further ahead than it may be.
    pub(crate) too_slow: bool,
}

impl Topic {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        name: Arc<str>,
        before: u64,
        max_keys: Option<usize>,
    ) -> Self {
        let keys = max_keys.map(|max| Box::new(Keys::new(max)));
        Self {
            id,
            slot,
            name,
            before,
            last: AtomicU64::new(0),
            removed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            held: RwLock::new(Held { log: Log::default(), keys }),
            asleep: AtomicBool::new(false),
            members: Mutex::new(Members::default()),
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
        read(&self.held).log.last_number()
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
    pub(crate) fn readers(&self) -> Readers {
        lock(&self.members).readers()
    }

    /// What it holds once what has expired is gone.
    pub(crate) fn contents_at(&self, now: Moment, bounds: &Bounds) -> Contents {
        let held = read(&self.held);
        match &held.keys {
            Some(keys) if keys.len() > 0 => Contents::Keys,
            _ if held.log.has_messages_at(now, bounds) => Contents::Messages,
            _ => Contents::Empty,
        }
    }

    /// Lets go of all messages and values. Whoever has not read the messages has lost them, and
    /// finds that out in the log.
    pub(crate) fn clear(&self) {
        let mut held = write(&self.held);
        let log = held.log.take();
        let dropped = held.log.dropped();
        let keys = held.keys.as_mut().map(|keys| keys.clear(dropped));
        drop(held);
        // Freed without the lock.
        drop((log, keys));
    }

    pub(crate) fn append(
        &self,
        number: u64,
        bytes: Bytes,
        key: KeyChange<'_>,
        now: Moment,
        bounds: &Bounds,
    ) {
        let mut held = write(&self.held);
        let Held { log, keys } = &mut *held;
        if let Some(keys) = keys {
            match key {
                KeyChange::Set(key) => keys.set(key, number, bytes.clone()),
                KeyChange::Remove(key) => {
                    keys.remove(key);
                    keys.plain(number);
                }
                KeyChange::None => keys.plain(number),
            }
        }
        log.append(number, bytes, now, bounds);
        if let Some(keys) = keys {
            keys.dropped(log.dropped());
        }
    }

    /// Lets go of what is too old. Gives the moments when the first and the last of the rest will
    /// be; `None` if nothing is left.
    pub(crate) fn expire(&self, now: Moment, bounds: &Bounds) -> Option<(Moment, Moment)> {
        let mut held = write(&self.held);
        let Held { log, keys } = &mut *held;
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
        match (&read(&self.held).keys, key) {
            (None, _) => Err(PublishError::NotKeyed),
            (Some(keys), KeyChange::Set(key)) if !keys.has_room(key) => {
                Err(PublishError::TooManyKeys { max: keys.max() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_keyed(&self) -> bool {
        read(&self.held).keys.is_some()
    }

    /// The numbers of the last `count` messages.
    pub(crate) fn last_numbers(&self, count: usize) -> Vec<u64> {
        let log = &read(&self.held).log;
        log.after(log.before_last(count)).map(|entry| entry.number).collect()
    }

    /// Offers what the subscription lacks.
    pub(crate) fn scan(&self, scan: &mut Scan, batch: &mut Batch) {
        let held = read(&self.held);
        let Held { log, keys } = &*held;
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
                scan.lost = scan.lost.max(lost(keys.plain_dropped(), after));
                keys.after(after).all(|(number, bytes)| offer(number, bytes));
                keys.plain_after(after)
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
    pub(crate) fn run(&self, after: u64, through: u64) -> Option<Run> {
        let log = &read(&self.held).log;
        if log.dropped() > after {
            return None;
        }
        let entries = log.after(after).take_while(|entry| entry.number <= through);
        Run::join(after, entries.map(|entry| (entry.number, &entry.bytes)))
    }

    /// Takes a subscription in.
    pub(crate) fn join(self: &Arc<Self>, reader: &Arc<Reader>, side: Side) -> Member {
        let mut members = lock(&self.members);
        let handle = members.side_mut(side).insert(Arc::clone(reader));
        members.named_others += usize::from(side == Side::Named);
        drop(members);
        Member { topic: Arc::clone(self), handle, side }
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
            self.wake_side(Side::Alone, Reader::take_waker);
        }
        self.wake_side(Side::Pattern, Reader::take_waker);
    }

    /// Ends every subscription.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        self.wake_side(Side::Alone, |reader| reader.close(end));
        self.wake_side(Side::Pattern, |reader| reader.close(end));
    }

    fn wake_side(&self, side: Side, take: impl Fn(&Reader) -> Option<Waker>) {
        let mut wakers: [Option<Waker>; WAKE_AT_ONCE] = [const { None }; WAKE_AT_ONCE];
        let mut walk = None;
        loop {
            let mut count = 0;
            let mut members = lock(&self.members);
            let members_of_side = members.side_mut(side);
            let walk = walk.get_or_insert_with(|| members_of_side.walk());
            while count < WAKE_AT_ONCE
                && let Some(reader) = members_of_side.step(walk)
            {
                wakers[count] = take(reader);
                count += usize::from(wakers[count].is_some());
            }
            drop(members);
            wakers[..count].iter_mut().filter_map(Option::take).for_each(Waker::wake);
            if count < WAKE_AT_ONCE {
                return;
            }
        }
    }

    pub(crate) fn count_delivered(&self, counts: &Counts) {
        let delivered = if self.is_removed() { &counts.late_delivered } else { &self.delivered };
        delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many messages were delivered to subscriptions that are gone.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> TopicStats {
        let members = lock(&self.members);
        let everybody = || members.alone.iter().chain(members.others.iter());
        let slowest = everybody().map(|reader| reader.cursor()).min();
        let delivered: u64 = members.alone.iter().map(|reader| reader.delivered()).sum();
        let subscribers = members.len();
        drop(members);
        let held = read(&self.held);
        let Held { log, keys } = &*held;
        let unlogged = |keys: &Keys| keys.bytes_through(log.dropped());
        TopicStats {
            subscribers,
            published: log.taken_in(),
            delivered: delivered + self.delivered.load(Ordering::Relaxed),
            messages: log.len(),
            bytes: log.bytes() + keys.as_deref().map_or(0, unlogged),
            keys: keys.as_deref().map_or(0, Keys::len),
            max_lag: slowest.map_or(0, |cursor| log.behind(cursor).0),
        }
    }
}

/// Whether a message with this key may be the first of a topic with so many keys at most, or of one
/// that is not keyed.
pub(crate) fn check_first_key(
    key: KeyChange<'_>,
    max_keys: Option<usize>,
) -> Result<(), PublishError> {
    match (key, max_keys) {
        (KeyChange::None, _) => Ok(()),
        (_, None) => Err(PublishError::NotKeyed),
        (KeyChange::Set(_), Some(0)) => Err(PublishError::TooManyKeys { max: 0 }),
        _ => Ok(()),
    }
}

/// The number, if somebody who has everything up to `after` has lost it; else zero.
fn lost(dropped: u64, after: u64) -> u64 {
    if dropped > after { dropped } else { 0 }
}

impl Member {
    /// Takes the subscription out. Gives the topic if this was the last one, or the last one by
    /// name: the registry then has to hear of it.
    pub(crate) fn leave(self) -> Option<Arc<Topic>> {
        let mut members = lock(&self.topic.members);
        let before = members.readers();
        let reader = members.side_mut(self.side).remove(self.handle);
        members.named_others -= usize::from(self.side == Side::Named);
        if self.side == Side::Alone {
            self.topic.delivered.fetch_add(reader.delivered(), Ordering::Relaxed);
        }
        let has_changed = members.readers() != before;
        drop(members);
        drop(reader);
        has_changed.then_some(self.topic)
    }
}
