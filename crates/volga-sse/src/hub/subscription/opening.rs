//! How a subscription begins.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::topics::SubscribedTopics;
use crate::hub::subscription::waiting::Waiting;
use crate::hub::topic::scan::Start;
use crate::hub::topic::subscriber::Subscriber;

/// What a new subscription does before its cursor advances normally.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// The client is new.
    Newcomer(Start),
    /// The client has everything up to `after`, and may have missed messages up to `lost`: those of
    /// earlier topics of these names, and those that it may not see.
    Returning { after: u64, lost: u64 },
    /// It is not known what the client has received. So it is told of a gap up to `lost`, and then
    /// gets what a new client gets.
    Unknown { lost: u64, start: Option<Start> },
    /// The client was told of a gap after which its keyed topics begin as for a new client. First
    /// come the values that it has had before, of which those with numbers up to `done` have been
    /// read. Then it begins at `then`.
    Snapshot { done: u64, then: Start },
}

/// The values that a subscription is built from.
pub(crate) struct SubscriptionParts {
    pub(crate) hub: Arc<HubState>,
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) topics: SubscribedTopics,
    pub(crate) policy: Policy,
    /// Zero means that there is no minimum.
    pub(crate) pace: Duration,
    pub(crate) opening: Option<Opening>,
    /// The client first gets an ID if nothing is there for it.
    pub(crate) needs_first_id: bool,
    /// The client may not see messages up to this number.
    pub(crate) floor: u64,
    /// The entry that makes its identity present in the topics that its patterns match.
    pub(crate) present_by_pattern: Option<u32>,
    pub(crate) identity: Option<(Arc<str>, u32)>,
    /// What it waits for before it starts.
    pub(crate) waiting: Option<Waiting>,
}
