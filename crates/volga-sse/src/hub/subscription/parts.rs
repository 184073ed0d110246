//! The values that a subscription is built from.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::identities::IdentityMembership;
use crate::hub::subscription::opening::Opening;
use crate::hub::subscription::topics::SubscribedTopics;
use crate::hub::subscription::waiting::Waiting;
use crate::hub::topic::subscriber::Subscriber;

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
    pub(crate) identity: Option<IdentityMembership>,
    /// The wait before it starts, if there is one.
    pub(crate) waiting: Option<Waiting>,
}
