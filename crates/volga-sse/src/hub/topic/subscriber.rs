//! The shared half of a subscription: how a publisher reaches it.

use std::task::Waker;

use crate::hub::sync::{AtomicU8, AtomicU64, Mutex, Ordering, lock};

/// Why a subscription ended by itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// [`Hub::close`](crate::hub::Hub::close) was called, and everything published before was delivered.
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

/// What publishers and a subscription share.
///
/// Neither side misses the other: a subscription parks its waker and then looks again whether there
/// is something new; a publisher makes the new visible and then takes the waker. The lock around
/// the waker puts one of the two before the other. A subscription that is awake has no waker here,
/// so it is not woken again.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Everything up to here was delivered or told. Only the subscription writes it.
    cursor: AtomicU64,
    /// How many messages were delivered to a subscription of one topic. Only it writes this.
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
        // One writer: no need for an addition that others could interrupt.
        self.delivered.store(self.delivered() + messages as u64, Ordering::Relaxed);
    }

    /// Leaves the waker for whoever has something new. The caller looks again afterwards.
    pub(crate) fn park(&self, waker: &Waker) {
        let mut parked = lock(&self.waker);
        if parked.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        let old = parked.replace(waker.clone());
        drop(parked);
        // Wakers are foreign code, and none runs under the lock.
        drop(old);
    }

    /// Takes the waker, to be woken without any lock.
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        lock(&self.waker).take()
    }

    /// Ends the subscription, and gives the waker that is to learn of it. The first reason stays.
    pub(crate) fn close(&self, end: SubscriptionEnd) -> Option<Waker> {
        let code = match end {
            SubscriptionEnd::HubClosed => HUB_CLOSED,
            SubscriptionEnd::IdentityClosed => IDENTITY_CLOSED,
            SubscriptionEnd::TooSlow => TOO_SLOW,
        };
        // A hub that closes lets its subscriptions come to their end first; a client that is no
        // longer welcome does not wait for that.
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
