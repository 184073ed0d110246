//! The settings of a hub, each bound with its default.

use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::topic_creation::TopicCreation;

/// The messages that a topic's log holds.
pub const DEFAULT_MAX_MESSAGES: usize = 1_024;
/// The bytes that a topic's log holds.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// The age to which a topic's log holds messages.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// The topics of a hub.
pub const DEFAULT_MAX_TOPICS: usize = 10_000;
/// How long a topic without subscribers stays after its last message.
pub const DEFAULT_TOPIC_IDLE: Duration = Duration::from_secs(60 * 60);
/// The topics that are gone whose last position a hub remembers.
pub const DEFAULT_MAX_FORGOTTEN_TOPICS: usize = 10_000;
/// The bytes of a message as it is sent.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The bytes of a topic's name.
pub const DEFAULT_MAX_TOPIC_NAME: usize = 255;
/// The bytes of a key.
pub const DEFAULT_MAX_KEY: usize = 255;
/// The names and patterns of one subscription.
pub const DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION: usize = 100;

/// The messages that a hub holds back because one before them has not come yet.
pub const DEFAULT_MAX_REORDERED: usize = 1_024;

/// The bounds of a topic's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// In milliseconds.
    pub(crate) age: u64,
}

/// What a hub was built with.
#[derive(Debug)]
pub(crate) struct HubSettings {
    pub(crate) bounds: LogBounds,
    pub(crate) max_topics: usize,
    /// In milliseconds.
    pub(crate) topic_idle: u64,
    pub(crate) creation: TopicCreation,
    pub(crate) max_forgotten_topics: usize,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_topic_name: usize,
    pub(crate) max_key: usize,
    pub(crate) max_topics_per_subscription: usize,
    pub(crate) policy: Policy,
    /// Zero for none.
    pub(crate) pace: Duration,
    pub(crate) keyed: Vec<KeyedTopics>,
    pub(crate) relay: Option<RelaySource>,
    pub(crate) max_reordered: usize,
}

/// The source of a hub that numbers nothing itself.
#[derive(Debug)]
pub(crate) struct RelaySource {
    pub(crate) epoch: u64,
    /// The hub has nothing up to here.
    pub(crate) after: u64,
}

/// Which topics are keyed, and for how many keys.
#[derive(Debug)]
pub(crate) struct KeyedTopics {
    pub(crate) filter: TopicFilter,
    pub(crate) max_keys: usize,
}

impl HubSettings {
    /// How many keys a topic may have, if it is keyed.
    pub(crate) fn max_keys(&self, topic: &str) -> Option<usize> {
        let keyed = self.keyed.iter().find(|keyed| keyed.filter.matches(topic))?;
        Some(keyed.max_keys)
    }
}
