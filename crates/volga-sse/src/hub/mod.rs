//! Publish and subscribe: topics with a bounded history, and clients that resume where they left
//! off.
//!
//! ```
//! use volga_sse::{Message, hub::{Delivery, Hub}};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//! let mut orders = hub.subscribe("orders.*").open()?;
//! hub.publish("orders.7", Message::new().data("paid"))?;
//! let Some(Delivery::Message(paid)) = orders.next().await else { panic!() };
//!
//! // The client loses its connection, and returns with the ID of the last event that it has.
//! drop(orders);
//! hub.publish("orders.7", Message::new().data("sent"))?;
//! let last_event_id = paid.position().unwrap().to_string();
//! let mut orders = hub.subscribe("orders.*").resume(last_event_id).open()?;
//! let Some(Delivery::Message(sent)) = orders.next().await else { panic!() };
//! assert!(sent.as_bytes().starts_with(b"data: sent\n"));
//! # Ok(()) }
//! ```
//!
//! Each topic has one bounded log of its last messages. The log is the topic's history and also the
//! queue of all its subscribers, because a subscriber is only a position in it. So a subscriber
//! needs no buffer, and a slow subscriber does not affect the others. If the log drops messages
//! that a subscriber has not read, the subscriber is told by a [`Gap`].
//!
//! All topics of a hub share one sequence of positions. So one last event ID is enough to resume
//! any set of topics. Each hub has its own epoch, which is part of the ID, so an ID from an earlier
//! run of the program is recognized as unknown.
//!
//! Topic names are segments of printable ASCII characters, separated by `.`. In a subscription, `*`
//! stands for one segment, and `>` at the end stands for one or more segments.

// | module | content |
// |---|---|
// | `handle`, `builder`, `settings` | `Hub`, and the builder that sets its bounds |
// | `policy`, `topic_creation` | settings with several choices |
// | `error`, `stats` | why a call fails, and the numbers for operators |
// | `topic` | one topic: its log, its keys, its subscribers |
// | `patterns` | the patterns that are subscribed to |
// | `registry` | which topics exist, and which one makes room for another |
// | `subscription` | a cursor in the logs of some topics |
// | `presence` | who subscribes to a topic |
// | `relay` | several nodes as one hub |
// | `state` | what all handles share, and what the hub's lock guards |
// | `slot_map` | a dense slot map |
// | `stepped_map`, `stepped_queue`, `stepped_vec` | collections that grow in small steps |
// | `clock`, `sync`, `plural` | time, locks, plurals |
// | `loom_model`, `loom_model_shared` | the hub, and a shared hub, under every order of their threads |
// | `pattern_model` | readers of several topics, compared with a plain list |
// | `removal_tests` | readers of topics that are removed |
// | `held_work_tests` | the work of calls while they hold the hub's lock |
// | `rollback_model` | what happens while an engine's loss of messages is taken in |

mod builder;
mod clock;
mod error;
mod handle;
#[cfg(all(test, not(loom)))]
mod held_work_tests;
#[cfg(all(test, loom))]
mod loom_model;
#[cfg(all(test, loom))]
mod loom_model_shared;
#[cfg(all(test, not(loom)))]
mod pattern_model;
mod patterns;
mod plural;
mod policy;
mod presence;
mod registry;
mod relay;
#[cfg(all(test, not(loom)))]
mod removal_tests;
#[cfg(all(test, not(loom)))]
mod rollback_model;
mod settings;
mod slot_map;
mod state;
mod stats;
mod stepped_map;
mod stepped_queue;
mod stepped_vec;
mod subscription;
mod sync;
mod topic;
mod topic_creation;
#[cfg(test)]
pub(crate) mod work_counts;

pub use builder::HubBuilder;
pub use error::{CreateTopicError, PublishError, SubscribeError};
pub use handle::Hub;
pub use policy::Policy;
pub use presence::announcement::MAX_SHARED_IDENTITY;
pub use presence::event::{DEFAULT_MAX_PRESENCE_EVENTS, PresenceEvent};
pub use presence::other_nodes::MAX_OTHER_NODES;
pub use presence::watch::PresenceWatch;
pub use relay::adapter::{Append, Receipt, Relay, RelayFuture};
pub use relay::error::{RelayError, SendError};
pub use relay::feed::{ANNOUNCE_INTERVAL, Feed};
pub use relay::incoming::{Incoming, SnapshotEntry};
pub use relay::retry_keys::{MAX_RETRY_KEYS, RETRY_WINDOW};
pub use relay::send::{SendMessage, Sending};
pub use relay::state::{RelayState, RelayWatch};
pub use settings::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_MAX_KEY, DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_MAX_MESSAGES, DEFAULT_MAX_NODE_WAIT, DEFAULT_MAX_REMEMBERED_TOPICS,
    DEFAULT_MAX_REORDERED, DEFAULT_MAX_SHARED_PRESENCE, DEFAULT_MAX_TOPIC_NAME, DEFAULT_MAX_TOPICS,
    DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION, DEFAULT_PRESENCE_LEASE, DEFAULT_SHARED_PRESENCE_GRACE,
};
pub use stats::{HubStats, TopicStats};
pub use subscription::Subscription;
pub use subscription::arguments::{ResumeFrom, Topics};
pub use subscription::deliveries::Deliveries;
pub use subscription::delivery::{Delivery, GAP_EVENT, Gap};
pub use subscription::end_watch::EndWatch;
pub use subscription::subscribe::Subscribe;
pub use topic::key_table::KeyChange;
pub use topic::name::TopicError;
pub use topic::subscriber::SubscriptionEnd;
pub use topic_creation::TopicCreation;
