//! How a subscription begins.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::state::hub_state::HubState;
use crate::hub::topic::inbox::TopicInbox;
use crate::hub::topic::membership::Membership;
use crate::hub::topic::subscriber::Subscriber;

/// How a subscription begins.
#[derive(Debug)]
pub(crate) enum Opening {
    /// Keyed topics begin with the newest value of each key up to `through`, the others behind
    /// `plain_after`.
    Newcomer { through: u64, plain_after: u64 },
    /// The topics may have lost messages up to `lost` before they were what they are now.
    Returning { lost: u64 },
    /// The same, and where the client left off is not known.
    Unknown { lost: u64 },
}

/// What a subscription starts with.
pub(crate) struct SubscriptionParts {
    pub(crate) hub: Arc<HubState>,
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) policy: Policy,
    /// Zero for none.
    pub(crate) pace: Duration,
    pub(crate) opening: Option<Opening>,
    pub(crate) is_new: bool,
    pub(crate) watch: Option<(u32, Arc<TopicInbox>)>,
    pub(crate) identity: Option<(Arc<str>, u32)>,
}
