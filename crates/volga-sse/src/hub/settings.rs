//! The settings of a hub, and the default of each bound.
//!
//! To add a bound of the hub, add its default and its field here, its setter to `builder.rs`, the
//! export of the default to `hub/mod.rs` and to `limits` in `volga/src/lib.rs`, and its row to
//! `docs/src/limits.md`.

use std::time::Duration;

use crate::hub::clock::Moment;
use crate::hub::policy::Policy;
use crate::hub::topic::pattern::{Pattern, TopicFilter};
use crate::hub::topic_creation::TopicCreation;
use crate::stream::refusal::RefusalResponse;

/// How many messages a topic's log holds.
pub const DEFAULT_MAX_MESSAGES: usize = 1_024;
/// How many bytes a topic's log holds.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;
/// How long a topic's log holds messages.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// How many topics a hub has.
pub const DEFAULT_MAX_TOPICS: usize = 10_000;
/// For how many removed topics a hub remembers the last position.
pub const DEFAULT_MAX_REMEMBERED_TOPICS: usize = 10_000;
/// The length of an encoded message, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The length of a topic's name, in bytes.
pub const DEFAULT_MAX_TOPIC_NAME: usize = 255;
/// The length of a key, in bytes.
pub const DEFAULT_MAX_KEY: usize = 255;
/// How many names and patterns a subscription has.
pub const DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION: usize = 100;

/// How many messages a shared hub holds back because an earlier one has not come.
pub const DEFAULT_MAX_REORDERED: usize = 1_024;
/// How long a client of a shared hub waits for a node that is behind.
pub const DEFAULT_MAX_NODE_WAIT: Duration = Duration::from_secs(5);

/// How long the identities of a node stay present on the others after it was heard of last.
pub const DEFAULT_PRESENCE_LEASE: Duration = Duration::from_secs(8);
/// How long an identity of a shared hub stays present after its last subscription has ended.
pub const DEFAULT_SHARED_PRESENCE_GRACE: Duration = Duration::from_secs(5);
/// How many identities of other nodes a shared hub lists, counted once for each topic and node.
pub const DEFAULT_MAX_SHARED_PRESENCE: usize = 100_000;

/// The bounds of a topic's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// In milliseconds.
    pub(crate) age: u64,
}

/// The settings of a hub.
#[derive(Debug)]
pub(crate) struct HubSettings {
    pub(crate) bounds: LogBounds,
    pub(crate) max_topics: usize,
    pub(crate) creation: TopicCreation,
    pub(crate) max_remembered_topics: usize,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_topic_name: usize,
    pub(crate) max_key: usize,
    pub(crate) max_topics_per_subscription: usize,
    pub(crate) policy: Policy,
    /// Zero means that there is no minimum.
    pub(crate) pace: Duration,
    /// For how long an identity that has left may return, in milliseconds.
    pub(crate) presence_grace: u64,
    /// For how long other nodes list the identities of this one, in milliseconds.
    pub(crate) presence_lease: u64,
    /// How many identities of other nodes are listed.
    pub(crate) max_shared_presence: usize,
    pub(crate) keyed: Vec<KeyedTopics>,
    pub(crate) max_reordered: usize,
    /// How long a client waits for a node that is behind.
    pub(crate) max_node_wait: Duration,
    /// How long streams stay open after the node has lost its engine, in milliseconds.
    pub(crate) max_lost_time: Option<u64>,
    /// The name of the event that reports a gap.
    pub(crate) gap_event: &'static str,
    /// The name of the event that says whether the node has its engine. `None` if clients are not
    /// told.
    pub(crate) relay_event: Option<&'static str>,
    /// What a client is told that subscribes after the hub has closed.
    pub(crate) closed_response: RefusalResponse,
}

/// Topics that are keyed, and the maximum number of their keys.
#[derive(Debug)]
pub(crate) struct KeyedTopics {
    pub(crate) filter: TopicFilter,
    pub(crate) max_keys: usize,
}

impl HubSettings {
    /// When an identity that leaves now is gone. `None` if it is gone at once.
    pub(crate) fn gone_at(&self, now: Moment) -> Option<Moment> {
        (self.presence_grace > 0).then(|| now.after(self.presence_grace))
    }

    /// The name of an event of the hub's own, if this is one. No message may have it.
    pub(crate) fn reserved_event(&self, name: &[u8]) -> Option<&'static str> {
        let reserved = [Some(self.gap_event), self.relay_event];
        reserved.into_iter().flatten().find(|reserved| reserved.as_bytes() == name)
    }

    /// Whether the pattern matches the name of a topic that is keyed.
    pub(crate) fn may_be_keyed(&self, pattern: &Pattern) -> bool {
        self.keyed.iter().any(|keyed| keyed.filter.shares_names_with(pattern))
    }

    /// How many keys a topic may have, or `None` if it is not keyed.
    pub(crate) fn max_keys(&self, topic: &str) -> Option<usize> {
        let keyed = self.keyed.iter().find(|keyed| keyed.filter.matches(topic))?;
        Some(keyed.max_keys)
    }
}
