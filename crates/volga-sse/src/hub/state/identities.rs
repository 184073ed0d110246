//! The subscriptions of each identity, so that all of them can be ended.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::task::Waker;

use crate::hub::slot_map::SlotMap;
use crate::hub::sync::{AtomicBool, Mutex, Ordering, lock};
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};

/// How many subscriptions are ended before the lock of their group is released and taken again.
const ENDED_AT_ONCE: usize = 32;
/// How many identities one step lists. The hub's lock is released after each step.
const IDENTITIES_PER_STEP: usize = 128;

/// The subscriptions of a hub that have an identity.
#[derive(Debug, Default)]
pub(crate) struct Identities(BTreeMap<Arc<str>, Arc<IdentityGroup>>);

/// The subscriptions of an identity that have opened since it signed out last.
///
/// Its lock is only taken after the hub's lock. So the subscriptions of a group that was taken out
/// of the hub are ended without the hub's lock, however many they are.
#[derive(Debug)]
pub(crate) struct IdentityGroup {
    /// The identity has signed out, so the group is present nowhere. Only used under the hub's
    /// lock.
    has_signed_out: AtomicBool,
    subscribers: Mutex<SlotMap<Arc<Subscriber>>>,
}

/// The entry of a subscription in the group of its identity.
#[derive(Debug)]
pub(crate) struct IdentityMembership {
    pub(crate) identity: Arc<str>,
    group: Arc<IdentityGroup>,
    handle: u32,
}

impl Identities {
    pub(crate) fn join(
        &mut self,
        identity: &Arc<str>,
        subscriber: &Arc<Subscriber>,
    ) -> IdentityMembership {
        let group = self.0.entry(Arc::clone(identity)).or_default();
        let handle = lock(&group.subscribers).insert(Arc::clone(subscriber));
        IdentityMembership { identity: Arc::clone(identity), group: Arc::clone(group), handle }
    }

    pub(crate) fn leave(&mut self, membership: &IdentityMembership) {
        let IdentityMembership { identity, group, handle } = membership;
        let is_empty = {
            let mut subscribers = lock(&group.subscribers);
            subscribers.remove(*handle);
            subscribers.is_empty()
        };
        // Once the identity has signed out, another group may have its place.
        if is_empty && self.0.get(identity).is_some_and(|other| Arc::ptr_eq(other, group)) {
            self.0.remove(identity);
        }
    }

    /// Takes the group of an identity that signs out. The caller ends its subscriptions.
    pub(crate) fn sign_out(&mut self, identity: &str) -> Option<Arc<IdentityGroup>> {
        let group = self.0.remove(identity)?;
        group.has_signed_out.store(true, Ordering::Relaxed);
        Some(group)
    }

    /// The next identities after this one, each with its subscriptions. An empty page is the end.
    pub(crate) fn page(&self, after: Option<&Arc<str>>) -> Vec<(Arc<str>, Arc<IdentityGroup>)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.0.range::<Arc<str>, _>((start, Bound::Unbounded)).take(IDENTITIES_PER_STEP);
        page.map(|(identity, group)| (Arc::clone(identity), Arc::clone(group))).collect()
    }
}

impl Default for IdentityGroup {
    fn default() -> Self {
        Self { has_signed_out: AtomicBool::new(false), subscribers: Mutex::new(SlotMap::new()) }
    }
}

impl IdentityGroup {
    /// Ends all of its subscriptions, and returns their number.
    pub(crate) fn close(&self, end: SubscriptionEnd) -> usize {
        let (mut first, mut count) = (0, 0);
        loop {
            let subscribers = lock(&self.subscribers);
            let last = subscribers.end_of_handles();
            let page = first..last.min(first + ENDED_AT_ONCE as u32);
            first = page.end;
            let mut wakers: [Option<Waker>; ENDED_AT_ONCE] = [const { None }; ENDED_AT_ONCE];
            for (place, handle) in wakers.iter_mut().zip(page) {
                if let Some(subscriber) = subscribers.get(handle) {
                    *place = subscriber.close(end);
                    count += 1;
                }
            }
            drop(subscribers);
            wakers.into_iter().flatten().for_each(Waker::wake);
            if first >= last {
                return count;
            }
        }
    }
}

impl IdentityMembership {
    /// Whether the identity has signed out since the subscription opened. The caller holds the
    /// hub's lock.
    pub(crate) fn has_signed_out(&self) -> bool {
        self.group.has_signed_out.load(Ordering::Relaxed)
    }
}
