//! What the hub's one lock guards: the next number, which topics there are, and who waits for topics to come.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
    task::Waker,
};

use super::{
    clock::Moment,
    dense::Dense,
    forgotten::Forgotten,
    pattern::Filter,
    presence::{Presence, Queue},
    relay::Reordered,
    shared::Settings,
    topic::{Side, Topic},
    wake::Reader,
};

/// How many topics one call looks at, at most, to find what has expired.
const MAX_SWEEP: u64 = 16;
/// In how many turns all topics are looked at within the time after which something can expire.
const SWEEPS: u64 = 4;

/// The order of a hub.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// The last number that was given.
    pub(crate) last: u64,
    pub(crate) closed: bool,
    /// How many messages were published, and how many of topics that are gone were delivered.
    pub(crate) published: u64,
    pub(crate) gone_delivered: u64,
    next_topic: u64,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    /// The same topics by their names, for patterns and for the sweep.
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    watchers: Dense<Watcher>,
    identities: HashMap<Arc<str>, Dense<Arc<Reader>>>,
    /// For topics with identities or with somebody who watches them.
    presence: HashMap<Arc<str>, Presence>,
    /// Who is to be woken once the lock is free.
    wakers: Vec<Waker>,
    forgotten: Forgotten,
    /// Of a relayed hub: what waits for its turn.
    pub(crate) reordered: Reordered,
    /// The last topic that the sweep looked at, and when it moved.
    hand: Option<Arc<str>>,
    swept: Moment,
}

/// A subscription with patterns.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) filters: Box<[Filter]>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) identity: Option<Arc<str>>,
}

/// The hub has its maximum of topics.
#[derive(Debug)]
pub(crate) struct Full;

impl Order {
    /// The order of a hub that has nothing up to this number.
    pub(crate) fn starting_after(last: u64) -> Self {
        let mut order = Self { last, ..Self::default() };
        order.lose(last);
        order
    }

    pub(crate) fn is_new(&self, name: &str) -> bool {
        !self.topics.contains_key(name)
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.get(name).cloned()
    }

