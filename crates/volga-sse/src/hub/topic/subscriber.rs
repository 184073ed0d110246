//! The part of a subscription that publishers reach.

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
}

const OPEN: u8 = 0;
const HUB_CLOSED: u8 = 1;
const IDENTITY_CLOSED: u8 = 2;
const TOO_SLOW: u8 = 3;

/// What a subscription shares with publishers.
///
/// No wake-up is lost: a subscription leaves its waker here, marks itself as asleep in its wait
/// lists, and then checks once more for new messages, while a publisher first makes a message
/// readable and then takes the sleepers of the lists. A subscription that is awake has no waker
/// here, so it is not woken a second time.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Everything up to here was delivered or reported as a gap. Only the subscription writes it.
    cursor: AtomicU64,
    /// How many messages were delivered, if the subscription has one topic. Only the subscription
    /// writes it.
    delivered: AtomicU64,
    end: AtomicU8,
    parked: Mutex<Parked>,
}

#[derive(Debug)]
struct Parked {
    waker: Option<Waker>,
    /// The wait lists in which the subscription is not asleep any more, by their tags modulo 64.
    /// With it, a subscription of many topics marks itself as asleep only where it was woken.
    woken_by: u64,
}

impl Subscriber {
    pub(crate) fn new(cursor: u64) -> Self {
        Self {
            cursor: AtomicU64::new(cursor),
            delivered: AtomicU64::new(0),
            end: AtomicU8::new(OPEN),
            parked: Mutex::new(Parked { waker: None, woken_by: u64::MAX }),
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

    /// Leaves the waker for publishers. Returns in which wait lists the caller must mark itself as
    /// asleep, as a set of tags modulo 64. After that it must check for new messages.
    #[must_use]
    pub(crate) fn park(&self, waker: &Waker) -> u64 {
        let mut parked = lock(&self.parked);
        let woken_by = std::mem::take(&mut parked.woken_by);
        if parked.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return woken_by;
        }
        let old = parked.waker.replace(waker.clone());
        drop(parked);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
        woken_by
    }

    /// Takes the waker for the wait list with this tag, where the subscription is not asleep any
    /// more. The caller wakes the waker after all locks are released.
    pub(crate) fn take_waker(&self, tag: u32) -> Option<Waker> {
        let mut parked = lock(&self.parked);
        parked.woken_by |= 1 << (tag % u64::BITS);
        parked.waker.take()
    }

    /// Ends the subscription, and returns the waker that must be woken. The first reason is kept.
    pub(crate) fn close(&self, end: SubscriptionEnd) -> Option<Waker> {
        let code = match end {
            SubscriptionEnd::HubClosed => HUB_CLOSED,
            SubscriptionEnd::IdentityClosed => IDENTITY_CLOSED,
            SubscriptionEnd::TooSlow => TOO_SLOW,
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
            _ => None,
        }
    }
}
