//! What the hub's one lock guards: the next number, the registry of topics, and who waits for
//! topics to come.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::Waker;

use crate::hub::clock::Moment;
use crate::hub::error::{CreateTopicError, PublishError, SubscribeError};
use crate::hub::presence::topic_presence::{PresenceQueue, TopicPresence};
use crate::hub::registry::{HubFull, Registry};
use crate::hub::settings::HubSettings;
use crate::hub::slot_map::SlotMap;
use crate::hub::state::reorder_buffer::ReorderBuffer;
use crate::hub::topic::Topic;
use crate::hub::topic::inbox::TopicInbox;
use crate::hub::topic::key_table::{KeyChange, check_first_key};
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::subscribers::{Readership, SubscriberKind};
use crate::hub::topic_creation::TopicCreation;

/// The order of a hub.
#[derive(Debug, Default)]
pub(crate) struct LockedState {
    /// The last number that was given.
    pub(crate) last: u64,
    pub(crate) closed: bool,
    /// How many messages were published.
    pub(crate) published: u64,
    pub(crate) registry: Registry,
    pattern_subscribers: SlotMap<PatternSubscriber>,
    identities: HashMap<Arc<str>, SlotMap<Arc<Subscriber>>>,
    /// For topics with identities or with somebody who watches them.
    presence: HashMap<Arc<str>, TopicPresence>,
    /// Who is to be woken once the lock is free.
    wakers: Vec<Waker>,
    /// Topics that are gone and are to be cleared once the lock is free: a long log takes time to
    /// free.
    removed: Vec<Arc<Topic>>,
    /// Of a relayed hub: what waits for its turn.
    pub(crate) reordered: ReorderBuffer,
}

/// A subscription with patterns.
#[derive(Debug)]
pub(crate) struct PatternSubscriber {
    pub(crate) filters: Box<[TopicFilter]>,
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) inbox: Arc<TopicInbox>,
    pub(crate) identity: Option<Arc<str>>,
}

impl LockedState {
    /// The order of a hub that has nothing up to this number.
    pub(crate) fn starting_after(last: u64) -> Self {
        let mut locked = Self { last, ..Self::default() };
        locked.lose(last);
        locked
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.registry.find(name).cloned()
    }

    /// The topic for a message with this key, new if need be. If it is refused, no topic has come
    /// or gone.
    pub(crate) fn topic_to_publish(
        &mut self,
        name: &str,
        key: KeyChange<'_>,
        settings: &HubSettings,
        now: Moment,
    ) -> Result<Arc<Topic>, PublishError> {
        let is_strict = settings.creation == TopicCreation::Explicit;
        match self.registry.find(name) {
            Some(topic) if !is_strict || self.registry.is_explicit(topic) => {
                topic.check_key(key)?;
                return Ok(Arc::clone(topic));
            }
            _ if is_strict => return Err(PublishError::UnknownTopic { topic: name.to_owned() }),
            _ => {}
        }
        check_first_key(key, settings.max_keys(name))?;
        let max = settings.max_topics;
        self.make_room(1, [].iter(), settings).map_err(|_| PublishError::TooManyTopics { max })?;
        Ok(self.create(name, settings, now))
    }

