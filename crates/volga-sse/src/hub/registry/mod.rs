//! Which topics exist, how long each stays, and which one makes room for another. Pure, with the
//! time as an argument.
//!
//! A topic is never removed while somebody subscribes to its name, while one of its keys has a
//! value, or if it was created explicitly. Any other topic is removed
//!
//! - at once if it has neither messages nor subscriptions,
//! - after a while if it has messages and no subscriptions,
//! - and when a new topic needs its place. [`EvictionClass`] has the order.
//!
//! So a subscription by pattern keeps a topic, but only until room is needed. Otherwise one
//! dashboard that reads everything would keep every name that a client ever made up, until the hub
//! is full. The subscription misses nothing silently: it joins the next topic of that name, and
//! reports a gap if it had not read the last messages.

pub(crate) mod lru_list;
pub(crate) mod removed_topics;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::patterns::Patterns;
use crate::hub::patterns::shared_pattern::RemovedNumbers;
use crate::hub::registry::lru_list::LruList;
use crate::hub::registry::removed_topics::{ForgottenNames, RemovedTopics};
use crate::hub::settings::HubSettings;
use crate::hub::state::delivered_counts::DeliveredCounts;
use crate::hub::stepped_map::SteppedMap;
use crate::hub::stepped_queue::SteppedQueue;
use crate::hub::stepped_vec::SteppedVec;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::log::LogEntries;
use crate::hub::topic::{Contents, Topic};

/// How many topics one call handles at most: so many that have expired, and so many that have been
/// idle for too long.
const MAX_SWEEP: usize = 16;
/// How often a log is checked for expired messages within the age that messages may have. A log
/// that will then be empty is checked in time.
const EXPIRY_CHECKS_PER_AGE: u64 = 4;

/// The topics of a hub.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    topics: SteppedMap<Arc<str>, Arc<Topic>>,
    /// The same topics sorted by name, for patterns.
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    /// What the registry knows of each topic, by the topic's slot.
    records: SteppedVec<TopicRecord>,
    free_slots: SteppedQueue<u32>,
    next_id: u64,
    /// For each class, the topics that may make room for others, in the order of their last use.
    idle: [LruList; EVICTION_CLASSES],
    /// When to check which log for expired messages. Each topic with messages has one entry.
    deadlines: BTreeSet<(Moment, u32)>,
    /// Before this moment nothing expires and no topic has been idle for too long.
    next_sweep: Moment,
    removed_topics: RemovedTopics,
    /// While the engine's loss of messages is taken in: the number after which messages are lost,
    /// and the topics with such messages that were removed meanwhile.
    watched_removals: Option<(u64, Vec<Arc<str>>)>,
    /// How many topics were ever removed.
    pub(crate) removed: u64,
    pub(crate) patterns: Arc<Patterns>,
    /// Removed topics that the caller has not taken yet.
    newly_removed: Vec<Arc<Topic>>,
    /// How many topics made room for others while they held messages.
    pub(crate) evicted: u64,
    /// The numbers of messages that have expired, until the holder of the lock takes them.
    pub(crate) expired: Vec<u64>,
    /// The same for messages of which one topic had many. They are freed with this.
    pub(crate) expired_logs: Vec<LogEntries>,
    /// The deliveries to subscriptions of several topics.
    pub(crate) delivered: Arc<DeliveredCounts>,
    /// How many messages of removed topics were delivered.
    pub(crate) removed_delivered: u64,
}

/// Which kinds of subscriptions read a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TopicReaders {
    None,
    /// All its subscriptions are by pattern.
    ByPattern,
    /// At least one subscription is by the topic's name.
    Named,
}

#[derive(Debug, Default)]
struct TopicRecord {
    /// `None` for a free slot.
    topic: Option<Arc<Topic>>,
    /// The topic was created explicitly, so it stays.
    is_explicit: bool,
    /// The list of idle topics that has this topic.
    class: Option<EvictionClass>,
    deadline: Option<Moment>,
}

/// The order in which topics make room: first those of the first class, then those of the second,
/// and so on. Within a class the topic that has been idle longest goes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum EvictionClass {
    /// It has no messages. A pattern matches it; otherwise it would have been removed.
    Empty,
    /// It has messages and no subscriptions.
    Unread,
    /// It has messages, and all its subscriptions are by pattern.
    ByPattern,
}

