//! The shared half of a subscription: how a publisher reaches it.

use std::{collections::VecDeque, task::Waker};

use super::{
    sync::{AtomicBool, AtomicU8, AtomicU64, Mutex, Ordering, lock},
    topic::Member,
};

/// Why a subscription ended by itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// [`Hub::close`](super::Hub::close) was called, and everything published before was delivered.
    HubClosed,
    /// [`Hub::close_identity`](super::Hub::close_identity) was called for its identity.
    IdentityClosed,
    /// It lagged behind further than [`Policy::Close`](super::Policy::Close) allows.
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
pub(crate) struct Reader {
    /// Everything up to here was delivered or told. Only the subscription writes it.
    cursor: AtomicU64,
    /// How many messages were delivered to a subscription of one topic. Only it writes this.
    delivered: AtomicU64,
    end: AtomicU8,
    has_joined: AtomicBool,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    /// New topics that match a pattern of the subscription.
    joined: Option<Box<Joined>>,
}

/// What a subscription with patterns is handed.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    pub(crate) members: VecDeque<Member>,
    /// The greatest number of a topic that was removed before the subscription took it: it has lost
    /// what was before.
    pub(crate) lost: u64,
}

impl Reader {
    pub(crate) fn new(cursor: u64) -> Self {
        Self {
            cursor: AtomicU64::new(cursor),
            delivered: AtomicU64::new(0),
            end: AtomicU8::new(OPEN),
            has_joined: AtomicBool::new(false),
            slot: Mutex::new(Slot::default()),
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
        let mut slot = lock(&self.slot);
        if slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return;
        }
        let old = slot.waker.replace(waker.clone());
        drop(slot);
        // Wakers are foreign code, and none runs under the lock.
        drop(old);
    }

    /// Takes the waker, to be woken without any lock.
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        lock(&self.slot).waker.take()
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

    /// Gives the subscription a new topic. It comes before the topic's first number is visible, and
    /// so does this flag.
    ///
    /// A subscription that does not read holds no more than the topics that there are, up to a
    /// factor: with each new topic, it is looked whether the two that were handed over first are
    /// gone.
    pub(crate) fn hand_over(&self, member: Member) {
        let mut slot = lock(&self.slot);
        let joined = slot.joined.get_or_insert_default();
        let mut gone = [None, None];
        for gone in &mut gone {
            let Some(first) = joined.members.pop_front() else { break };
            if first.topic.is_removed() {
                joined.lost = joined.lost.max(first.topic.last_number());
                *gone = Some(first);
            } else {
                joined.members.push_back(first);
            }
        }
        joined.members.push_back(member);
        self.has_joined.store(true, Ordering::Release);
        drop(slot);
        // A publisher locks the members of a topic before this slot, so they are left without its
        // lock.
        gone.into_iter().flatten().for_each(|member| _ = member.leave());
    }

    /// What was handed over.
    pub(crate) fn take_joined(&self) -> Joined {
        if !self.has_joined.load(Ordering::Acquire) {
            return Joined::default();
        }
        let mut slot = lock(&self.slot);
        self.has_joined.store(false, Ordering::Release);
        slot.joined.take().map_or_else(Joined::default, |joined| *joined)
    }
}
