//! The identities that subscribe to one topic. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::presence::change_log::{ChangeLog, SharedLog, WakerLists};
use crate::hub::presence::event::PresenceEvent;

/// How many identities one step lists. The hub's lock is released after each step.
pub(crate) const MAX_LISTED: usize = 64;

/// The identities that are present, each with the number of its subscriptions.
pub(crate) type PresentIdentities = BTreeMap<Arc<str>, usize>;

/// The identities that subscribe to one topic.
#[derive(Debug, Default)]
pub(crate) struct TopicPresence {
    present: BTreeMap<Arc<str>, Stay>,
    /// The identities without subscriptions that may still return, by when they are gone.
    leaving: BTreeSet<(Moment, Arc<str>)>,
    log: SharedLog,
    watches: usize,
}

/// Where a subscription is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// In this hub.
    Here,
    /// On another node of a shared hub, which counts once.
    OtherNode,
}

/// Whose subscriptions a sign-out ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignOutScope {
    /// Those in this hub.
    ThisNode,
    /// Those of all nodes of a shared hub.
    AllNodes,
}

#[derive(Debug, Default)]
struct Stay {
    subscriptions: usize,
    /// On how many other nodes the identity has subscriptions.
    nodes: usize,
    /// The identity is not gone before this moment, unless it has left for good.
    gone_at: Moment,
    /// How many sign-outs the hub had counted when the identity came, or signed out last.
    sign_outs: u64,
    /// The identity has signed out on all nodes and has not come back. Nodes that still have
    /// subscriptions of it will end them.
    has_signed_out: bool,
}

impl Stay {
    fn total(&self) -> usize {
        self.subscriptions + self.nodes
    }

    fn count_of(&mut self, origin: Origin) -> &mut usize {
        match origin {
            Origin::Here => &mut self.subscriptions,
            Origin::OtherNode => &mut self.nodes,
        }
    }
}