const EVICTION_CLASSES: usize = 3;

/// The hub has its maximum number of topics, and none of them may be removed.
#[derive(Debug)]
pub(crate) struct HubFull;

impl Registry {
    #[cfg(test)]
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// Returns the first topics after a name, or all from the first on, whose names begin with this
    /// text. They are sorted by name.
    pub(crate) fn page(&self, prefix: &str, after: Option<&str>, max: usize) -> Vec<Arc<Topic>> {
        let from = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        self.by_name
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .take(max)
            .map(|(_, topic)| Arc::clone(topic))
            .collect()
    }

    /// Which kinds of subscriptions read a topic.
    pub(crate) fn readership(&self, topic: &Topic) -> TopicReaders {
        if !topic.readers.is_empty() {
            TopicReaders::Named
        } else if self.patterns.of(topic).is_some() {
            TopicReaders::ByPattern
        } else {
            TopicReaders::None
        }
    }

    pub(crate) fn is_explicit(&self, topic: &Topic) -> bool {
        self.records[topic.slot as usize].is_explicit
    }

    /// Makes room for so many new topics by removing those that have been idle longest. Keeps the
    /// topics in `wanted`, which the caller is about to use.
    ///
    /// Changes nothing if there is not enough room.
    pub(crate) fn make_room<'a>(
        &mut self,
        count: usize,
        wanted: impl Iterator<Item = &'a Arc<Topic>> + Clone,
        settings: &HubSettings,
    ) -> Result<(), HubFull> {
        let excess = (self.topics.len() + count).saturating_sub(settings.max_topics);
        if excess == 0 {
            return Ok(());
        }
        let wanted = wanted.map(|topic| topic.slot);
        let is_idle = |slot: &u32| self.records[*slot as usize].class.is_some();
        let kept = wanted.clone().filter(is_idle).count();
        let idle: usize = self.idle.iter().map(LruList::len).sum();
        if excess > idle - kept {
            return Err(HubFull);
        }
        wanted.for_each(|slot| self.set_class(slot, None));
        for _ in 0..excess {
            let oldest = self.idle.iter().find_map(LruList::oldest);
            let Some(topic) = oldest.and_then(|slot| self.topic_at(slot)) else { break };
            let is_empty = self.records[topic.slot as usize].class == Some(EvictionClass::Empty);
            self.evicted += u64::from(!is_empty);
            self.remove(&topic, settings);
        }
        Ok(())
    }

    /// Adds a topic that does not exist. The caller has made room, and calls
    /// [`reclassify`](Self::reclassify) once the topic has its message or its subscription.
    pub(crate) fn add(&mut self, name: &str, settings: &HubSettings) -> Arc<Topic> {
        let name: Arc<str> = name.into();
        let earlier = self.removed_topics.take(&name);
        let slot = self.free_slots.pop_back().unwrap_or_else(|| {
            self.records.push(TopicRecord::default());
            // 2^32 topics do not fit into memory.
            (self.records.len() - 1) as u32
        });
        self.idle.iter_mut().for_each(|list| list.make_place(slot));
        let max_keys = settings.max_keys(&name);
        let topic = Arc::new(Topic::new(self.next_id, slot, Arc::clone(&name), earlier, max_keys));
        self.delivered.begin(topic.short_id());
        self.next_id += 1;
        if earlier.known > 0 {
            // A reader by pattern that looks at all topics now may have come past this name, and
            // does not find the name among the removed topics any more.
            self.tell_patterns(&topic);
        }
        self.records[slot as usize] =
            TopicRecord { topic: Some(Arc::clone(&topic)), ..TopicRecord::default() };
        self.topics.insert(Arc::clone(&name), Arc::clone(&topic));
        self.by_name.insert(name, Arc::clone(&topic));
        topic
    }

    /// Notes that a message was appended.
    pub(crate) fn note_message(
        &mut self,
        topic: &Topic,
        key: KeyChange<'_>,
        settings: &HubSettings,
        now: Moment,
    ) {
        let slot = topic.slot;
        let record = &mut self.records[slot as usize];
        let class = record.class;
        let was_empty = record.deadline.is_none();
        if was_empty {
            self.schedule(slot, Some(now.after(settings.bounds.age).next()));
        }
        if let Some(class) = class {
            self.idle[class as usize].touch(slot);
        }
        // Another message without a key does not change whether the topic is kept.
        if was_empty || class == Some(EvictionClass::Empty) || key != KeyChange::None {
            self.reclassify(topic, settings, now);
        }
    }

    /// Notes that the last subscription of a topic, or the last one by name, has ended. If another
    /// one has come meanwhile, the topic is kept. Nothing changes for a topic that nobody read.
    pub(crate) fn note_left(&mut self, topic: &Topic, settings: &HubSettings, now: Moment) {
        if !topic.is_removed() {
            let record = &mut self.records[topic.slot as usize];
            if record.class == Some(EvictionClass::Unread) {
                return;
            }
            self.reclassify(topic, settings, now);
        }
    }

    /// Notes that somebody subscribes to the topic's name, which keeps the topic.
    pub(crate) fn note_named_subscriber(&mut self, topic: &Topic) {
        self.set_class(topic.slot, None);
    }

    /// Sets whether the topic was created explicitly, which keeps it.
    pub(crate) fn set_explicit(&mut self, topic: &Topic, is_explicit: bool) {
        self.records[topic.slot as usize].is_explicit = is_explicit;
    }

    /// Decides anew what happens to a topic whose subscriptions, keys or messages have changed. The
    /// topic is removed if nothing keeps it and it holds nothing. It is listed as idle if only its
    /// messages keep it.
    pub(crate) fn reclassify(&mut self, topic: &Topic, settings: &HubSettings, now: Moment) {
        if topic.is_removed() {
            return;
        }
        let slot = topic.slot;
        let readership = self.readership(topic);
        let contents = topic.contents_at(now, &settings.bounds);
        let is_kept = readership == TopicReaders::Named || contents == Contents::Keys;
        let class = match (contents, readership) {
            _ if is_kept || self.records[slot as usize].is_explicit => None,
            (Contents::Empty, TopicReaders::None) => {
                return self.topic_at(slot).iter().for_each(|topic| self.remove(topic, settings));
            }
            (Contents::Empty, _) => Some(EvictionClass::Empty),
            (_, TopicReaders::None) => Some(EvictionClass::Unread),
            _ => Some(EvictionClass::ByPattern),
        };
        self.set_class(slot, class);
    }

    /// Drops expired messages, and removes topics that hold nothing more. One call handles a
    /// bounded number of topics. Returns true if there may be more.
    pub(crate) fn sweep(&mut self, settings: &HubSettings, now: Moment) -> bool {
        if now < self.next_sweep {
            return false;
        }
        for _ in 0..MAX_SWEEP {
            let Some((deadline, slot)) = self.deadlines.first().copied() else { break };
            if deadline > now {
                break;
            }
            let Some(topic) = self.topic_at(slot) else { break };
            // If the topic has no subscriptions and all its messages have expired, it is removed as
            // a whole.
            if self.records[slot as usize].class == Some(EvictionClass::Unread) {
                self.reclassify(&topic, settings, now);
            }
            if topic.is_removed() {
                continue;
            }
            let least = now.after(settings.bounds.age / EXPIRY_CHECKS_PER_AGE).next();
            let note_expired = |number| self.expired.push(number);
            let (next, taken) = topic.expire(now, &settings.bounds, note_expired);
            self.expired_logs.extend(taken);
            self.schedule(slot, next.map(|(first, last)| first.max(least).min(last)));
            self.reclassify(&topic, settings, now);
        }
        let next = self.deadlines.first().map(|(deadline, _)| *deadline);
        self.next_sweep = next.unwrap_or(Moment(u64::MAX));
        self.next_sweep <= now
    }

    /// Removes a topic, whatever it holds. Its last number is remembered, so that a client that
    /// resumes is told of the gap.
    pub(crate) fn remove(&mut self, topic: &Arc<Topic>, settings: &HubSettings) {
        let slot = topic.slot;
        self.schedule(slot, None);
        self.set_class(slot, None);
        self.records[slot as usize] = TopicRecord::default();
        self.free_slots.push_back(slot);
        self.topics.remove(&topic.name);
        self.by_name.remove(&topic.name);
        self.tell_patterns(topic);
        let last = topic.last_number_of_name();
        if let Some((after, names)) = &mut self.watched_removals
            && last > *after
        {
            names.push(Arc::clone(&topic.name));
        }
        self.remember_removed(topic, last, settings);
        topic.set_removed();
        self.removed += 1;
        self.removed_delivered += topic.delivered() + self.delivered.end(topic.short_id());
        self.newly_removed.push(Arc::clone(topic));
    }

    pub(crate) fn has_newly_removed(&self) -> bool {
        !self.newly_removed.is_empty()
    }

    /// Takes the topics that were removed since the last call.
    pub(crate) fn take_newly_removed(&mut self) -> Vec<Arc<Topic>> {
        std::mem::take(&mut self.newly_removed)
    }

    /// Notes that a message of a topic that does not exist is lost.
    pub(crate) fn note_removed(&mut self, topic: &Topic, number: u64, settings: &HubSettings) {
        self.removed_topics.take(&topic.name);
        self.tell_patterns(topic);
        self.remember_removed(topic, number, settings);
    }

    fn remember_removed(&mut self, topic: &Topic, number: u64, settings: &HubSettings) {
        let max = settings.max_remembered_topics;
        let forgotten = self.removed_topics.note(Arc::clone(&topic.name), number, max);
        self.patterns.set_forgotten(self.removed_topics.floor());
        if let Some((last, name)) = forgotten {
            // A pattern may have come after the topic was removed, and may have a reader that has
            // not looked for the topic yet.
            let last_of_keyed = if settings.max_keys(&name).is_some() { last } else { 0 };
            let numbers = RemovedNumbers { last, last_of_keyed, message: 0 };
            self.patterns.note_forgotten(&name, numbers);
        }
    }

    /// Notes that messages up to this number are lost and may have belonged to any topic.
    #[must_use]
    pub(crate) fn note_loss(&mut self, number: u64) -> Option<ForgottenNames> {
        let forgotten = self.removed_topics.raise_floor(number);
        self.patterns.set_forgotten(self.removed_topics.floor());
        forgotten
    }

    /// From now on, notes the names of the topics that are removed and had a message after this
    /// number. Returns the first page of those that were removed before.
    pub(crate) fn begin_roll_back(&mut self, after: u64, max: usize) -> Vec<(u64, Arc<str>)> {
        self.watched_removals = Some((after, Vec::new()));
        self.page_of_removed(after, u64::MAX, max)
    }

    /// Takes the noted names. If there are none, the registry stops noting names.
    pub(crate) fn take_watched_removals(&mut self) -> Vec<Arc<str>> {
        let Some((_, names)) = &mut self.watched_removals else { return Vec::new() };
        let names = std::mem::take(names);
        self.watched_removals.take_if(|_| names.is_empty());
        names
    }

    /// Tells the patterns that match a topic of its removal, or of that of earlier topics of its
    /// name.
    fn tell_patterns(&self, topic: &Topic) {
        self.patterns.note_removed(topic);
    }

    /// The last numbers of removed topics, the greatest first: those below `end`, as far as they
    /// are greater than `after`.
    pub(crate) fn page_of_removed(&self, after: u64, end: u64, max: usize) -> Vec<(u64, Arc<str>)> {
        self.removed_topics.page(after, end, max)
    }

    /// A number that is at least as great as those of the topics that were forgotten.
    pub(crate) fn last_forgotten_number(&self) -> u64 {
        self.removed_topics.floor()
    }

    fn topic_at(&self, slot: u32) -> Option<Arc<Topic>> {
        self.records[slot as usize].topic.clone()
    }

    /// Moves a topic to the list of another class, as the most recently used one. Does nothing if
    /// it already is in that list.
    fn set_class(&mut self, slot: u32, class: Option<EvictionClass>) {
        let old = std::mem::replace(&mut self.records[slot as usize].class, class);
        if old == class {
            return;
        }
        if let Some(old) = old {
            self.idle[old as usize].remove(slot);
        }
        if let Some(class) = class {
            self.idle[class as usize].touch(slot);
        }
    }

    fn schedule(&mut self, slot: u32, deadline: Option<Moment>) {
        let old = std::mem::replace(&mut self.records[slot as usize].deadline, deadline);
        if let Some(old) = old {
            self.deadlines.remove(&(old, slot));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, slot));
            self.next_sweep = self.next_sweep.min(deadline);
        }
    }
}
