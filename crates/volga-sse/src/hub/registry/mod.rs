//! Which topics there are, for how long each stays, and which one makes room for another. Pure,
//! with the time as an argument.
//!
//! Nothing removes a topic while somebody subscribes to its name, while a key of it has a value, or
//! if it was created explicitly. Any other topic is removed
//!
//! - at once if it has neither messages nor subscribers,
//! - after a while if it has messages and no subscribers,
//! - and when a new topic needs its place. See [`EvictionClass`] for the order.
//!
//! So a subscription by pattern keeps a topic, but not when room is needed. Else one dashboard that
//! reads everything would keep every name that a client ever made up, until the hub is full. The
//! subscription loses nothing: it is handed the next topic of that name, and is told of a gap if it
//! had not read the last messages.

pub(crate) mod lru_list;
pub(crate) mod removed_topics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::registry::lru_list::LruList;
use crate::hub::registry::removed_topics::RemovedTopics;
use crate::hub::settings::HubSettings;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::topic::subscribers::Readership;
use crate::hub::topic::{Contents, Topic};

/// How many topics one call lets go of, at most, of each kind: those that have expired and those
/// that have been idle too long.
const MAX_SWEEP: usize = 16;
/// A log is looked at no more often than so many times within the age to which it holds messages,
/// unless it is then empty.
const EXPIRY_CHECKS_PER_AGE: u64 = 4;

/// The topics of a hub.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    topics: HashMap<Arc<str>, Arc<Topic>>,
    /// The same topics by their names, for patterns.
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    /// What is known of each topic, at its slot.
    records: Vec<TopicRecord>,
    free: Vec<u32>,
    next_id: u64,
    /// The topics that may make room for others, in the order in which they were last used, for
    /// each class.
    idle: [LruList; EVICTION_CLASSES],
    /// When to look at which log for messages that have expired. Each topic with messages is here
    /// once.
    deadlines: BTreeSet<(Moment, u32)>,
    /// Before this moment nothing has expired and nothing has been idle for too long.
    due: Moment,
    forgotten: RemovedTopics,
    /// Topics that were removed and are to be cleared once the lock is free.
    removed: Vec<Arc<Topic>>,
    /// How many topics made room for others while they held messages.
    pub(crate) evicted: u64,
    /// How many messages of topics that are gone were delivered.
    pub(crate) removed_delivered: u64,
}

#[derive(Debug, Default)]
struct TopicRecord {
    /// `None` for a free slot.
    topic: Option<Arc<Topic>>,
    /// Created explicitly.
    is_explicit: bool,
    /// When the last message came or the last subscriber left.
    idle_since: Moment,
    /// In which list of idle topics it is.
    class: Option<EvictionClass>,
    deadline: Option<Moment>,
}

/// Which topics make room first: those of the first class, then those of the second, and so on.
/// Within a class, those that have been idle longest go first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum EvictionClass {
    /// It has no messages. It is read by pattern, else it would not be there.
    Empty,
    /// It has messages, and nobody reads it.
    Unread,
    /// It has messages, and is read by pattern alone.
    ByPattern,
}

const EVICTION_CLASSES: usize = 3;

/// The hub has its maximum of topics, and none of them may go.
#[derive(Debug)]
pub(crate) struct HubFull;

