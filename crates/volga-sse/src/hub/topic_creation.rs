//! Who may create topics.

/// Who may create topics: a setting of a hub, by
/// [`HubBuilder::topic_creation`](crate::hub::HubBuilder::topic_creation).
///
/// A name that comes from a client may be any name. If clients must not create topics, choose one
/// of the stricter rules. A subscription by pattern never creates a topic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TopicCreation {
    /// Publishing to a topic and subscribing to its name both create it.
    ///
    /// Neither fills the hub. A topic goes with its last subscriber if it holds no messages, and
    /// the topics that have been idle longest make room for a new one.
    #[default]
    OnUse,
    /// Publishing creates a topic. To subscribe to the name of a topic that does not exist is
    /// refused.
    ///
    /// A topic goes when it has neither messages nor subscribers. A client that returns after that
    /// is refused as well, so use [`Hub::create_topic`](crate::hub::Hub::create_topic) for topics that
    /// have to stay.
    OnPublish,
    /// Only [`Hub::create_topic`](crate::hub::Hub::create_topic) creates topics. To publish to any other
    /// name and to subscribe to it is refused.
    ///
    /// In a hub that is [relayed](crate::hub::HubBuilder::relay), a message of any other topic counts as
    /// lost, as one for which the hub has no room.
    Explicit,
}
