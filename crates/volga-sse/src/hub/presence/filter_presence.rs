//! The identities that read one name or pattern. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::clock::Moment;

/// The identities that are present, each with the number of its subscriptions.
pub(crate) type PresentIdentities = BTreeMap<Arc<str>, usize>;

/// The identities that read one name or pattern.
#[derive(Debug, Default)]
pub(crate) struct FilterPresence {
    present: BTreeMap<Arc<str>, Stay>,
    /// The identities without subscriptions that may still return, by when they are gone.
    leaving: BTreeSet<(Moment, Arc<str>)>,
}

/// Where a subscription is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// In this hub.
    Here,
    /// On the node of a shared hub with this number. All subscriptions there count once.
    OtherNode(u64),
}

/// Whose subscriptions a sign-out ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignOutScope {
    /// Those in this hub.
    ThisNode,
    /// Those of all nodes of a shared hub.
    AllNodes,
}

/// The presence of one identity by one name or pattern.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    /// Of all stays of the identity, those that began later have greater numbers.
    pub(super) number: u64,
    pub(super) subscriptions: usize,
    /// The other nodes on which the identity has subscriptions. A node that has died and is back is
    /// here twice, until what it had announced before is forgotten.
    pub(super) nodes: Vec<u64>,
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
        self.subscriptions + self.nodes.len()
    }

    fn add(&mut self, origin: Origin) {
        match origin {
            Origin::Here => self.subscriptions += 1,
            Origin::OtherNode(node) => self.nodes.push(node),
        }
    }

    /// Returns false if there was no such subscription.
    fn remove(&mut self, origin: Origin) -> bool {
        match origin {
            Origin::Here => {
                let had_any = self.subscriptions > 0;
                self.subscriptions -= usize::from(had_any);
                had_any
            }
            Origin::OtherNode(node) => {
                let index = self.nodes.iter().position(|of| *of == node);
                index.map(|index| self.nodes.swap_remove(index)).is_some()
            }
        }
    }
}

impl FilterPresence {
    /// The identities that are present, in order.
    pub(crate) fn identities_from<'a>(
        &'a self,
        start: Bound<&Arc<str>>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Stay)> + use<'a> {
        self.present.range::<Arc<str>, _>((start, Bound::Unbounded))
    }

    /// `None` if the identity is not present.
    pub(crate) fn stay(&self, identity: &str) -> Option<&Stay> {
        self.present.get(identity)
    }

    pub(crate) fn is_present(&self, identity: &str) -> bool {
        self.present.contains_key(identity)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        self.present.len()
    }

    /// Counts a subscription of an identity. If its stay is new, the stay has this number, and
    /// `sign_outs` is how many sign-outs the hub has counted. Returns when the identity would have
    /// been gone, if it had left.
    pub(crate) fn join(
        &mut self,
        identity: &Arc<str>,
        origin: Origin,
        number: u64,
        sign_outs: u64,
    ) -> Option<Moment> {
        let Some(stay) = self.present.get_mut(identity) else {
            let mut stay = Stay { number, sign_outs, ..Stay::default() };
            stay.add(origin);
            self.present.insert(Arc::clone(identity), stay);
            return None;
        };
        stay.add(origin);
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
        if stay.nodes.is_empty() {
            self.present.remove(identity);
        }
        left_at
    }

    /// Removes a subscription of an identity. If it was the last one, the identity is gone at once,
    /// or at the moment that this returns unless it returns before.
    pub(crate) fn leave(
        &mut self,
        identity: &Arc<str>,
        origin: Origin,
        gone_at: Option<Moment>,
    ) -> Option<Moment> {
        let stay = self.present.get_mut(identity)?;
        if !stay.remove(origin) {
            return None;
        }
        if !stay.has_signed_out {
            // A node may learn late of one that has died. What it knows of others is newer.
            stay.gone_at = stay.gone_at.max(gone_at.unwrap_or_default());
        }
        let gone_at = stay.gone_at;
        if stay.total() > 0 {
            return None;
        }
        if gone_at == Moment::default() {
            self.present.remove(identity);
            return None;
        }
        self.leaving.insert((gone_at, Arc::clone(identity)));
        Some(gone_at)
    }

    /// Notes that an identity that had left at this moment did not return, unless it has.
    pub(crate) fn gone(&mut self, gone_at: Moment, identity: &Arc<str>) {
        if self.leaving.remove(&(gone_at, Arc::clone(identity))) {
            self.present.remove(identity);
        }
    }

    /// The identity that is gone next, and when.
    pub(crate) fn next_gone(&self) -> Option<&(Moment, Arc<str>)> {
        self.leaving.first()
    }
}
