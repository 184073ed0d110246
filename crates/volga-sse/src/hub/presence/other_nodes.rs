//! Who subscribes on the other nodes of a shared hub, as those have announced it. Pure.

use std::collections::hash_set::IntoIter;
use std::collections::{HashMap, HashSet, VecDeque};

use crate::hub::clock::Moment;
use crate::hub::presence::announcement::PresentPair;

/// Of how many other nodes a hub knows who subscribes there. The identities of further nodes are
/// not listed.
pub const MAX_OTHER_NODES: usize = 1_000;

/// The state of a hub about the other nodes.
#[derive(Debug, Default)]
pub(crate) struct OtherNodes {
    pub(super) nodes: HashMap<u64, OtherNode>,
    /// How many pairs of all nodes are held, those that depart included.
    pub(super) held: usize,
    /// The pairs that go, a few in each step.
    pub(super) departing: VecDeque<Departure>,
    /// How many pairs were not held because there was no room.
    pub(crate) unlisted: u64,
    /// Pairs were not held, and a node may be asked for them once there is room.
    pub(super) is_truncated: bool,
}

/// One other node.
#[derive(Debug, Default)]
pub(super) struct OtherNode {
    /// How many of its changes are known.
    pub(super) through: u64,
    /// False if changes are missing.
    pub(super) is_complete: bool,
    /// The number of changes that the list has which is being received, and its next part.
    pub(super) list: Option<(u64, u32)>,
    /// When it said something last, and for how long that is good.
    pub(super) last_at: Moment,
    pub(super) lease: u64,
    pub(super) present: HashSet<PresentPair>,
    /// Pairs that were present before the list that is being received.
    pub(super) unconfirmed: HashSet<PresentPair>,
}

/// Pairs that are not present on a node any more.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) node: u64,
    pub(super) pairs: IntoIter<PresentPair>,
    pub(super) gone_at: Option<Moment>,
}

impl OtherNodes {
    /// Whether a node must be asked for everything, because this hub has missed something.
    pub(crate) fn is_incomplete(&self, max: usize) -> bool {
        self.is_truncated && self.held < max / 4 * 3
            || self.nodes.values().any(|node| !node.is_complete)
    }

    /// Lets go what a node has announced. The identities are gone after the grace, counted from the
    /// last announcement.
    pub(super) fn remove(&mut self, id: u64, now: Moment, grace: u64) {
        let Some(node) = self.nodes.remove(&id) else { return };
        let gone_at = node.last_at.after(grace);
        let gone_at = (gone_at > now).then_some(gone_at);
        for pairs in [node.present, node.unconfirmed] {
            self.departing.push_back(Departure { node: id, pairs: pairs.into_iter(), gone_at });
        }
    }
}
