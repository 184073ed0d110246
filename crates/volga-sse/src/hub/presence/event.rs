//! What changes about who subscribes to a topic.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The changes that wait for a [`PresenceWatch`] which is not polled.
pub const DEFAULT_MAX_PRESENCE_EVENTS: usize = 256;

/// What changed about who subscribes to a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// Who is there, each with the number of its subscriptions. This is the first event, and it
    /// comes again whenever more changes were waiting than [`DEFAULT_MAX_PRESENCE_EVENTS`]: it then
    /// stands for all of them.
    Present(BTreeMap<Arc<str>, usize>),
    /// An identity that was not there has subscribed.
    Joined(Arc<str>),
    /// The last subscription of an identity ended.
    Left(Arc<str>),
}
