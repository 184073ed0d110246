//! A topic: its log, the table of its keys if it is keyed, and who listens.

use std::{sync::Arc, task::Waker};

use bytes::Bytes;

use super::{
    batch::Batch,
    clock::Moment,
    dense::Dense,
    keys::Keys,
    limits::Bounds,
    log::Log,
    run::Run,
    stats::TopicStats,
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
    pub(crate) name: Arc<str>,
    /// The greatest number that an earlier topic of this name had, or may have had.
    pub(crate) before: u64,
    /// The number of the last message, once it may be read.
    last: AtomicU64,
    /// When the last message came or the last subscriber left, in milliseconds.
    quiet_since: AtomicU64,
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
    /// Those that have other topics, or may have. To say it they would have to say it to all of these.
    others: Dense<Arc<Reader>>,
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
    Alone,
    Others,
}

impl Members {
    fn side_mut(&mut self, side: Side) -> &mut Dense<Arc<Reader>> {
        match side {
            Side::Alone => &mut self.alone,
            Side::Others => &mut self.others,
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
    /// For a newcomer: the newest value of each key, and of messages without keys those after this number.
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
        name: Arc<str>,
        before: u64,
        max_keys: Option<usize>,
        now: Moment,
    ) -> Self {
        let keys = max_keys.map(|max| Box::new(Keys::new(max)));
        Self {
            id,
            name,
            before,
            last: AtomicU64::new(0),
            quiet_since: AtomicU64::new(now.0),
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

    /// Says that the messages up to this number may be read: all that the hub has up to it are in place.
    pub(crate) fn set_last(&self, number: u64) {
        self.last.fetch_max(number, Ordering::Release);
    }

    /// The number that a later topic of this name has to know.
    pub(crate) fn last_ever(&self) -> u64 {
        self.before.max(self.last())
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
        drop(held);
        self.quiet_since.store(now.0, Ordering::Relaxed);
    }

    /// Lets go of what is too old.
    pub(crate) fn expire(&self, now: Moment, bounds: &Bounds) {
        let mut held = write(&self.held);
        let Held { log, keys } = &mut *held;
        log.expire(now, bounds);
        if let Some(keys) = keys {
            keys.dropped(log.dropped());
        }
    }

    /// `None` without keys; else whether a value for this key has room, with the limit.
    pub(crate) fn room_for_key(&self, key: &str) -> Option<Result<(), usize>> {
        let held = read(&self.held);
        let keys = held.keys.as_ref()?;
        Some(if keys.has_room(key) { Ok(()) } else { Err(keys.max()) })
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

    /// What stands after a number and up to another, as one run; `None` if there is nothing, or if the log has let go of some of it.
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
        let handle = lock(&self.members).side_mut(side).insert(Arc::clone(reader));
        Member { topic: Arc::clone(self), handle, side }
    }

    /// Says that a subscription of this topic alone has left its waker and goes to sleep, unless there is news: so it looks once more after this.
    ///
    /// Whoever publishes makes the news visible and then takes this mark. Both change the same flag, so one comes after the other and sees what was
    /// before it: the publisher the waker, or the subscription the news.
    pub(crate) fn sleeps(&self) {
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// Wakes every subscription that sleeps. No lock is held while a waker runs.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.wake_side(Side::Alone, Reader::take_waker);
        }
        self.wake_side(Side::Others, Reader::take_waker);
    }

    /// Ends every subscription.
    pub(crate) fn close(&self, end: SubscriptionEnd) {
        self.wake_side(Side::Alone, |reader| reader.close(end));
        self.wake_side(Side::Others, |reader| reader.close(end));
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

    pub(crate) fn count_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
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

    /// Whether the topic may go: nobody listens, and for `idle` milliseconds nothing has happened. Only under the hub's lock, so that nobody
    /// joins meanwhile.
    pub(crate) fn is_idle(&self, now: Moment, idle: u64) -> bool {
        Moment(self.quiet_since.load(Ordering::Relaxed)).age(now) > idle
            && lock(&self.members).len() == 0
            && read(&self.held).keys.as_ref().is_none_or(|keys| keys.len() == 0)
    }
}

/// The number, if somebody who has everything up to `after` has lost it; else zero.
fn lost(dropped: u64, after: u64) -> u64 {
    if dropped > after { dropped } else { 0 }
}

impl Member {
    /// Takes the subscription out.
    pub(crate) fn leave(self, now: Moment) {
        self.topic.quiet_since.fetch_max(now.0, Ordering::Relaxed);
        let mut members = lock(&self.topic.members);
        let reader = members.side_mut(self.side).remove(self.handle);
        if self.side == Side::Alone {
            self.topic.delivered.fetch_add(reader.delivered(), Ordering::Relaxed);
        }
        drop(members);
        drop(reader);
    }
}
