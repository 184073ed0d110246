//! The subscribers of this node that were announced to the other nodes, and those that were not
//! announced yet. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::presence::announcement::{
    ChangeKind, PresenceChange, PresentPair, change_len, is_shareable,
};

/// The identities that this node has announced to the others, and the changes since then.
///
/// A pair that comes and goes between two announcements leaves nothing here. So the size is bounded
/// by the subscriptions of this node, those of now and those of the last announcement.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    told: BTreeSet<PresentPair>,
    /// The pairs of which the others know the opposite, and those that have signed out since.
    changed: BTreeMap<PresentPair, ChangeKind>,
    /// Another node has asked for everything.
    pub(crate) is_asked: bool,
}

impl Announcer {
    pub(crate) fn note(&mut self, filter: &Arc<str>, identity: &Arc<str>, is_present: bool) {
        if !is_shareable(filter, identity) {
            return;
        }
        let pair = (Arc::clone(filter), Arc::clone(identity));
        let kind = if is_present { ChangeKind::Joined } else { ChangeKind::Left };
        let has_signed_out = self.changed.get(&pair) == Some(&ChangeKind::SignedOut);
        match has_signed_out {
            // The others expect that the identity leaves, so they are told that it has returned.
            true if is_present => _ = self.changed.insert(pair, kind),
            true => {}
            false if is_present == self.told.contains(&pair) => _ = self.changed.remove(&pair),
            false => _ = self.changed.insert(pair, kind),
        }
    }

    /// Notes that an identity has signed out and has no subscriptions.
    pub(crate) fn note_signed_out(&mut self, filter: &Arc<str>, identity: &Arc<str>) {
        let pair = (Arc::clone(filter), Arc::clone(identity));
        if self.told.contains(&pair) {
            self.changed.insert(pair, ChangeKind::SignedOut);
        } else {
            self.changed.remove(&pair);
        }
    }

    /// Whether the others know of nobody on this node.
    pub(crate) fn has_told_nobody(&self) -> bool {
        self.told.is_empty()
    }

    /// Takes changes that the others are told now, of at most about this many bytes.
    pub(crate) fn take_changes(&mut self, max_bytes: usize) -> Vec<PresenceChange> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes
            && let Some((pair, kind)) = self.changed.pop_first()
        {
            bytes += change_len(&pair);
            match kind {
                ChangeKind::Joined => _ = self.told.insert(pair.clone()),
                ChangeKind::Left | ChangeKind::SignedOut => _ = self.told.remove(&pair),
            }
            taken.push(PresenceChange { pair, kind });
        }
        taken
    }

    /// The next pairs that the others were told, of at most about this many bytes.
    pub(crate) fn page(&self, after: Option<&PresentPair>, max_bytes: usize) -> Vec<PresentPair> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut page, mut bytes) = (Vec::new(), 0);
        for pair in self.told.range::<PresentPair, _>((start, Bound::Unbounded)) {
            if bytes >= max_bytes {
                break;
            }
            bytes += change_len(pair);
            page.push(pair.clone());
        }
        page
    }
}