    /// The topic, new if need be: then every subscription with a pattern that matches has it before it has its first message.
    pub(crate) fn topic_or_new(
        &mut self,
        name: &str,
        settings: &Settings,
        now: Moment,
    ) -> Result<Arc<Topic>, Full> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(Arc::clone(topic));
        }
        self.make_room(|_| 1, settings, now)?;
        let name: Arc<str> = name.into();
        let before = self.forgotten.recall(&name);
        let topic =
            Topic::new(self.next_topic, Arc::clone(&name), before, settings.max_keys(&name), now);
        self.next_topic += 1;
        let topic = Arc::new(topic);
        for watcher in self.watchers.iter() {
            if watcher.filters.iter().any(|filter| filter.matches(&name)) {
                watcher.reader.hand_over(topic.join(&watcher.reader, Side::Others));
                if let Some(identity) = &watcher.identity {
                    let presence = self.presence.entry(Arc::clone(&name)).or_default();
                    presence.join(identity, &mut self.wakers);
                }
            }
        }
        self.topics.insert(Arc::clone(&name), Arc::clone(&topic));
        self.by_name.insert(name, Arc::clone(&topic));
        Ok(topic)
    }

    /// Makes sure that so many new topics have room, if need be by looking for idle ones. The count is asked for again then: a topic that is gone
    /// may be one that is wanted.
    pub(crate) fn make_room(
        &mut self,
        count: impl Fn(&Self) -> usize,
        settings: &Settings,
        now: Moment,
    ) -> Result<(), Full> {
        let has_room = |order: &Self| order.topics.len() + count(order) <= settings.max_topics;
        if !has_room(self) {
            self.sweep_some(MAX_SWEEP, settings, now);
        }
        if has_room(self) { Ok(()) } else { Err(Full) }
    }

    /// The topics that a filter matches.
    pub(crate) fn matching<'a>(&'a self, filter: &'a Filter) -> Vec<Arc<Topic>> {
        match filter {
            Filter::Name(name) => self.topics.get(name.as_str()).cloned().into_iter().collect(),
            Filter::Pattern(pattern) => self
                .by_name
                .range::<str, _>((Bound::Included(pattern.prefix()), Bound::Unbounded))
                .take_while(|(name, _)| name.starts_with(pattern.prefix()))
                .filter(|(name, _)| pattern.matches(name))
                .map(|(_, topic)| Arc::clone(topic))
                .collect(),
        }
    }

    /// Notes that messages up to this number are lost, of whatever topics, and wakes those who wait for topics to come.
    pub(crate) fn lose(&mut self, number: u64) {
        self.forgotten.raise_floor(number);
        let wakers = self.watchers.iter().filter_map(|watcher| watcher.reader.take_waker());
        self.wakers.extend(wakers);
    }

    /// The greatest number that topics had which match and are gone.
    pub(crate) fn forgotten(&self, filters: &[Filter]) -> u64 {
        self.forgotten.greatest(|name| filters.iter().any(|filter| filter.matches(name)))
    }

    pub(crate) fn watch(&mut self, watcher: Watcher) -> u32 {
        self.watchers.insert(watcher)
    }

    pub(crate) fn unwatch(&mut self, handle: u32) -> Watcher {
        self.watchers.remove(handle)
    }

    pub(crate) fn watchers(&self) -> impl Iterator<Item = &Watcher> {
        self.watchers.iter()
    }

    pub(crate) fn identify(&mut self, identity: &Arc<str>, reader: &Arc<Reader>) -> u32 {
        let readers = self.identities.entry(Arc::clone(identity)).or_default();
        readers.insert(Arc::clone(reader))
    }

    pub(crate) fn unidentify(&mut self, identity: &str, handle: u32) {
        if let Some(readers) = self.identities.get_mut(identity) {
            readers.remove(handle);
            if readers.is_empty() {
                self.identities.remove(identity);
            }
        }
    }

    /// Counts a subscription of an identity on these topics.
    pub(crate) fn enter<'a>(
        &mut self,
        identity: &Arc<str>,
        topics: impl Iterator<Item = &'a Arc<Topic>>,
    ) {
        for topic in topics {
            let presence = self.presence.entry(Arc::clone(&topic.name)).or_default();
            presence.join(identity, &mut self.wakers);
        }
    }

    /// Takes it back.
    pub(crate) fn exit<'a>(
        &mut self,
        identity: &Arc<str>,
        topics: impl Iterator<Item = &'a Arc<Topic>>,
    ) {
        for topic in topics {
            if let Some(presence) = self.presence.get_mut(&topic.name) {
                presence.leave(identity, &mut self.wakers);
                if presence.is_unused() {
                    self.presence.remove(&topic.name);
                }
            }
        }
    }

    /// Who subscribes to a topic, each identity with the number of its subscriptions.
    pub(crate) fn present(&self, topic: &str) -> BTreeMap<Arc<str>, usize> {
        self.presence.get(topic).map_or_else(BTreeMap::new, |presence| presence.present().clone())
    }

    pub(crate) fn watch_presence(&mut self, topic: &Arc<str>) -> (u32, Arc<Queue>) {
        self.presence.entry(Arc::clone(topic)).or_default().watch()
    }

    pub(crate) fn unwatch_presence(&mut self, topic: &str, handle: u32) {
        if let Some(presence) = self.presence.get_mut(topic) {
            presence.unwatch(handle);
            if presence.is_unused() {
                self.presence.remove(topic);
            }
        }
    }

    /// Who is to be woken once the lock is free.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers)
    }

    /// The subscriptions of an identity.
    pub(crate) fn identified(&self, identity: &str) -> Vec<Arc<Reader>> {
        self.identities
            .get(identity)
            .map_or_else(Vec::new, |readers| readers.iter().map(Arc::clone).collect())
    }

    /// Looks at as many topics as the time since the last call asks for: so all have their turn however many there are, and
    /// a hub that publishes much does not look more often.
    pub(crate) fn sweep(&mut self, settings: &Settings, now: Moment) {
        let period = settings.bounds.age.min(settings.topic_idle) / SWEEPS + 1;
        let passed = self.swept.age(now).min(period);
        let due = self.topics.len() as u64 * passed / period;
        if due > 0 {
            self.swept = now;
            self.sweep_some(due.min(MAX_SWEEP), settings, now);
        }
    }

    fn sweep_some(&mut self, count: u64, settings: &Settings, now: Moment) {
        for _ in 0..count {
            let from = self.hand.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let Some((_, topic)) = self.by_name.range::<str, _>((from, Bound::Unbounded)).next()
            else {
                self.hand = None;
                continue;
            };
            let topic = Arc::clone(topic);
            self.hand = Some(Arc::clone(&topic.name));
            topic.expire(now, &settings.bounds);
            if topic.is_idle(now, settings.topic_idle) {
                self.topics.remove(&topic.name);
                self.by_name.remove(&topic.name);
                self.gone_delivered += topic.stats().delivered;
                let max = settings.max_forgotten_topics;
                self.forgotten.note(Arc::clone(&topic.name), topic.last_ever(), max);
            }
        }
    }
}
