//! Why a call to a hub fails.

use std::fmt;

use http::StatusCode;

use crate::codec::error::EncodeError;
use crate::hub::plural::Plural;
use crate::hub::topic::name::TopicError;
use crate::hub::topic_creation::TopicCreation;
use crate::stream::refusal::RefusalResponse;

/// Why a message was not published. Nothing has changed, and no subscriber received it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name is invalid.
    Topic(TopicError),
    /// The message has a value that clients would not receive as it was given.
    Message(EncodeError),
    /// The message has the name of an event of the hub's own: the one that reports a gap, or the
    /// one about the node. Clients could not tell the two apart. See
    /// [`HubBuilder::gap_event`](crate::hub::HubBuilder::gap_event) and
    /// [`HubBuilder::relay_event`](crate::hub::HubBuilder::relay_event).
    ReservedEvent {
        /// The name.
        name: &'static str,
    },
    /// The encoded message is longer than
    /// [`HubBuilder::max_message_bytes`](crate::hub::HubBuilder::max_message_bytes) allows.
    MessageTooLong {
        /// The length of the encoded message, in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The key is longer than [`HubBuilder::max_key`](crate::hub::HubBuilder::max_key) allows.
    KeyTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The identity of [`Hub::send_close_identity`](crate::hub::Hub::send_close_identity) is longer
    /// than [`MAX_SHARED_IDENTITY`](crate::hub::MAX_SHARED_IDENTITY).
    IdentityTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// A call of [`Hub::publish_many`](crate::hub::Hub::publish_many) has more messages than a
    /// topic's log holds, which is
    /// [`HubBuilder::max_messages`](crate::hub::HubBuilder::max_messages).
    TooManyMessages {
        /// The limit.
        max: usize,
    },
    /// A call of [`Hub::publish_many`](crate::hub::Hub::publish_many) has more bytes than a topic's
    /// log holds, which is [`HubBuilder::max_bytes`](crate::hub::HubBuilder::max_bytes).
    TooManyBytes {
        /// The limit in bytes.
        max: usize,
    },
    /// The topic is not keyed, because no [`HubBuilder::keyed`](crate::hub::HubBuilder::keyed)
    /// matches it.
    NotKeyed,
    /// The key is new, and the topic has its maximum number of keys.
    /// [`Hub::remove_key`](crate::hub::Hub::remove_key) makes room.
    TooManyKeys {
        /// The limit.
        max: usize,
    },
    /// The topic does not exist, and the hub's [`TopicCreation`] is
    /// [`Explicit`](TopicCreation::Explicit). Create it with
    /// [`Hub::create_topic`](crate::hub::Hub::create_topic).
    UnknownTopic {
        /// The name of the topic.
        topic: String,
    },
    /// The topic is new, and the hub has its maximum number of topics, none of which may make room.
    /// See [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// Several nodes [share](crate::hub::HubBuilder::build_shared) the hub, so publishing waits for
    /// the engine behind it. Use [`Hub::send`](crate::hub::Hub::send), which works for every hub.
    Shared,
    /// The hub is closed.
    Closed,
}