impl Registry {
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topics that a filter matches.
    pub(crate) fn matching<'a>(&'a self, filter: &'a TopicFilter) -> Vec<Arc<Topic>> {
        match filter {
            TopicFilter::Name(name) => {
                self.topics.get(name.as_str()).cloned().into_iter().collect()
            }
            TopicFilter::Pattern(pattern) => self
                .by_name
                .range::<str, _>((Bound::Included(pattern.prefix()), Bound::Unbounded))
                .take_while(|(name, _)| name.starts_with(pattern.prefix()))
                .filter(|(name, _)| pattern.matches(name))
                .map(|(_, topic)| Arc::clone(topic))
                .collect(),
        }
    }

    pub(crate) fn is_explicit(&self, topic: &Topic) -> bool {
        self.records[topic.slot as usize].is_explicit
    }

    /// Makes sure that so many new topics have room: those that have been idle longest go. `wanted`
    /// must not go; nothing keeps it yet.
    ///
    /// Either there is room afterwards, or nothing has changed.
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
            let Some(topic) = oldest.and_then(|slot| self.at(slot)) else { break };
            let is_empty = self.records[topic.slot as usize].class == Some(EvictionClass::Empty);
            self.evicted += u64::from(!is_empty);
            self.remove(&topic, settings);
        }
        Ok(())
    }

    /// Adds a topic that is not there. The caller has made room, and settles the topic once it has
    /// what it was made for.
    pub(crate) fn add(&mut self, name: &str, settings: &HubSettings, now: Moment) -> Arc<Topic> {
        let name: Arc<str> = name.into();
        let before = self.forgotten.recall(&name);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.records.push(TopicRecord::default());
            // Four thousand million topics do not fit into memory.
            (self.records.len() - 1) as u32
        });
        let max_keys = settings.max_keys(&name);
        let topic = Arc::new(Topic::new(self.next_id, slot, Arc::clone(&name), before, max_keys));
        self.next_id += 1;
        self.records[slot as usize] = TopicRecord {
            topic: Some(Arc::clone(&topic)),
            idle_since: now,
            ..TopicRecord::default()
        };
        self.topics.insert(Arc::clone(&name), Arc::clone(&topic));
        self.by_name.insert(name, Arc::clone(&topic));
        topic
    }

    /// Notes a message that was appended.
    pub(crate) fn note_message(
        &mut self,
        topic: &Topic,
        key: KeyChange<'_>,
        settings: &HubSettings,
        now: Moment,
    ) {
        let slot = topic.slot;
        let record = &mut self.records[slot as usize];
        record.idle_since = record.idle_since.max(now);
        let class = record.class;
        let was_empty = record.deadline.is_none();
        if was_empty {
            self.schedule(slot, Some(now.after(settings.bounds.age).next()));
        }
        if let Some(class) = class {
            self.idle[class as usize].touch(slot);
        }
        // A further message without a key changes nothing about what keeps the topic.
        if was_empty || class == Some(EvictionClass::Empty) || key != KeyChange::None {
            self.reclassify(topic, settings, now);
        }
    }

    /// Notes that the last subscriber has left, or the last one by name. One that came meanwhile
    /// keeps the topic.
    pub(crate) fn note_left(&mut self, topic: &Topic, settings: &HubSettings, now: Moment) {
        if !topic.is_removed() {
            let record = &mut self.records[topic.slot as usize];
            record.idle_since = record.idle_since.max(now);
            self.reclassify(topic, settings, now);
        }
    }

    /// Notes that somebody subscribes to a topic by its name.
    pub(crate) fn note_joined(&mut self, topic: &Topic) {
        self.set_class(topic.slot, None);
    }

    /// Says whether a topic was created explicitly, and so stays.
    pub(crate) fn set_explicit(&mut self, topic: &Topic, is_explicit: bool) {
        self.records[topic.slot as usize].is_explicit = is_explicit;
    }

    /// Does with a topic what is to be done with it after its subscribers, its keys or its messages
    /// have changed: it is removed if nothing keeps it and it holds nothing, and is among the idle
    /// ones if nothing keeps it but its messages.
    pub(crate) fn reclassify(&mut self, topic: &Topic, settings: &HubSettings, now: Moment) {
        if topic.is_removed() {
            return;
        }
        let slot = topic.slot;
        let readers = topic.readers();
        let contents = topic.contents_at(now, &settings.bounds);
        let is_kept = readers == Readership::Named || contents == Contents::Keys;
        let class = match (contents, readers) {
            _ if is_kept || self.records[slot as usize].is_explicit => None,
            (Contents::Empty, Readership::None) => {
                return self.at(slot).iter().for_each(|topic| self.remove(topic, settings));
            }
            (Contents::Empty, _) => Some(EvictionClass::Empty),
            (_, Readership::None) => Some(EvictionClass::Unread),
            _ => Some(EvictionClass::ByPattern),
        };
        self.set_class(slot, class);
        if class == Some(EvictionClass::Unread) {
            self.due = self.due.min(self.idle_until(slot, settings));
        }
    }

    /// Lets go of what has expired and of topics that have been idle for too long, of a bounded
    /// number in one call. True if there may be more.
    pub(crate) fn sweep(&mut self, settings: &HubSettings, now: Moment) -> bool {
        if now < self.due {
            return false;
        }
        for _ in 0..MAX_SWEEP {
            let Some((deadline, slot)) = self.deadlines.first().copied() else { break };
            if deadline > now {
                break;
            }
            let Some(topic) = self.at(slot) else { break };
            // A topic that nobody reads may go now, with all that it holds.
            if self.records[slot as usize].class == Some(EvictionClass::Unread) {
                self.reclassify(&topic, settings, now);
            }
            if topic.is_removed() {
                continue;
            }
            let least = now.after(settings.bounds.age / EXPIRY_CHECKS_PER_AGE).next();
            let next = topic.expire(now, &settings.bounds);
            self.schedule(slot, next.map(|(first, last)| first.max(least).min(last)));
            self.reclassify(&topic, settings, now);
        }
        for _ in 0..MAX_SWEEP {
            let oldest = self.idle[EvictionClass::Unread as usize].oldest();
            let Some(topic) = oldest.and_then(|slot| self.at(slot)) else { break };
            if self.idle_until(topic.slot, settings) > now {
                break;
            }
            self.remove(&topic, settings);
        }
        let expiry = self.deadlines.first().map(|(deadline, _)| *deadline);
        let idle = self.idle[EvictionClass::Unread as usize].oldest();
        let idle = idle.map(|slot| self.idle_until(slot, settings));
        self.due = expiry.into_iter().chain(idle).min().unwrap_or(Moment(u64::MAX));
        self.due <= now
    }

    /// Removes a topic, whatever it holds. What it had is remembered, so that a client that resumes
    /// is told of its loss.
    pub(crate) fn remove(&mut self, topic: &Arc<Topic>, settings: &HubSettings) {
        let slot = topic.slot;
        self.schedule(slot, None);
        self.set_class(slot, None);
        self.records[slot as usize] = TopicRecord::default();
        self.free.push(slot);
        self.topics.remove(&topic.name);
        self.by_name.remove(&topic.name);
        let max = settings.max_forgotten_topics;
        self.forgotten.note(Arc::clone(&topic.name), topic.last_ever(), max);
        topic.set_removed();
        self.removed_delivered += topic.delivered();
        self.removed.push(Arc::clone(topic));
    }

    pub(crate) fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    /// The topics that were removed since this was asked for last.
    pub(crate) fn take_removed(&mut self) -> Vec<Arc<Topic>> {
        std::mem::take(&mut self.removed)
    }

    /// Notes that messages up to this number may have been those of any topic.
    pub(crate) fn lose(&mut self, number: u64) {
        self.forgotten.raise_floor(number);
    }

    /// The greatest number that topics had which match and are gone.
    pub(crate) fn forgotten(&self, filters: &[TopicFilter]) -> u64 {
        self.forgotten.greatest(|name| filters.iter().any(|filter| filter.matches(name)))
    }

    fn at(&self, slot: u32) -> Option<Arc<Topic>> {
        self.records[slot as usize].topic.clone()
    }

    fn idle_until(&self, slot: u32, settings: &HubSettings) -> Moment {
        self.records[slot as usize].idle_since.after(settings.topic_idle).next()
    }

    /// Puts a topic into the list of its class, as the one that was used last, unless it is there.
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
            self.due = self.due.min(deadline);
        }
    }
}