    /// The topics of a subscription by these names, new if need be: either all of them, or none has
    /// come or gone.
    pub(crate) fn topics_to_read<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str> + Clone,
        settings: &HubSettings,
        now: Moment,
    ) -> Result<Vec<Arc<Topic>>, SubscribeError> {
        let is_there = |locked: &Self, name| match locked.registry.find(name) {
            Some(topic) if settings.creation == TopicCreation::Explicit => {
                locked.registry.is_explicit(topic)
            }
            found => found.is_some(),
        };
        let mut missing = names.clone().filter(|name| !is_there(self, name)).peekable();
        if let Some(first) = missing.peek()
            && settings.creation != TopicCreation::OnUse
        {
            let (topic, creation) = ((*first).to_owned(), settings.creation);
            return Err(SubscribeError::UnknownTopic { topic, creation });
        }
        let count = missing.count();
        let wanted: Vec<_> = names.clone().filter_map(|name| self.topic(name)).collect();
        let max = settings.max_topics;
        self.make_room(count, wanted.iter(), settings)
            .map_err(|_| SubscribeError::TooManyTopics { max })?;
        let mut topic_of =
            |name| self.topic(name).unwrap_or_else(|| self.create(name, settings, now));
        Ok(names.map(&mut topic_of).collect())
    }

    /// Creates a topic that stays until it is removed.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        settings: &HubSettings,
        now: Moment,
    ) -> Result<(), CreateTopicError> {
        if self.closed {
            return Err(CreateTopicError::Closed);
        }
        self.sweep(settings, now);
        let topic = match self.topic(name) {
            Some(topic) => topic,
            None => {
                let max = settings.max_topics;
                self.make_room(1, [].iter(), settings)
                    .map_err(|_| CreateTopicError::TooManyTopics { max })?;
                self.create(name, settings, now)
            }
        };
        self.registry.set_explicit(&topic, true);
        self.registry.reclassify(&topic, settings, now);
        Ok(())
    }

    /// Lets go of all that a topic holds, and of the topic if nobody subscribes to its name. False
    /// if it is not there.
    pub(crate) fn remove_topic(&mut self, name: &str, settings: &HubSettings, now: Moment) -> bool {
        let Some(topic) = self.topic(name) else {
            return false;
        };
        self.registry.set_explicit(&topic, false);
        if topic.readers() == Readership::Named {
            topic.clear();
        } else {
            self.registry.remove(&topic, settings);
        }
        self.registry.reclassify(&topic, settings, now);
        self.after_removal();
        true
    }

    /// Notes a message that was appended to a topic.
    pub(crate) fn note_message(
        &mut self,
        topic: &Topic,
        key: KeyChange<'_>,
        settings: &HubSettings,
        now: Moment,
    ) {
        self.registry.note_message(topic, key, settings, now);
    }

    /// Notes that the last subscriber has left each of these topics, or the last one by name.
    pub(crate) fn note_left(&mut self, topics: &[Arc<Topic>], settings: &HubSettings, now: Moment) {
        topics.iter().for_each(|topic| self.registry.note_left(topic, settings, now));
        self.after_removal();
    }

    /// Lets go of what has expired, a bounded number of topics in one call. True if there may be
    /// more.
    pub(crate) fn sweep(&mut self, settings: &HubSettings, now: Moment) -> bool {
        let has_more = self.registry.sweep(settings, now);
        self.after_removal();
        has_more
    }

    /// A topic that is not there: every subscription with a pattern that matches has it before it
    /// has its first message.
    fn create(&mut self, name: &str, settings: &HubSettings, now: Moment) -> Arc<Topic> {
        let topic = self.registry.add(name, settings, now);
        for pattern_subscriber in self.pattern_subscribers.iter() {
            if pattern_subscriber.filters.iter().any(|filter| filter.matches(name)) {
                pattern_subscriber
                    .inbox
                    .push(topic.join(&pattern_subscriber.subscriber, SubscriberKind::Pattern));
                if let Some(identity) = &pattern_subscriber.identity {
                    let presence = self.presence.entry(Arc::clone(&topic.name)).or_default();
                    presence.join(identity, &mut self.wakers);
                }
            }
        }
        topic
    }

    fn make_room<'a>(
        &mut self,
        count: usize,
        wanted: impl Iterator<Item = &'a Arc<Topic>> + Clone,
        settings: &HubSettings,
    ) -> Result<(), HubFull> {
        let result = self.registry.make_room(count, wanted, settings);
        self.after_removal();
        result
    }

    /// Nobody is present in a topic that is gone, not even by a pattern.
    fn after_removal(&mut self) {
        if !self.registry.has_removed() {
            return;
        }
        for topic in self.registry.take_removed() {
            if let Some(presence) = self.presence.get_mut(&topic.name) {
                presence.leave_all(&mut self.wakers);
                if presence.is_unused() {
                    self.presence.remove(&topic.name);
                }
            }
            self.removed.push(topic);
        }
    }

    /// Notes that messages up to this number are lost, of whatever topics, and wakes those who wait
    /// for topics to come.
    pub(crate) fn lose(&mut self, number: u64) {
        self.registry.lose(number);
        let wakers = self
            .pattern_subscribers
            .iter()
            .filter_map(|pattern_subscriber| pattern_subscriber.subscriber.take_waker());
        self.wakers.extend(wakers);
    }

    pub(crate) fn add_pattern_subscriber(&mut self, pattern_subscriber: PatternSubscriber) -> u32 {
        self.pattern_subscribers.insert(pattern_subscriber)
    }

    pub(crate) fn remove_pattern_subscriber(&mut self, handle: u32) -> PatternSubscriber {
        self.pattern_subscribers.remove(handle)
    }

    pub(crate) fn pattern_subscribers(&self) -> impl Iterator<Item = &PatternSubscriber> {
        self.pattern_subscribers.iter()
    }

    pub(crate) fn add_identity(
        &mut self,
        identity: &Arc<str>,
        subscriber: &Arc<Subscriber>,
    ) -> u32 {
        let readers = self.identities.entry(Arc::clone(identity)).or_default();
        readers.insert(Arc::clone(subscriber))
    }

    pub(crate) fn remove_identity(&mut self, identity: &str, handle: u32) {
        if let Some(readers) = self.identities.get_mut(identity) {
            readers.remove(handle);
            if readers.is_empty() {
                self.identities.remove(identity);
            }
        }
    }

    /// Counts a subscription of an identity on these topics.
    pub(crate) fn add_presence<'a>(
        &mut self,
        identity: &Arc<str>,
        topics: impl Iterator<Item = &'a Arc<Topic>>,
    ) {
        for topic in topics {
            let presence = self.presence.entry(Arc::clone(&topic.name)).or_default();
            presence.join(identity, &mut self.wakers);
        }
    }

    /// Takes it back. Of a topic that is gone this was done when it went.
    pub(crate) fn remove_presence<'a>(
        &mut self,
        identity: &Arc<str>,
        topics: impl Iterator<Item = &'a Arc<Topic>>,
    ) {
        for topic in topics.filter(|topic| !topic.is_removed()) {
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

    pub(crate) fn watch_presence(&mut self, topic: &Arc<str>) -> (u32, Arc<PresenceQueue>) {
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

    /// Whether something is to be done once the lock is free.
    pub(crate) fn has_deferred(&self) -> bool {
        !(self.wakers.is_empty() && self.removed.is_empty())
    }

    /// What is to be done once the lock is free: whom to wake, and which topics to clear.
    pub(crate) fn take_deferred(&mut self) -> (Vec<Waker>, Vec<Arc<Topic>>) {
        (std::mem::take(&mut self.wakers), std::mem::take(&mut self.removed))
    }

    /// The subscriptions of an identity.
    pub(crate) fn subscribers_of(&self, identity: &str) -> Vec<Arc<Subscriber>> {
        self.identities
            .get(identity)
            .map_or_else(Vec::new, |readers| readers.iter().map(Arc::clone).collect())
    }
}
