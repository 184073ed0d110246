//! What a subscription looks for in a topic. Pure.

use crate::hub::patterns::shared_pattern::RemovedNumbers;
use crate::hub::topic::log::TopicLog;

/// Where a new client begins, if one of its topics is keyed: a keyed topic begins with the newest
/// value of each key up to `through`, and any other topic begins after `unkeyed_after`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) through: u64,
    pub(crate) unkeyed_after: u64,
}

/// What a subscription looks for in its topics, and what the scan finds besides messages.
#[derive(Debug)]
pub(crate) struct Scan {
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

    /// The number after which a topic has messages for the subscription.
    pub(crate) fn after_in(&self, is_keyed: bool) -> u64 {
        match self.newcomer {
            Some(unkeyed_after) if !is_keyed => unkeyed_after.max(self.after),
            _ => self.after,
        }
    }

    /// Notes whether the subscription is too slow for a topic.
    pub(crate) fn note_lag(&mut self, log: &TopicLog, after: u64) {
        if let Some((messages, bytes)) = self.max_lag {
            let behind = log.behind(after);
            let has_dropped = log.dropped() > after;
            self.is_too_slow |= behind.0 >= messages || behind.1 >= bytes || has_dropped;
        }
    }

    /// Notes what removed topics had. A subscription that has not read their messages lags behind
    /// further than any log reaches, unless all messages up to `lost_by_all` are lost to everybody.
    pub(crate) fn note_removed(&mut self, removed: RemovedNumbers, after: u64, lost_by_all: u64) {
        self.is_too_slow |= self.max_lag.is_some() && removed.message > after.max(lost_by_all);
        self.note_lost(removed.last, after, false);
        self.note_lost(removed.last_of_keyed, after, true);
    }

    /// Notes what the log of a topic has dropped.
    pub(crate) fn note_lost(&mut self, dropped: u64, after: u64, is_keyed: bool) {
        if is_keyed {
            self.note_lost_of_keyed(dropped, after);
        } else if dropped > after {
            self.lost = self.lost.max(dropped);
        }
    }

    pub(crate) fn note_lost_of_keyed(&mut self, dropped: u64, after: u64) {
        if dropped > after {
            self.lost_of_keyed = self.lost_of_keyed.max(dropped);
            self.lost = self.lost.max(dropped);
        }
    }
}
