//! The part of a subscription that publishers reach.

use std::sync::atomic::AtomicBool;
use std::task::Waker;

use crate::hub::sync::{AtomicU8, AtomicU64, Mutex, Ordering, lock};

/// Why a subscription ended before it was dropped.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// [`Hub::close`](crate::hub::Hub::close) was called, and everything that was published before
    /// was delivered.
    HubClosed,
    /// [`Hub::close_identity`](crate::hub::Hub::close_identity) was called for its identity.
    IdentityClosed,
    /// It lagged behind further than [`Policy::Close`](crate::hub::Policy::Close) allows.
    TooSlow,
    /// This node of a [shared](crate::hub::HubBuilder::build_shared) hub did not reach what the
    /// client has, or did not read what the engine holds, within
    /// [`max_node_wait`](crate::hub::HubBuilder::max_node_wait). Nothing was delivered, so the
    /// client can return to any node.
    NodeBehind,
    /// This node of a [shared](crate::hub::HubBuilder::build_shared) hub has missed messages of the
    /// engine, and one of them may have closed the subscription's identity. The client can return,
    /// and your program then decides whether it may subscribe.
    MissedClose,
    /// This node of a [shared](crate::hub::HubBuilder::build_shared) hub has lost its engine for
    /// longer than [`max_lost_time`](crate::hub::HubBuilder::max_lost_time).
    NodeLost,
}

impl SubscriptionEnd {
    /// Whether nothing more is delivered after this end, although the client may lack something.
    pub(crate) fn drops_the_rest(self) -> bool {
        matches!(self, Self::TooSlow | Self::IdentityClosed)
    }

    /// Whether an event stream says farewell at this end. All clients of a hub that closes return,
    /// and they should not do so at the same time.
    pub(crate) fn has_farewell(self) -> bool {
        matches!(self, Self::HubClosed | Self::NodeBehind | Self::MissedClose | Self::NodeLost)
    }
}

const OPEN: u8 = 0;
const HUB_CLOSED: u8 = 1;
const IDENTITY_CLOSED: u8 = 2;
const TOO_SLOW: u8 = 3;
const NODE_BEHIND: u8 = 4;
const MISSED_CLOSE: u8 = 5;
const NODE_LOST: u8 = 6;

/// What a subscription shares with publishers.
///
/// No wake-up is lost: a subscription leaves its waker here, tells its wait lists that it sleeps,
/// and then checks once more for new messages, while a publisher first makes a message readable and
/// then takes the wakers of the readers in its list. A subscription that is awake has no waker
/// here, so it is not woken a second time.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Everything up to here was delivered or reported as a gap. Only the subscription writes it.
    cursor: AtomicU64,
    /// How many messages were delivered, if the subscription has one topic. Only the subscription
    /// writes it.
    delivered: AtomicU64,
    end: AtomicU8,
    /// Whether the subscription may be too slow: it had read everything once, and was not dropped.
    // Not of loom: nothing is synchronised by it, and it would make the models slower.
    may_be_too_slow: AtomicBool,
    parked: Mutex<Parked>,
}

#[derive(Debug)]
struct Parked {
    waker: Option<Waker>,
    /// With it, a subscription of many topics tells only few wait lists that it sleeps again.
    visits: Visits,
}

/// Which wait lists have visited a subscription since it went to sleep last.
///
/// The lists are noted by their tags modulo 32. So if one of them has visited the subscription,
/// others seem to have done so as well.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Visits {
    lists: u32,
    /// Those that have set the subscription aside, because it was awake.
    set_aside: u32,
}

impl Visits {
    /// Whether the list must be told that the subscription sleeps again.
    pub(crate) fn has(self, tag: u32) -> bool {
        self.lists & bit(tag) != 0
    }

    /// Whether the list may have set the subscription aside.
    pub(crate) fn is_set_aside(self, tag: u32) -> bool {
        self.set_aside & bit(tag) != 0
    }

    /// Calls a function with the tags below `end` of the lists that must be told.
    pub(crate) fn for_each_tag(self, end: u32, mut tell: impl FnMut(u32)) {
        let mut left = self.lists;
        while left != 0 && left.trailing_zeros() < end {
            (left.trailing_zeros()..end).step_by(u32::BITS as usize).for_each(&mut tell);
            left &= left - 1;
        }
    }
}

fn bit(tag: u32) -> u32 {
    1 << (tag % u32::BITS)
}

impl Subscriber {
    pub(crate) fn new(cursor: u64) -> Self {
        Self {
            cursor: AtomicU64::new(cursor),
            delivered: AtomicU64::new(0),
            end: AtomicU8::new(OPEN),
            may_be_too_slow: AtomicBool::new(false),
            parked: Mutex::new(Parked { waker: None, visits: Visits::default() }),
        }
    }

