//! What may create topics.

/// What may create topics in a hub. Set it with
/// [`HubBuilder::topic_creation`](crate::hub::HubBuilder::topic_creation).
///
/// If a topic name comes from a client, it may be any name. If clients must not create topics,
/// choose one of the stricter rules. A subscription by pattern never creates a topic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TopicCreation {
    /// Publishing to a topic and subscribing to its name both create it.
    ///
    /// Neither fills the hub. A topic without messages is removed with its last subscriber, and the
    /// topics that have been idle longest make room for new ones.
    #[default]
    OnUse,
    /// Publishing creates a topic. Subscribing to the name of a topic that does not exist fails.
    ///
    /// A topic is removed when it has neither messages nor subscribers. A client that returns after
    /// that is refused as well. Use [`Hub::create_topic`](crate::hub::Hub::create_topic) for topics
    /// that must stay.
    OnPublish,
    /// Only [`Hub::create_topic`](crate::hub::Hub::create_topic) creates topics. Publishing to any
    /// other name fails, and so does subscribing to it.
    ///
    /// In a [shared](crate::hub::HubBuilder::build_shared) hub, each node needs its own topics. A
    /// message of any other topic is missing on this node, and readers by pattern are told of it.
    Explicit,
}
