//! Which topics exist: the rules of a hub as a plain list that is searched from its start.

use std::collections::{BTreeMap, BTreeSet};

use volga_sse::hub::TopicCreation;

use super::oracle::{Change, MAX_AGE, MAX_KEYS, MAX_TOPICS, is_keyed, matches};

/// Why a call is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    Unknown,
    Full,
    Keys,
}

/// The order in which topics make room.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    Empty,
    Unread,
    ByPattern,
}

#[derive(Debug)]
struct Topic {
    name: &'static str,
    is_explicit: bool,
    keys: BTreeSet<&'static str>,
    last_message: Option<u64>,
    last_number: u64,
    class: Option<Class>,
    /// The step in which it was used last.
    used: u64,
}

#[derive(Debug)]
pub(crate) struct Topics {
    pub(crate) creation: TopicCreation,
    topics: Vec<Topic>,
    /// The names and patterns of each connected client.
    readers: BTreeMap<usize, Vec<&'static str>>,
    steps: u64,
    pub(crate) evicted: u64,
    /// For each name, the hub's last number when a topic of this name was removed.
    removed: BTreeMap<&'static str, u64>,
    /// Some of these topics had to go, no matter which, and this many of them.
    any_of: (BTreeSet<&'static str>, usize),
}

impl Topics {
    pub(crate) fn new(creation: TopicCreation) -> Self {
        Self {
            creation,
            topics: Vec::new(),
            readers: BTreeMap::new(),
            steps: 0,
            evicted: 0,
            removed: BTreeMap::new(),
            any_of: (BTreeSet::new(), 0),
        }
    }

    /// Whether the message with this number was removed together with its topic.
    pub(crate) fn is_removed(&self, topic: &str, number: u64) -> bool {
        self.removed.get(topic).is_some_and(|removed| number <= *removed)
    }

    pub(crate) fn publish(
        &mut self,
        name: &'static str,
        change: Change,
        last: u64,
        now: u64,
    ) -> Result<(), Refusal> {
        let found = self.find(name);
        let is_strict = self.creation == TopicCreation::Explicit;
        if is_strict && !found.is_some_and(|index| self.topics[index].is_explicit) {
            return Err(Refusal::Unknown);
        }
        if let (Change::Set(key), Some(index)) = (change, found)
            && self.topics[index].keys.len() >= MAX_KEYS
            && !self.topics[index].keys.contains(key)
        {
            return Err(Refusal::Keys);
        }
        if found.is_none() {
            self.make_room(1, &[], last)?;
            self.create(name);
        }
        self.steps += 1;
        let steps = self.steps;
        let index = self.find(name).expect("there");
        let topic = &mut self.topics[index];
        (topic.last_message, topic.last_number) = (Some(now), last + 1);
        topic.used = steps;
        match change {
            Change::Plain => {}
            Change::Set(key) => _ = topic.keys.insert(key),
            Change::Remove(key) => _ = topic.keys.remove(key),
        }
        self.settle(name, last, now);
        Ok(())
    }