    pub(crate) fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Relaxed)
    }

    pub(crate) fn set_cursor(&self, cursor: u64) {
        self.cursor.store(cursor, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(crate) fn count_delivered(&self, messages: usize) {
        // There is only one writer, so this need not be an atomic addition.
        self.delivered.store(self.delivered() + messages as u64, Ordering::Relaxed);
    }

    /// Whether a watch may find that the subscription is too slow.
    pub(crate) fn may_be_too_slow(&self) -> bool {
        self.may_be_too_slow.load(Ordering::Relaxed)
    }

    pub(crate) fn set_may_be_too_slow(&self, may_be: bool) {
        self.may_be_too_slow.store(may_be, Ordering::Relaxed);
    }

    /// Leaves the waker for publishers. Returns the wait lists that the caller must tell that it
    /// sleeps. After that it must check for new messages.
    #[must_use]
    pub(crate) fn park(&self, waker: &Waker) -> Visits {
        let mut parked = lock(&self.parked);
        let visits = std::mem::take(&mut parked.visits);
        if parked.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return visits;
        }
        let old = parked.waker.replace(waker.clone());
        drop(parked);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
        visits
    }

    /// Takes the waker for the wait list with this tag. The caller wakes the waker after all locks
    /// are released. `None` means that the subscription is awake, and that the caller must set it
    /// aside.
    pub(crate) fn take_waker(&self, tag: u32) -> Option<Waker> {
        let mut parked = lock(&self.parked);
        let waker = parked.waker.take();
        parked.visits.lists |= bit(tag);
        if waker.is_none() {
            parked.visits.set_aside |= bit(tag);
        }
        waker
    }

    /// Whether the subscription has left its waker, because it has read everything.
    pub(crate) fn is_asleep(&self) -> bool {
        lock(&self.parked).waker.is_some()
    }

    /// Ends the subscription, and returns the waker that must be woken. The first reason is kept.
    pub(crate) fn close(&self, end: SubscriptionEnd) -> Option<Waker> {
        #[cfg(test)]
        crate::hub::work_counts::note_end();
        let code = match end {
            SubscriptionEnd::HubClosed => HUB_CLOSED,
            SubscriptionEnd::IdentityClosed => IDENTITY_CLOSED,
            SubscriptionEnd::TooSlow => TOO_SLOW,
            SubscriptionEnd::NodeBehind => NODE_BEHIND,
            SubscriptionEnd::MissedClose => MISSED_CLOSE,
            SubscriptionEnd::NodeLost => NODE_LOST,
        };
        // A subscription to a closed hub delivers what is left before it ends. If its identity is
        // closed as well, it ends without that.
        let _ = self.end.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            (old == OPEN || old == HUB_CLOSED && code == IDENTITY_CLOSED).then_some(code)
        });
        lock(&self.parked).waker.take()
    }

    pub(crate) fn end(&self) -> Option<SubscriptionEnd> {
        match self.end.load(Ordering::Acquire) {
            HUB_CLOSED => Some(SubscriptionEnd::HubClosed),
            IDENTITY_CLOSED => Some(SubscriptionEnd::IdentityClosed),
            TOO_SLOW => Some(SubscriptionEnd::TooSlow),
            NODE_BEHIND => Some(SubscriptionEnd::NodeBehind),
            MISSED_CLOSE => Some(SubscriptionEnd::MissedClose),
            NODE_LOST => Some(SubscriptionEnd::NodeLost),
            _ => None,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A subscription that is not told of a list would never be woken by it again.
    #[test]
    fn each_list_that_visits_a_subscription_is_told_when_it_sleeps() {
        for end in [1, 2, 31, 32, 33, 64, 100] {
            for tag in 0..end {
                let subscriber = Subscriber::new(0);
                let tags = |visits: Visits| {
                    let mut tags = Vec::new();
                    visits.for_each_tag(end, |tag| tags.push(tag));
                    tags
                };
                assert!(tags(subscriber.park(Waker::noop())).is_empty(), "no list has visited it");

                assert!(subscriber.take_waker(tag).is_some());
                let visits = subscriber.park(Waker::noop());
                let same: Vec<_> = (tag % u32::BITS..end).step_by(u32::BITS as usize).collect();
                assert_eq!(tags(visits), same);
                assert!(visits.has(tag) && !visits.is_set_aside(tag));

                assert!(subscriber.take_waker(tag).is_some());
                assert!(subscriber.take_waker(tag).is_none());
                let visits = subscriber.park(Waker::noop());
                assert_eq!(tags(visits), same);
                assert!(visits.is_set_aside(tag) && !visits.is_set_aside(tag + 1));
            }
        }
    }
}