impl PublishError {
    /// The status to respond with, if what is published comes from a client.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Topic(error) => error.status(),
            Self::Message(_)
            | Self::ReservedEvent { .. }
            | Self::KeyTooLong { .. }
            | Self::IdentityTooLong { .. } => StatusCode::BAD_REQUEST,
            Self::UnknownTopic { .. } => StatusCode::NOT_FOUND,
            Self::MessageTooLong { .. }
            | Self::TooManyMessages { .. }
            | Self::TooManyBytes { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyKeys { .. } | Self::TooManyTopics { .. } | Self::Closed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            // The program chooses the hub's settings.
            Self::NotKeyed | Self::Shared => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(_) => f.write_str("the topic's name is invalid"),
            Self::Message(_) => f.write_str("the message is invalid"),
            Self::ReservedEvent { name } => write!(
                f,
                "the event name `{name}` is reserved for the hub's own events; use another name, \
                 or set another one with `HubBuilder::gap_event` or `HubBuilder::relay_event`"
            ),
            Self::MessageTooLong { bytes, max } => {
                let bytes = Plural(*bytes, "byte");
                write!(
                    f,
                    "the message has {bytes}, but `max_message_bytes` is {max}; \
                     shorten it, or raise the limit"
                )
            }
            Self::KeyTooLong { max } => {
                let max = Plural(*max, "byte");
                write!(f, "the key is longer than {max}; shorten it, or raise `max_key`")
            }
            Self::IdentityTooLong { max } => {
                let max = Plural(*max, "byte");
                write!(f, "the identity is longer than {max}; use a shorter one")
            }
            Self::TooManyMessages { max } => {
                let max = Plural(*max, "message");
                write!(
                    f,
                    "a topic's log holds {max}, so it cannot hold all of these; \
                     publish fewer at once, or raise `max_messages`"
                )
            }
            Self::TooManyBytes { max } => {
                let max = Plural(*max, "byte");
                write!(
                    f,
                    "a topic's log holds {max}, so it cannot hold all of these messages; \
                     publish fewer at once, or raise `max_bytes`"
                )
            }
            Self::NotKeyed => {
                f.write_str("the topic is not keyed; make it keyed with `HubBuilder::keyed`")
            }
            Self::TooManyKeys { max } => {
                let max = Plural(*max, "key");
                write!(
                    f,
                    "the topic already has its maximum of {max}; \
                     remove one with `Hub::remove_key`, or allow more in `HubBuilder::keyed`"
                )
            }
            Self::UnknownTopic { topic } => {
                write!(f, "there is no topic `{topic}`; create it with `Hub::create_topic` first")
            }
            Self::TooManyTopics { max } => full(f, *max),
            Self::Shared => f.write_str(
                "several nodes share the hub, so publishing waits for the engine; use `Hub::send`",
            ),
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
    /// There are more names and patterns than
    /// [`HubBuilder::max_topics_per_subscription`](crate::hub::HubBuilder::max_topics_per_subscription)
    /// allows.
    TooManyFilters {
        /// The limit.
        max: usize,
    },
    /// A topic does not exist, and in this hub subscribing does not create topics.
    UnknownTopic {
        /// The name of the topic.
        topic: String,
        /// What may create topics in this hub.
        creation: TopicCreation,
    },
    /// A topic is new, and the hub has its maximum number of topics, none of which may make room.
    /// See [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// [`Policy::Latest`](crate::hub::Policy::Latest) needs a keyed topic, and this one is not
    /// keyed.
    NotKeyed,
    /// The hub is closed, and
    /// [`HubBuilder::closed_response`](crate::hub::HubBuilder::closed_response) refuses those who
    /// subscribe.
    Closed {
        /// What the client is told.
        refusal: RefusalResponse,
    },
}

impl SubscribeError {
    /// The status to respond with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Topic(error) => error.status(),
            Self::NoTopics | Self::TooManyFilters { .. } => StatusCode::BAD_REQUEST,
            Self::UnknownTopic { .. } => StatusCode::NOT_FOUND,
            Self::Closed { refusal: RefusalResponse::NoContent } => StatusCode::NO_CONTENT,
            Self::TooManyTopics { .. } | Self::Closed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            // The program chooses the policy.
            Self::NotKeyed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(_) => f.write_str("a topic to subscribe to is invalid"),
            Self::NoTopics => f.write_str("no topic to subscribe to was given; name at least one"),
            Self::TooManyFilters { max } => {
                let max = Plural(*max, "topic");
                write!(
                    f,
                    "the subscription names more than {max}; \
                     split it, or raise `max_topics_per_subscription`"
                )
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
            Self::NotKeyed => f.write_str(
                "`Policy::Latest` needs keyed topics; \
                     make the topic keyed with `HubBuilder::keyed`, or use another policy",
            ),
            Self::Closed { .. } => f.write_str("the hub is closed"),
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
    /// The topic's name is invalid.
    Topic(TopicError),
    /// The hub has its maximum number of topics, none of which may make room. See
    /// [`HubBuilder::max_topics`](crate::hub::HubBuilder::max_topics).
    TooManyTopics {
        /// The limit.
        max: usize,
    },
    /// The hub is closed.
    Closed,
}

impl CreateTopicError {
    /// The status to respond with, if the name comes from a client.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Topic(error) => error.status(),
            Self::TooManyTopics { .. } | Self::Closed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
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
        "the hub has its maximum of {}, and each of them has subscribers or values of keys, \
         or was created explicitly; raise `max_topics`, or remove a topic",
        Plural(max, "topic")
    )
}
