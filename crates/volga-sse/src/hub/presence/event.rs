//! What changes about who subscribes to a topic.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many changes are queued for a [`PresenceWatch`](crate::hub::PresenceWatch) that is not
/// polled.
pub const DEFAULT_MAX_PRESENCE_EVENTS: usize = 256;

/// A change of who subscribes to a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// All identities that are present, each with the number of its subscriptions. This is the
    /// first event. It comes again whenever more than [`DEFAULT_MAX_PRESENCE_EVENTS`] changes were
    /// queued, and then replaces all of them.
    Present(BTreeMap<Arc<str>, usize>),
    /// An identity that was not present has subscribed.
    Joined(Arc<str>),
    /// The last subscription of an identity has ended.
    Left(Arc<str>),
}