    pub(crate) fn subscribe(
        &mut self,
        client: usize,
        filters: &[&'static str],
        last: u64,
        now: u64,
    ) -> Result<(), Refusal> {
        let names: BTreeSet<_> =
            filters.iter().copied().filter(|filter| !filter.contains(['*', '>'])).collect();
        let names: Vec<_> = names.into_iter().collect();
        let is_there = |name: &str| match self.find(name) {
            Some(index) if self.creation == TopicCreation::Explicit => {
                self.topics[index].is_explicit
            }
            found => found.is_some(),
        };
        let missing: Vec<_> = names.iter().copied().filter(|name| !is_there(name)).collect();
        if self.creation != TopicCreation::OnUse && !missing.is_empty() {
            return Err(Refusal::Unknown);
        }
        self.make_room(missing.len(), &names, last)?;
        missing.iter().for_each(|name| self.create(name));
        self.readers.insert(client, filters.to_vec());
        self.settle_all(names, last, now);
        let all: Vec<_> = self.topics.iter().map(|topic| topic.name).collect();
        let matching = all.into_iter().filter(|name| matches(filters, name)).collect();
        self.settle_all(matching, last, now);
        Ok(())
    }

    pub(crate) fn leave(&mut self, client: usize, last: u64, now: u64) {
        let names: Vec<_> = self.topics.iter().map(|topic| topic.name).collect();
        let before: Vec<_> = names.iter().map(|name| self.readers_of(name)).collect();
        self.readers.remove(&client);
        let mut left = Vec::new();
        for (name, before) in names.into_iter().zip(before) {
            if self.readers_of(name) != before {
                left.push(name);
            }
        }
        self.settle_all(left, last, now);
    }

    pub(crate) fn create_topic(
        &mut self,
        name: &'static str,
        last: u64,
        now: u64,
    ) -> Result<(), Refusal> {
        if self.find(name).is_none() {
            self.make_room(1, &[], last)?;
            self.create(name);
        }
        let index = self.find(name).expect("there");
        self.topics[index].is_explicit = true;
        self.settle(name, last, now);
        Ok(())
    }

    /// Whether a key of a topic has a value.
    pub(crate) fn has_values(&self, name: &str) -> bool {
        self.find(name).is_some_and(|index| !self.topics[index].keys.is_empty())
    }

    pub(crate) fn remove_topic(&mut self, name: &'static str, last: u64, now: u64) -> bool {
        let Some(index) = self.find(name) else {
            return false;
        };
        self.removed.insert(name, last);
        if self.readers_of(name) == Some(true) {
            let topic = &mut self.topics[index];
            topic.is_explicit = false;
            topic.last_message = None;
            topic.keys.clear();
            self.settle(name, last, now);
        } else {
            self.topics.remove(index);
        }
        true
    }

    /// Removes what time has removed, and compares.
    pub(crate) fn check(&mut self, hub: &[std::sync::Arc<str>], last: u64, now: u64) {
        let names: Vec<_> = self.topics.iter().map(|topic| topic.name).collect();
        names.into_iter().for_each(|name| self.settle(name, last, now));
        let there: BTreeSet<&str> = hub.iter().map(|name| &**name).collect();
        let (any_of, count) = std::mem::take(&mut self.any_of);
        let gone: Vec<_> = any_of.into_iter().filter(|name| !there.contains(name)).collect();
        assert!(gone.len() >= count, "{gone:?} went, {count} empty ones had to");
        gone.into_iter().take(count).for_each(|name| self.remove(name, last));
        let expect: BTreeSet<_> = self.topics.iter().map(|topic| topic.name).collect();
        assert_eq!(there, expect, "{:?}", self.readers);
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.name == name)
    }

    /// `None` if nobody reads the topic, and otherwise whether somebody reads it by name.
    fn readers_of(&self, name: &str) -> Option<bool> {
        let reading = || self.readers.values().filter(|filters| matches(filters, name));
        reading().next()?;
        Some(reading().any(|filters| filters.contains(&name)))
    }

    fn create(&mut self, name: &'static str) {
        self.topics.push(Topic {
            name,
            is_explicit: false,
            keys: BTreeSet::new(),
            last_message: None,
            last_number: 0,
            class: None,
            used: 0,
        });
    }

    fn remove(&mut self, name: &'static str, last: u64) {
        self.removed.insert(name, last);
        self.topics.retain(|topic| topic.name != name);
    }

    fn settle_all(&mut self, mut names: Vec<&'static str>, last: u64, now: u64) {
        names.sort_by_key(|name| self.find(name).map(|index| self.topics[index].last_number));
        names.into_iter().for_each(|name| self.settle(name, last, now));
    }

    fn settle(&mut self, name: &'static str, last: u64, now: u64) {
        let Some(index) = self.find(name) else { return };
        let readers = self.readers_of(name);
        let topic = &mut self.topics[index];
        let is_empty = topic.last_message.is_none_or(|at| now - at > MAX_AGE);
        assert!(topic.keys.is_empty() || is_keyed(name));
        let class = if topic.is_explicit || readers == Some(true) || !topic.keys.is_empty() {
            None
        } else if is_empty {
            if readers.is_none() {
                return self.remove(name, last);
            }
            Some(Class::Empty)
        } else if readers.is_none() {
            Some(Class::Unread)
        } else {
            Some(Class::ByPattern)
        };
        if topic.class != class {
            self.steps += 1;
            (topic.class, topic.used) = (class, self.steps);
        }
    }

    fn make_room(
        &mut self,
        count: usize,
        wanted: &[&'static str],
        last: u64,
    ) -> Result<(), Refusal> {
        let excess = (self.topics.len() - self.any_of.1 + count).saturating_sub(MAX_TOPICS);
        let mut idle: Vec<_> = self
            .topics
            .iter()
            .filter(|topic| !wanted.contains(&topic.name))
            .filter_map(|topic| Some((topic.class?, topic.used, topic.name)))
            .collect();
        idle.sort_unstable();
        if excess > idle.len() {
            return Err(Refusal::Full);
        }
        // The order in which empty topics go makes no difference to clients.
        let empty = idle.iter().filter(|(class, ..)| *class == Class::Empty);
        let empty: BTreeSet<_> = empty.map(|(_, _, name)| *name).collect();
        if excess <= empty.len() && excess > 0 {
            self.any_of = (empty, excess);
            return Ok(());
        }
        for (class, _, name) in idle.into_iter().take(excess) {
            self.evicted += u64::from(class != Class::Empty);
            self.remove(name, last);
        }
        Ok(())
    }
}