impl TopicPresence {
    /// The next identities that are present after this one, in order, each with the number of its
    /// subscriptions. At most [`MAX_LISTED`].
    pub(crate) fn page(&self, after: Option<&Arc<str>>) -> Vec<(Arc<str>, usize)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.present.range::<Arc<str>, _>((start, Bound::Unbounded)).take(MAX_LISTED);
        page.map(|(identity, stay)| (Arc::clone(identity), stay.total())).collect()
    }

    /// The number of subscriptions of an identity. `None` if it is not present.
    pub(crate) fn subscriptions_of(&self, identity: &str) -> Option<usize> {
        self.present.get(identity).map(Stay::total)
    }

    /// The number of subscriptions of an identity in this hub.
    pub(crate) fn subscriptions_here(&self, identity: &str) -> usize {
        self.present.get(identity).map_or(0, |stay| stay.subscriptions)
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.present.is_empty() && self.watches == 0
    }

    pub(crate) fn is_present(&self, identity: &str) -> bool {
        self.present.contains_key(identity)
    }

    /// Counts a subscription of an identity. Adds the wakers of watches that wait to `wakers`.
    /// `sign_outs` is how many sign-outs the hub has counted. Returns when the identity would have
    /// been gone, if it had left.
    pub(crate) fn join(
        &mut self,
        identity: &Arc<str>,
        origin: Origin,
        sign_outs: u64,
        wakers: &mut WakerLists,
    ) -> Option<Moment> {
        let Some(stay) = self.present.get_mut(identity) else {
            let mut stay = Stay { sign_outs, ..Stay::default() };
            *stay.count_of(origin) = 1;
            self.present.insert(Arc::clone(identity), stay);
            self.tell(PresenceEvent::Joined(Arc::clone(identity)), wakers);
            return None;
        };
        *stay.count_of(origin) += 1;
        stay.has_signed_out = false;
        let gone_at = (stay.total() == 1).then(|| std::mem::take(&mut stay.gone_at))?;
        self.leaving.remove(&(gone_at, Arc::clone(identity)));
        Some(gone_at)
    }

    /// Notes that another node still has subscriptions of an identity that has signed out, because
    /// it has come back there.
    pub(crate) fn note_return(&mut self, identity: &str) {
        if let Some(stay) = self.present.get_mut(identity) {
            stay.has_signed_out = false;
        }
    }

    /// Forgets that an identity may return to a node that it has left, because it has signed out.
    pub(crate) fn forget_grace(&mut self, identity: &str) {
        if let Some(stay) = self.present.get_mut(identity).filter(|stay| stay.total() > 0) {
            stay.gone_at = Moment::default();
        }
    }

    /// Whether the sign-out with this number must still take effect. It does not concern an
    /// identity that came after it.
    pub(crate) fn needs_sign_out(&self, identity: &str, number: u64) -> bool {
        self.present.get(identity).is_some_and(|stay| stay.sign_outs < number)
    }

    /// Removes the subscriptions of an identity that has signed out. It is gone at once if other
    /// nodes have no subscriptions of it. Returns when it would have been gone, if it had left
    /// before.
    pub(crate) fn sign_out(
        &mut self,
        identity: &Arc<str>,
        number: u64,
        scope: SignOutScope,
        wakers: &mut WakerLists,
    ) -> Option<Moment> {
        let stay = self.present.get_mut(identity)?;
        stay.sign_outs = number;
        let left_at = (stay.total() == 0).then_some(stay.gone_at);
        if let Some(gone_at) = left_at {
            self.leaving.remove(&(gone_at, Arc::clone(identity)));
        }
        stay.subscriptions = 0;
        stay.gone_at = Moment::default();
        stay.has_signed_out = scope == SignOutScope::AllNodes;
        if stay.nodes == 0 {
            self.end_stay(identity, wakers);
        }
        left_at
    }

    /// Removes a subscription of an identity, which is gone at once or at a later moment. Returns
    /// that moment if the identity has no other subscriptions and is not gone at once.
    pub(crate) fn leave(
        &mut self,
        identity: &Arc<str>,
        origin: Origin,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) -> Option<Moment> {
        let stay = self.present.get_mut(identity)?;
        let count = stay.count_of(origin);
        let has_left = *count > 0;
        *count = count.saturating_sub(1);
        if !stay.has_signed_out {
            // A node may learn late of one that has died. What it knows of others is newer.
            stay.gone_at = stay.gone_at.max(gone_at.unwrap_or_default());
        }
        if has_left && stay.total() == 0 { self.end_stay(identity, wakers) } else { None }
    }

    fn end_stay(&mut self, identity: &Arc<str>, wakers: &mut WakerLists) -> Option<Moment> {
        let gone_at = self.present.get(identity)?.gone_at;
        match gone_at > Moment::default() {
            true => {
                self.leaving.insert((gone_at, Arc::clone(identity)));
                if self.watches > 0 {
                    // They have to look again at that moment.
                    self.log.wake(wakers);
                }
                Some(gone_at)
            }
            false => {
                self.present.remove(identity);
                self.tell(PresenceEvent::Left(Arc::clone(identity)), wakers);
                None
            }
        }
    }

    /// Removes the subscriptions in this hub of the next identities after this one, at most `max`,
    /// because the topic was removed. Returns these identities, each with the moment when it is
    /// gone unless that is now, or unless it is still present on another node.
    pub(crate) fn leave_page(
        &mut self,
        after: Option<&Arc<str>>,
        max: usize,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) -> Vec<(Option<Moment>, Arc<str>)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.present.range::<Arc<str>, _>((start, Bound::Unbounded)).take(max);
        let page: Vec<_> = page.map(|(identity, _)| Arc::clone(identity)).collect();
        let mut leave = |identity: Arc<str>| {
            let mut moment = None;
            if let Some(stay) = self.present.get_mut(&identity)
                && stay.subscriptions > 0
            {
                stay.subscriptions = 0;
                stay.gone_at = stay.gone_at.max(gone_at.unwrap_or_default());
                if stay.nodes == 0 {
                    moment = self.end_stay(&identity, wakers);
                }
            }
            (moment, identity)
        };
        page.into_iter().map(&mut leave).collect()
    }

    /// Notes that an identity that had left at this moment did not return.
    pub(crate) fn gone(&mut self, gone_at: Moment, identity: &Arc<str>, wakers: &mut WakerLists) {
        if self.leaving.remove(&(gone_at, Arc::clone(identity))) {
            self.present.remove(identity);
            self.tell(PresenceEvent::Left(Arc::clone(identity)), wakers);
        }
    }

    /// The identity that is gone next, and when.
    pub(crate) fn next_gone(&self) -> Option<(Moment, Arc<str>)> {
        self.leaving.first().cloned()
    }

    /// Adds a watch. In a closed hub it ends after its first event.
    pub(crate) fn watch(&mut self, is_closed: bool) -> SharedLog {
        self.watches += 1;
        if is_closed {
            self.log.close(&mut WakerLists::default());
        }
        Arc::clone(&self.log)
    }

    pub(crate) fn unwatch(&mut self) {
        self.watches -= 1;
        if self.watches == 0 {
            // Nobody reads these changes any more.
            self.log = Arc::default();
        }
    }

    pub(crate) fn log(&self) -> &ChangeLog {
        &self.log
    }

    fn tell(&self, event: PresenceEvent, wakers: &mut WakerLists) {
        if self.watches > 0 {
            self.log.push(event, wakers);
        }
    }
}
