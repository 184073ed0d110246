//! How a subscription begins.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::state::hub_state::HubState;
use crate::hub::topic::inbox::TopicInbox;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::subscriber::Subscriber;

/// What a new subscription does before its cursor advances normally.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The client is new. A keyed topic begins with the newest value of each key up to `through`,
    /// and any other topic begins after `unkeyed_after`.
    Newcomer { through: u64, unkeyed_after: u64 },
    /// The client resumes. Earlier topics of these names may have lost messages up to `lost`.
    Returning { lost: u64 },
    /// Like `Returning`, but it is not known what the client has received.
    Unknown { lost: u64 },
}

/// The values that a subscription is built from.
pub(crate) struct SubscriptionParts {
    pub(crate) hub: Arc<HubState>,
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) policy: Policy,
    /// Zero means that there is no minimum.
    pub(crate) pace: Duration,
    pub(crate) opening: Option<Opening>,
    pub(crate) is_new: bool,
    pub(crate) pattern: Option<(u32, Arc<TopicInbox>)>,
    pub(crate) identity: Option<(Arc<str>, u32)>,
}
