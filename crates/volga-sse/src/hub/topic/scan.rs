//! What a subscription looks for in a topic. Pure.

use crate::hub::subscription::opening::Start;

/// What a subscription looks for in its topics, and what the scan finds besides messages.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The index of the topic among those of the subscription.
    pub(crate) topic: usize,
    /// Only messages with numbers greater than this are offered.
    pub(crate) after: u64,
    /// Only messages with numbers up to this one are offered. All of them were appended before the
    /// scan began.
    pub(crate) through: u64,
    /// Of each key only the newest message is offered.
    pub(crate) only_latest: bool,
    /// Set for a client that is new. Of keyed topics the newest value of each key is offered, and
    /// of other topics the messages after this number.
    pub(crate) newcomer: Option<u64>,
    /// How far the subscription may lag behind a topic, in messages and bytes.
    pub(crate) max_lag: Option<(usize, u64)>,
    /// The greatest number of a message that the subscription has missed, or zero.
    pub(crate) lost: u64,
    /// The same for keyed topics alone.
    pub(crate) lost_of_keyed: u64,
    /// The subscription lags behind a topic further than it may.
    pub(crate) is_too_slow: bool,
}

impl Scan {
    /// Looks for what a new client gets, after a number.
    pub(crate) fn of_newcomer(after: u64, start: Start) -> Self {
        Self {
            topic: 0,
            after,
            through: start.through,
            only_latest: false,
            newcomer: Some(start.unkeyed_after),
            max_lag: None,
            lost: 0,
            lost_of_keyed: 0,
            is_too_slow: false,
        }
    }
}
