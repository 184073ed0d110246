//! Who subscribes on the other nodes of a shared hub, as those have announced it. Pure.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use crate::hub::clock::Moment;
use crate::hub::presence::announcement::PresentPair;
use crate::hub::stepped_map::SteppedMap;

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
    pub(super) present: PairSet,
    /// Pairs that were present before the list that is being received, and before those lists of
    /// which the rest never came.
    pub(super) unconfirmed: Vec<PairSet>,
}

/// Names and patterns with their identities.
pub(super) type PairSet = SteppedMap<PresentPair, ()>;

/// Pairs that are not present on a node any more.
pub(super) struct Departure {
    pub(super) node: u64,
    pub(super) pairs: Box<dyn Iterator<Item = PresentPair> + Send>,
    pub(super) gone_at: Option<Moment>,
}

impl Departure {
    pub(super) fn new(node: u64, pairs: PairSet, gone_at: Option<Moment>) -> Self {
        Self { node, pairs: Box::new(pairs.into_keys()), gone_at }
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").field("node", &self.node).finish_non_exhaustive()
    }
}

impl OtherNode {
    /// Removes a pair from those that are not confirmed. Returns whether it was there.
    pub(super) fn remove_unconfirmed(&mut self, pair: &PresentPair) -> bool {
        self.unconfirmed.iter_mut().any(|pairs| pairs.remove(pair).is_some())
    }
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
        let all = node.unconfirmed.into_iter().chain([node.present]);
        self.departing.extend(all.map(|pairs| Departure::new(id, pairs, gone_at)));
    }
}
