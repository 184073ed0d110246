//! The state under the hub's lock: the last number, the registry of topics, and the presence.

use std::any::Any;
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::error::{CreateTopicError, PublishError, SubscribeError};
use crate::hub::presence::change_log::{SharedLog, WakerLists};
use crate::hub::presence::filter_presence::SignOutScope;
use crate::hub::presence::hub_presence::{HubPresence, SignOut};
use crate::hub::presence::present_in_topic::{PresentPage, StayPlace};
use crate::hub::presence::sharing::{AnnouncedChanges, SharingLimits};
use crate::hub::registry::{HubFull, Registry, TopicReaders};
use crate::hub::relay::retry_keys::RetryKeys;
use crate::hub::settings::HubSettings;
use crate::hub::state::garbage::Garbage;
use crate::hub::state::identities::{Identities, IdentityGroup, IdentityMembership};
use crate::hub::state::reorder_buffer::ReorderBuffer;
use crate::hub::topic::key_table::{KeyChange, check_first_key};
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::{Topic, TopicContents};
use crate::hub::topic_creation::TopicCreation;

/// The state under the hub's lock.
#[derive(Debug, Default)]
pub(crate) struct LockedState {
    /// The last number that was assigned.
    pub(crate) last_number: u64,
    pub(crate) is_closed: bool,
    /// When the last call dropped what had expired.
    pub(crate) last_sweep: Moment,
    /// How many messages were published.
    pub(crate) published: u64,
    pub(crate) registry: Registry,
    /// True once a subscription has several topics or a pattern. It needs to know the topics of the
    /// last messages.
    pub(crate) remembers_messages: bool,
    identities: Identities,
    pub(crate) presence: HubPresence,
    /// The holder of the lock has made changes of which not all watches know. It tells them once
    /// the lock is released.
    must_tell: bool,
    /// The wakers to wake once the lock is released.
    wakers: WakerLists,
    /// Removed topics that are cleared once the lock is released, because freeing a long log takes
    /// time.
    removed: Vec<Arc<Topic>>,
    /// Messages and values that were dropped from topics, and from the list of the last messages.
    /// They are freed once the lock is released, for the same reason.
    garbage: Vec<Garbage>,
    /// Other values that may be large. They are freed once the lock is released, too.
    dropped_later: Vec<Box<dyn Any + Send>>,
    /// Where the numbers of the messages are collected that a publish drops. Empty in between.
    pub(crate) dropped: Vec<u64>,
    /// The retry keys of the last messages of a hub without a relay.
    pub(crate) retry_keys: RetryKeys,
    /// The messages of a shared hub that wait for earlier ones.
    pub(crate) reorder_buffer: ReorderBuffer,
}

/// The work for the time after the hub's lock is released.
pub(crate) struct Deferred {
    pub(crate) wakers: WakerLists,
    /// Topics to clear.
    pub(crate) removed: Vec<Arc<Topic>>,
    /// Messages and values to free.
    pub(crate) garbage: Vec<Garbage>,
    /// Anything else to drop.
    pub(crate) dropped_later: Vec<Box<dyn Any + Send>>,
    /// The numbers of messages that have expired.
    pub(crate) expired: Vec<u64>,
    /// Whether watches must be told of changes.
    pub(crate) must_tell: bool,
}

