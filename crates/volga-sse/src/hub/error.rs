//! Why a hub refuses.

use std::fmt;

use crate::codec::error::EncodeError;
use crate::hub::topic::name::TopicError;
use crate::hub::topic_creation::TopicCreation;

/// Why a message was not published. No subscriber received it, and nothing was changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic has no valid name.
    Topic(TopicError),
    /// A value of the message is one that a client could not receive as it was given.
    Message(EncodeError),
    /// The message is longer than
    /// [`HubBuilder::max_message_bytes`](crate::hub::HubBuilder::max_message_bytes) allows.
    MessageTooLong {
        /// Its bytes as they would be sent.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The key is longer than [`HubBuilder::max_key`](crate::hub::HubBuilder::max_key) allows.
    KeyTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The topic is none of those that [`HubBuilder::keyed`](crate::hub::HubBuilder::keyed) names.
    NotKeyed,
    /// The topic has its maximum of keys, and this is a new one.
    /// [`Hub::remove_key`](crate::hub::Hub::remove_key) makes room.
    TooManyKeys {
        /// The limit.
        max: usize,
    },
    /// The topic does not exist, and the hub's [`TopicCreation`] is
    /// [`Explicit`](TopicCreation::Explicit). [`Hub::create_topic`](crate::hub::Hub::create_topic)
    /// creates it.
    UnknownTopic {
        /// Its name.
        topic: String,
    },
    /// The topic is new, and the hub has its maximum of topics, none of which may go: see
    /// [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// The hub is [relayed](crate::hub::HubBuilder::relay): its messages come from its source alone, by
    /// [`Hub::publish_at`](crate::hub::Hub::publish_at).
    Relayed,
    /// The hub is not relayed: it gives positions itself, by [`Hub::publish`](crate::hub::Hub::publish).
    NotRelayed,
    /// The position is of another epoch than the hub's source.
    OtherEpoch,
    /// The hub is closed.
    Closed,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(_) => f.write_str("the topic's name is invalid"),
            Self::Message(_) => f.write_str("the message is invalid"),
            Self::MessageTooLong { bytes, max } => {
                write!(f, "the message has {bytes} bytes, {max} are allowed")
            }
            Self::KeyTooLong { max } => write!(f, "the key exceeds {max} bytes"),
            Self::NotKeyed => f.write_str("the topic has no keys"),
            Self::TooManyKeys { max } => {
                write!(f, "the topic has {max} keys, which is the maximum")
            }
            Self::UnknownTopic { topic } => {
                write!(f, "there is no topic `{topic}`; create it with `Hub::create_topic` first")
            }
            Self::TooManyTopics { max } => full(f, *max),
            Self::Relayed => f.write_str("the hub takes messages from its source alone"),
            Self::NotRelayed => f.write_str("the hub has no source that gives positions"),
            Self::OtherEpoch => f.write_str("the position is of another epoch than the hub's"),
            Self::Closed => f.write_str("the hub is closed"),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            Self::Message(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

impl From<EncodeError> for PublishError {
    fn from(error: EncodeError) -> Self {
        Self::Message(error)
    }
}

/// Why a subscription was not opened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A name or pattern is invalid.
    Topic(TopicError),
    /// Neither a name nor a pattern was given.
    NoTopics,
    /// More names and patterns than
    /// [`HubBuilder::max_topics_per_subscription`](crate::hub::HubBuilder::max_topics_per_subscription)
    /// allows.
    TooManyFilters {
        /// The limit.
        max: usize,
    },
    /// A topic does not exist, and in this hub subscribing does not create it.
    UnknownTopic {
        /// Its name.
        topic: String,
        /// The hub's rule.
        creation: TopicCreation,
    },
    /// A topic is new, and the hub has its maximum of topics, none of which may go: see
    /// [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// [`Policy::Latest`](crate::hub::Policy::Latest) on a topic without keys.
    NotKeyed,
    /// The hub is closed.
    Closed,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(_) => f.write_str("a topic to subscribe to is invalid"),
            Self::NoTopics => f.write_str("there is no topic to subscribe to"),
            Self::TooManyFilters { max } => {
                write!(f, "a subscription has at most {max} names and patterns")
            }
            Self::UnknownTopic { topic, creation: TopicCreation::OnPublish } => write!(
                f,
                "there is no topic `{topic}`; \
                 publish to it or create it with `Hub::create_topic` first"
            ),
            Self::UnknownTopic { topic, .. } => {
                write!(f, "there is no topic `{topic}`; create it with `Hub::create_topic` first")
            }
            Self::TooManyTopics { max } => full(f, *max),
            Self::NotKeyed => {
                f.write_str("only of a topic with keys can the latest messages be subscribed to")
            }
            Self::Closed => f.write_str("the hub is closed"),
        }
    }
}

impl std::error::Error for SubscribeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TopicError> for SubscribeError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

/// Why a topic was not created.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CreateTopicError {
    /// The name is invalid.
    Topic(TopicError),
    /// The hub has its maximum of topics, none of which may go: see
    /// [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// The hub is closed.
    Closed,
}

impl fmt::Display for CreateTopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(_) => f.write_str("the topic's name is invalid"),
            Self::TooManyTopics { max } => full(f, *max),
            Self::Closed => f.write_str("the hub is closed"),
        }
    }
}

impl std::error::Error for CreateTopicError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TopicError> for CreateTopicError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

fn full(f: &mut fmt::Formatter<'_>, max: usize) -> fmt::Result {
    write!(
        f,
        "the hub has {max} topics, which is the maximum, and each has subscribers or values of keys, \
         or was created explicitly; raise `max_topics`, or remove one"
    )
}
