//! What changes about who subscribes to a topic.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many changes a [`PresenceWatch`](crate::hub::PresenceWatch) may be behind before it is told
/// who is present instead.
pub const DEFAULT_MAX_PRESENCE_EVENTS: usize = 256;

/// A change of who subscribes to a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// All identities that are present, each with the number of its subscriptions. This is the
    /// first event. It comes again whenever the watch is behind by more than
    /// [`DEFAULT_MAX_PRESENCE_EVENTS`] changes, and then replaces all of them.
    Present(BTreeMap<Arc<str>, usize>),
    /// An identity that was not present has subscribed.
    Joined(Arc<str>),
    /// The last subscription of an identity has ended, and the identity did not return within the
    /// [grace](crate::hub::HubBuilder::presence_grace).
    Left(Arc<str>),
}
