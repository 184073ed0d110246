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
/// No wake-up is lost: a subscription leaves its waker here and then checks once more for new
/// messages, while a publisher first makes a message readable and then takes the waker. The lock
/// around the waker orders the two. A subscription that is awake has no waker here, so it is not
/// woken a second time.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Everything up to here was delivered or reported as a gap. Only the subscription writes it.
    cursor: AtomicU64,
    /// How many messages were delivered, if the subscription has one topic. Only the subscription
    /// writes it.
    delivered: AtomicU64,
    end: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

impl Subscriber {
    pub(crate) fn new(cursor: u64) -> Self {
        Self {
            cursor: AtomicU64::new(cursor),
            delivered: AtomicU64::new(0),
            end: AtomicU8::new(OPEN),
            waker: Mutex::new(None),
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

    /// Leaves the waker for publishers. The caller must check for new messages after this call.
    pub(crate) fn park(&self, waker: &Waker) {
        let mut parked = lock(&self.waker);
        if parked.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        let old = parked.replace(waker.clone());
        drop(parked);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
    }

    /// Takes the waker. The caller wakes it after all locks are released.
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        lock(&self.waker).take()
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
        self.take_waker()
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