impl LockedState {
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.registry.find(name).cloned()
    }

    /// Returns the topic for a message with this key, and creates it if necessary. If this fails,
    /// no topic was created or removed.
    pub(crate) fn topic_to_publish(
        &mut self,
        name: &str,
        key: KeyChange<'_>,
        settings: &HubSettings,
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
        Ok(self.registry.add(name, settings))
    }

    /// Checks what [`topic_to_publish`](Self::topic_to_publish) checks, apart from the number of
    /// topics. Changes nothing.
    pub(crate) fn check_publish(
        &self,
        name: &str,
        key: KeyChange<'_>,
        settings: &HubSettings,
    ) -> Result<(), PublishError> {
        if self.is_closed {
            return Err(PublishError::Closed);
        }
        let is_strict = settings.creation == TopicCreation::Explicit;
        match self.registry.find(name) {
            Some(topic) if !is_strict || self.registry.is_explicit(topic) => topic.check_key(key),
            _ if is_strict => Err(PublishError::UnknownTopic { topic: name.to_owned() }),
            _ => check_first_key(key, settings.max_keys(name)),
        }
    }

    /// Returns the topic for values of its keys, and creates it if necessary.
    pub(crate) fn topic_to_fill(
        &mut self,
        name: &str,
        settings: &HubSettings,
    ) -> Result<Arc<Topic>, PublishError> {
        self.topic_to_publish(name, KeyChange::None, settings)
    }

    /// Returns the topics that a subscription names, and creates those that are missing. If this
    /// fails, no topic was created or removed.
    pub(crate) fn topics_to_read<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str> + Clone,
        settings: &HubSettings,
    ) -> Result<Vec<Arc<Topic>>, SubscribeError> {
        let is_explicit = settings.creation == TopicCreation::Explicit;
        let existing = |locked: &Self, name| {
            let topic = locked.registry.find(name)?;
            (!is_explicit || locked.registry.is_explicit(topic)).then(|| Arc::clone(topic))
        };
        // Most subscriptions name topics that exist. Then each name is looked up once.
        if let Some(topics) = names.clone().map(|name| existing(self, name)).collect() {
            return Ok(topics);
        }
        let mut missing = names.clone().filter(|name| existing(self, name).is_none()).peekable();
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
            |name| self.topic(name).unwrap_or_else(|| self.registry.add(name, settings));
        Ok(names.map(&mut topic_of).collect())
    }

    /// Creates a topic that stays until it is removed.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        settings: &HubSettings,
        now: Moment,
    ) -> Result<(), CreateTopicError> {
        if self.is_closed {
            return Err(CreateTopicError::Closed);
        }
        self.sweep(settings, now);
        let topic = match self.topic(name) {
            Some(topic) => topic,
            None => {
                let max = settings.max_topics;
                self.make_room(1, [].iter(), settings)
                    .map_err(|_| CreateTopicError::TooManyTopics { max })?;
                self.registry.add(name, settings)
            }
        };
        self.registry.set_explicit(&topic, true);
        self.registry.reclassify(&topic, settings, now);
        Ok(())
    }

    /// Drops everything that a topic holds, and removes the topic if nobody subscribes to its name.
    pub(crate) fn remove_topic(&mut self, topic: &Arc<Topic>, settings: &HubSettings, now: Moment) {
        self.registry.set_explicit(topic, false);
        if self.registry.readership(topic) == TopicReaders::Named {
            self.clear_topic(topic);
        } else {
            self.registry.remove(topic, settings);
        }
        self.registry.reclassify(topic, settings, now);
        self.clean_up_removed();
    }

    /// Drops everything that a topic holds. The memory is freed once the lock is released.
    pub(crate) fn clear_topic(&mut self, topic: &Topic) {
        self.free_later(topic.take_contents());
    }

    /// Frees messages and values once the lock is released.
    pub(crate) fn free_later(&mut self, garbage: impl Into<Garbage>) {
        self.garbage.push(garbage.into());
    }

    /// Drops anything else once the lock is released, because there may be much of it.
    pub(crate) fn drop_later(&mut self, anything: impl Any + Send) {
        self.dropped_later.push(Box::new(anything));
    }

    /// Notes that a message was appended to a topic.
    pub(crate) fn note_message(
        &mut self,
        topic: &Topic,
        key: KeyChange<'_>,
        settings: &HubSettings,
        now: Moment,
    ) {
        self.registry.note_message(topic, key, settings, now);
    }

    /// Notes that the last subscription of each of these topics has ended, or its last subscription
    /// by name.
    pub(crate) fn note_left(&mut self, topics: &[Arc<Topic>], settings: &HubSettings, now: Moment) {
        topics.iter().for_each(|topic| self.registry.note_left(topic, settings, now));
        self.clean_up_removed();
    }

    /// Notes that a pattern has become a reader of these topics.
    pub(crate) fn note_new_readers(
        &mut self,
        topics: &[Arc<Topic>],
        settings: &HubSettings,
        now: Moment,
    ) {
        topics.iter().for_each(|topic| self.registry.reclassify(topic, settings, now));
        self.clean_up_removed();
    }

    /// Drops what has expired, for a bounded number of topics in one call. Returns true if there
    /// may be more.
    pub(crate) fn sweep(&mut self, settings: &HubSettings, now: Moment) -> bool {
        let has_more = self.registry.sweep(settings, now);
        self.clean_up_removed();
        self.presence.sweep(now, &mut self.wakers) || has_more
    }

    fn make_room<'a>(
        &mut self,
        count: usize,
        wanted: impl Iterator<Item = &'a Arc<Topic>> + Clone,
        settings: &HubSettings,
    ) -> Result<(), HubFull> {
        let result = self.registry.make_room(count, wanted, settings);
        self.clean_up_removed();
        result
    }

    /// Lets the topics that were removed be cleared.
    fn clean_up_removed(&mut self) {
        if self.registry.has_newly_removed() {
            self.removed.extend(self.registry.take_newly_removed());
        }
    }

    /// Notes that messages up to this number are lost. They may have belonged to any topic.
    pub(crate) fn note_loss(&mut self, number: u64) {
        if let Some(forgotten) = self.registry.note_loss(number) {
            self.drop_later(forgotten);
        }
    }

    pub(crate) fn add_identity(
        &mut self,
        identity: &Arc<str>,
        subscriber: &Arc<Subscriber>,
    ) -> IdentityMembership {
        self.identities.join(identity, subscriber)
    }

    pub(crate) fn remove_identity(&mut self, member: &IdentityMembership) {
        self.identities.leave(member);
    }

    /// Counts a subscription of an identity as present in these names and patterns.
    pub(crate) fn add_presence(
        &mut self,
        identity: &Arc<str>,
        filters: impl Iterator<Item = Arc<str>>,
    ) {
        for filter in filters {
            self.presence.join(&filter, identity, &mut self.wakers);
        }
        self.note_untold();
    }

    /// Reverses [`add_presence`](Self::add_presence). For a closed identity, its sign-out does it.
    pub(crate) fn remove_presence(
        &mut self,
        member: &IdentityMembership,
        filters: impl Iterator<Item = Arc<str>>,
        gone_at: Option<Moment>,
    ) {
        if member.has_signed_out() {
            return;
        }
        for filter in filters {
            self.presence.leave(&filter, &member.identity, gone_at, &mut self.wakers);
        }
        self.note_untold();
    }

    /// Lets the holder of the lock tell the watches what they do not know yet.
    fn note_untold(&mut self) {
        self.must_tell |= self.presence.has_untold();
    }

    /// Tells the watches of a few topics of changes. Returns true if there is more to tell.
    pub(crate) fn tell_step(&mut self) -> bool {
        self.presence.tell_step(&mut self.wakers)
    }

    /// Reports identities that have left a topic and did not return in time. Returns when the next
    /// one is gone.
    pub(crate) fn sweep_presence_of(&mut self, topic: &str, now: Moment) -> Option<Moment> {
        let next = self.presence.sweep_topic(topic, now, &mut self.wakers);
        self.note_untold();
        next
    }

    /// Returns the next identities that are present in a topic after a place.
    pub(crate) fn page_of_present(&self, topic: &str, after: Option<&StayPlace>) -> PresentPage {
        self.presence.page(topic, after)
    }

    /// Changes who is present. The watches that must learn of it are woken once the lock is
    /// released.
    pub(crate) fn with_presence<T>(
        &mut self,
        change: impl FnOnce(&mut HubPresence, &mut WakerLists) -> T,
    ) -> T {
        let result = change(&mut self.presence, &mut self.wakers);
        self.note_untold();
        result
    }

    /// Takes a few changes that another node has announced. Returns true if there are more.
    pub(crate) fn announcement_step(
        &mut self,
        announced: &mut AnnouncedChanges,
        settings: &HubSettings,
    ) -> bool {
        let limits =
            SharingLimits { max: settings.max_shared_presence, max_name: settings.max_topic_name };
        self.with_presence(|presence, wakers| presence.announcement_step(announced, limits, wakers))
    }

    pub(crate) fn watch_presence(&mut self, topic: &Arc<str>) -> SharedLog {
        self.presence.watch(topic, self.is_closed)
    }

    pub(crate) fn unwatch_presence(&mut self, topic: &str) {
        self.presence.unwatch(topic);
    }

    /// Lets the presence watches of a few topics after this one end. Returns the last of these
    /// topics. `None` at the end.
    pub(crate) fn close_presence_step(&mut self, after: Option<&str>) -> Option<Arc<str>> {
        self.presence.close_step(after, &mut self.wakers)
    }

    /// Whether there is work for the time after the lock is released.
    pub(crate) fn has_deferred(&self) -> bool {
        let frees_memory = !(self.removed.is_empty()
            && self.garbage.is_empty()
            && self.dropped_later.is_empty()
            && self.registry.expired.is_empty()
            && self.registry.expired_logs.is_empty());
        self.must_tell || frees_memory || !self.wakers.is_empty()
    }

    /// Takes the work for the time after the lock is released.
    pub(crate) fn take_deferred(&mut self) -> Deferred {
        let expired_logs = self.registry.expired_logs.drain(..).map(TopicContents::from);
        self.garbage.extend(expired_logs.map(Garbage::from));
        Deferred {
            must_tell: self.take_must_tell(),
            wakers: std::mem::take(&mut self.wakers),
            removed: std::mem::take(&mut self.removed),
            garbage: std::mem::take(&mut self.garbage),
            dropped_later: std::mem::take(&mut self.dropped_later),
            expired: std::mem::take(&mut self.registry.expired),
        }
    }

    /// Whether watches must be told of changes. If they must, the caller
    /// [tells](crate::hub::state::hub_state::HubState::finish_telling) them once the lock is
    /// released, in place of the guard.
    pub(crate) fn take_must_tell(&mut self) -> bool {
        std::mem::take(&mut self.must_tell)
    }

    /// The next identities after this one, each with its subscriptions. An empty page is the end.
    pub(crate) fn page_of_identities(
        &self,
        after: Option<&Arc<str>>,
    ) -> Vec<(Arc<str>, Arc<IdentityGroup>)> {
        self.identities.page(after)
    }

    /// Begins to sign an identity out. Returns its subscriptions, which the caller ends, and the
    /// rest of the sign-out if the identity is present anywhere.
    pub(crate) fn begin_sign_out(
        &mut self,
        identity: &Arc<str>,
        scope: SignOutScope,
    ) -> (Option<Arc<IdentityGroup>>, Option<SignOut>) {
        (self.identities.sign_out(identity), self.presence.begin_sign_out(identity, scope))
    }

    /// Lets an identity that signs out leave a few topics. Returns true if there may be more.
    pub(crate) fn sign_out_step(&mut self, sign_out: &mut SignOut) -> bool {
        let has_more = self.presence.sign_out_step(sign_out, &mut self.wakers);
        self.note_untold();
        has_more
    }
}
