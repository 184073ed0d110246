//! Topics that many publish to and many read: a hub, with resume and without a silent loss.
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
//! A topic has one bounded log of its last messages, which is its history and the queue of all its
//! subscribers at once: a subscriber is a position in it. So a subscriber costs no buffer, a slow
//! one costs nobody else anything, and what a slow one misses it is told as a [`Gap`].
//!
//! Positions are those of the hub: one order for the messages of all its topics, so that one last
//! event ID serves any set of topics. Each hub has an epoch of its own, so the ID of an earlier run
//! is not taken for one of this.
//!
//! Names are segments of printable ASCII characters, separated by `.`. In subscriptions, `*` stands
//! for one segment and `>`, at the end, for one or more.

mod builder;
mod clock;
mod error;
mod handle;
#[cfg(all(test, loom))]
mod loom_model;
mod policy;
mod presence;
mod registry;
mod settings;
mod slot_map;
mod state;
mod stats;
mod subscription;
mod sync;
mod topic;
mod topic_creation;

pub use builder::HubBuilder;
pub use error::{CreateTopicError, PublishError, SubscribeError};
pub use handle::Hub;
pub use policy::Policy;
pub use presence::event::{DEFAULT_MAX_PRESENCE_EVENTS, PresenceEvent};
pub use presence::watch::PresenceWatch;
pub use settings::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_MAX_FORGOTTEN_TOPICS, DEFAULT_MAX_KEY,
    DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_MAX_MESSAGES, DEFAULT_MAX_REORDERED, DEFAULT_MAX_TOPIC_NAME,
    DEFAULT_MAX_TOPICS, DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION, DEFAULT_TOPIC_IDLE,
};
pub use stats::{HubStats, TopicStats};
pub use subscription::Subscription;
pub use subscription::arguments::{ResumeFrom, Topics};
pub use subscription::deliveries::Deliveries;
pub use subscription::delivery::{Delivery, GAP_EVENT, Gap};
pub use subscription::subscribe::Subscribe;
pub use topic::key_table::KeyChange;
pub use topic::name::TopicError;
pub use topic::subscriber::SubscriptionEnd;
pub use topic_creation::TopicCreation;
