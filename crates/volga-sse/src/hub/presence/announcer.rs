//! The subscribers of this node that were announced to the other nodes, and those that were not
//! announced yet. Pure.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::presence::announcement::{PresenceChange, PresentPair, is_shareable};

/// The identities that this node has announced to the others, and the changes since then.
///
/// A pair that comes and goes between two announcements leaves nothing here. So the size is bounded
/// by the subscriptions of this node, those of now and those of the last announcement.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    told: BTreeSet<PresentPair>,
    /// The pairs of which the others know the opposite.
    changed: BTreeSet<PresentPair>,
    /// Another node has asked for everything.
    pub(crate) is_asked: bool,
}

impl Announcer {
    pub(crate) fn note(&mut self, topic: &Arc<str>, identity: &Arc<str>, is_present: bool) {
        if !is_shareable(topic, identity) {
            return;
        }
        let pair = (Arc::clone(topic), Arc::clone(identity));
        if is_present == self.told.contains(&pair) {
            self.changed.remove(&pair);
        } else {
            self.changed.insert(pair);
        }
    }

    /// Notes that nobody subscribes to a topic.
    pub(crate) fn note_nobody(&mut self, topic: &Arc<str>) {
        let first = (Arc::clone(topic), Arc::from(""));
        let of_topic = |pair: &&PresentPair| pair.0 == *topic;
        let changed: Vec<_> =
            self.changed.range(first.clone()..).take_while(of_topic).cloned().collect();
        changed.iter().for_each(|pair| _ = self.changed.remove(pair));
        self.changed.extend(self.told.range(first..).take_while(of_topic).cloned());
    }

    /// Whether the others know of nobody on this node.
    pub(crate) fn has_told_nobody(&self) -> bool {
        self.told.is_empty()
    }

    /// Takes changes that the others are told now, of at most about this many bytes.
    pub(crate) fn take_changes(&mut self, max_bytes: usize) -> Vec<PresenceChange> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes
            && let Some(pair) = self.changed.pop_first()
        {
            bytes += pair.0.len() + pair.1.len();
            let is_present = self.told.insert(pair.clone());
            if !is_present {
                self.told.remove(&pair);
            }
            taken.push(PresenceChange { pair, is_present });
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
            bytes += pair.0.len() + pair.1.len();
            page.push(pair.clone());
        }
        page
    }
}
