//! The builder that sets the bounds of a hub.

use std::time::Duration;

use crate::codec::position::Position;
use crate::hub::clock::milliseconds;
use crate::hub::policy::Policy;
use crate::hub::settings::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_MAX_FORGOTTEN_TOPICS, DEFAULT_MAX_KEY,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_MESSAGES, DEFAULT_MAX_REORDERED, DEFAULT_MAX_TOPIC_NAME,
    DEFAULT_MAX_TOPICS, DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION, DEFAULT_TOPIC_IDLE, HubSettings,
    KeyedTopics, LogBounds, RelaySource,
};
use crate::hub::topic::name::TopicError;
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::topic_creation::TopicCreation;

/// A hub in the making: its bounds, and what its topics are.
///
/// ```
/// use std::time::Duration;
/// use volga_sse::hub::{Hub, Policy};
///
/// let hub = Hub::builder()
///     .max_messages(200)
///     .max_age(Duration::from_secs(600))
///     .policy(Policy::close())
///     .keyed("ticker.*", 1_000)?
///     .build();
/// # Ok::<(), volga_sse::hub::TopicError>(())
/// ```
///
/// What a hub holds at most is the number of topics times the bytes of a log, beside the values of
/// keyed topics.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct HubBuilder {
    pub(super) settings: HubSettings,
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: HubSettings {
                bounds: LogBounds {
                    messages: DEFAULT_MAX_MESSAGES,
                    bytes: DEFAULT_MAX_BYTES,
                    age: milliseconds(DEFAULT_MAX_AGE),
                },
                max_topics: DEFAULT_MAX_TOPICS,
                topic_idle: milliseconds(DEFAULT_TOPIC_IDLE),
                creation: TopicCreation::OnUse,
                max_forgotten_topics: DEFAULT_MAX_FORGOTTEN_TOPICS,
                max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
                max_topic_name: DEFAULT_MAX_TOPIC_NAME,
                max_key: DEFAULT_MAX_KEY,
                max_topics_per_subscription: DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION,
                policy: Policy::Gap,
                pace: Duration::ZERO,
                keyed: Vec::new(),
                relay: None,
                max_reordered: DEFAULT_MAX_REORDERED,
            },
        }
    }

    /// Sets how many messages a topic's log holds; [`DEFAULT_MAX_MESSAGES`] by default. The newest
    /// message always stays, so zero counts as one.
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.settings.bounds.messages = messages.max(1);
        self
    }

    /// Sets how many bytes a topic's log holds; [`DEFAULT_MAX_BYTES`] by default. A message that is
    /// longer is held alone.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.settings.bounds.bytes = bytes;
        self
    }

    /// Sets the age to which a topic's log holds messages; [`DEFAULT_MAX_AGE`] by default. Old
    /// messages go when somebody publishes or subscribes: on that topic at once, on the others
    /// little by little.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.bounds.age = milliseconds(age);
        self
    }

    /// Sets how many topics the hub has; [`DEFAULT_MAX_TOPICS`] by default.
    ///
    /// When a new topic needs room, the topic that has been idle longest goes, with its messages:
    /// first of those that nobody reads, then of those that are read by pattern alone. A client
    /// that resumes on it is told of a gap, and so is a reader by pattern that has not read the
    /// last messages.
    ///
    /// A topic never makes room while somebody subscribes to its name, while a key of it has a
    /// value, or if it was [created explicitly](crate::hub::Hub::create_topic). Only when all topics are like
    /// that is a new one refused.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.settings.max_topics = topics;
        self
    }

    /// Sets how long a topic without subscribers stays after its last message;
    /// [`DEFAULT_TOPIC_IDLE`] by default. The time begins anew when its last subscriber leaves. A
    /// topic that has no messages either goes at once.
    ///
    /// A keyed topic stays for as long as a key has a value, and a topic that was [created
    /// explicitly](crate::hub::Hub::create_topic) until it is [removed](crate::hub::Hub::remove_topic).
    pub fn topic_idle(mut self, time: Duration) -> Self {
        self.settings.topic_idle = milliseconds(time);
        self
    }

    /// Sets who may create topics; by default, publishing and subscribing both do.
    ///
    /// ```
    /// use volga_sse::{Message, hub::{Hub, SubscribeError, TopicCreation}};
    ///
    /// let hub = Hub::builder().topic_creation(TopicCreation::Explicit).build();
    /// hub.create_topic("room.lounge")?;
    /// hub.publish("room.lounge", Message::new().data("hello"))?;
    ///
    /// let refused = hub.subscribe("room.nonsense").open().unwrap_err();
    /// assert!(matches!(refused, SubscribeError::UnknownTopic { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic_creation(mut self, creation: TopicCreation) -> Self {
        self.settings.creation = creation;
        self
    }

    /// Sets of how many topics that are gone the hub remembers the last position;
    /// [`DEFAULT_MAX_FORGOTTEN_TOPICS`] by default. Who resumes on one that is no longer remembered
    /// may be told of a gap where there is none, and never the other way round.
    pub fn max_forgotten_topics(mut self, topics: usize) -> Self {
        self.settings.max_forgotten_topics = topics;
        self
    }

    /// Sets how many bytes a message has as it is sent; [`DEFAULT_MAX_MESSAGE_BYTES`] by default.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// Sets how many bytes a topic's name has; [`DEFAULT_MAX_TOPIC_NAME`] by default.
    pub fn max_topic_name(mut self, bytes: usize) -> Self {
        self.settings.max_topic_name = bytes;
        self
    }

    /// Sets how many bytes a key has; [`DEFAULT_MAX_KEY`] by default.
    pub fn max_key(mut self, bytes: usize) -> Self {
        self.settings.max_key = bytes;
        self
    }

    /// Sets how many names and patterns a subscription has; [`DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION`]
    /// by default. A pattern may match any number of topics.
    pub fn max_topics_per_subscription(mut self, topics: usize) -> Self {
        self.settings.max_topics_per_subscription = topics;
        self
    }

    /// Sets what happens to slow subscribers that do not say it themselves; [`Policy::Gap`] by
    /// default.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets the [pace](crate::hub::Subscribe::pace) of subscriptions that do not say it themselves; none
    /// by default.
    pub fn pace(mut self, time: Duration) -> Self {
        self.settings.pace = time;
        self
    }

    /// Makes the topics of this name or pattern keyed: beside its log, each has a table with the
    /// newest message of each key, for up to `max_keys` keys. The first call that matches a topic
    /// counts.
    ///
    /// # Errors
    ///
    /// The text is no name or pattern.
    pub fn keyed(mut self, topics: &str, max_keys: usize) -> Result<Self, TopicError> {
        let filter = TopicFilter::parse(topics, usize::MAX)?;
        self.settings.keyed.push(KeyedTopics { filter, max_keys });
        Ok(self)
    }

    /// Makes a hub that numbers nothing itself: its positions come from an ordered source outside,
    /// by [`Hub::publish_at`](crate::hub::Hub::publish_at), and `after` is the last one that it does not need. Hubs of one
    /// source share its epoch, so a client may resume on any of them.
    ///
    /// **Unstable**: this is here for logs that several nodes share, and will change with them.
    pub fn relay(mut self, after: Position) -> Self {
        self.settings.relay = Some(RelaySource { epoch: after.epoch(), after: after.number() });
        self
    }

    /// Sets how many messages a [relayed](Self::relay) hub holds back because one before them has
    /// not come; [`DEFAULT_MAX_REORDERED`] by default. With one more, what is missing counts as
    /// lost.
    pub fn max_reordered(mut self, messages: usize) -> Self {
        self.settings.max_reordered = messages;
        self
    }
}
