//! How a subscription begins.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::policy::Policy;
use crate::hub::state::hub_state::Shared;
use crate::hub::topic::inbox::Inbox;
use crate::hub::topic::membership::Member;
use crate::hub::topic::subscriber::Reader;

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
pub(crate) struct Start {
    pub(crate) hub: Arc<Shared>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) members: Vec<Member>,
    pub(crate) policy: Policy,
    /// Zero for none.
    pub(crate) pace: Duration,
    pub(crate) opening: Option<Opening>,
    pub(crate) is_new: bool,
    pub(crate) watch: Option<(u32, Arc<Inbox>)>,
    pub(crate) identity: Option<(Arc<str>, u32)>,
}
