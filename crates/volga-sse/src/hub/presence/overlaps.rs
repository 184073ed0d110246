//! The subscriptions that may read one topic in several ways: by its name and by patterns. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::pattern::is_match;

/// The subscriptions of each identity that have several names and patterns, at least one pattern
/// among them.
///
/// Each name and pattern counts its subscriptions. If a name and a pattern of one subscription
/// match the same topic, the sum for the topic counts the subscription twice. This says how much to
/// subtract. Subscriptions with the same names and patterns share an entry.
#[derive(Debug, Default)]
pub(crate) struct Overlaps(SteppedMap<Arc<str>, FilterSets>);

/// The different names and patterns of an identity's subscriptions, and how many have each.
pub(crate) type FilterSets = BTreeMap<FilterSet, usize>;

/// The part of the subtraction that was added up so far.
#[derive(Debug, Default)]
pub(crate) struct Excess {
    pub(crate) sum: usize,
    last: Option<FilterSet>,
    pub(crate) is_complete: bool,
}

/// The sorted names and patterns of a subscription.
pub(crate) type FilterSet = Box<[Arc<str>]>;

impl Overlaps {
    /// Adds a subscription.
    pub(crate) fn add(&mut self, identity: &Arc<str>, filters: FilterSet) {
        let of_identity = self.0.entry_or_default(Arc::clone(identity));
        *of_identity.entry(filters).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, identity: &str, filters: &[Arc<str>]) {
        let Some(of_identity) = self.0.get_mut(identity) else { return };
        if let Some(count) = of_identity.get_mut(filters) {
            *count -= 1;
            if *count == 0 {
                of_identity.remove(filters);
            }
        }
        if of_identity.is_empty() {
            self.0.remove(identity);
        }
    }

    /// Removes all subscriptions of an identity. They may be many, so the caller frees their memory
    /// once the hub's lock is released.
    pub(crate) fn remove_all(&mut self, identity: &str) -> FilterSets {
        self.0.remove(identity).unwrap_or_default()
    }

    /// Adds up by how much the sum for a topic exceeds the number of an identity's subscriptions.
    /// An identity may have many subscriptions with different names and patterns, so this looks at
    /// no more of them than `room` says, and takes these off it.
    pub(crate) fn add_up(
        &self,
        topic: &str,
        identity: &str,
        excess: &mut Excess,
        room: &mut usize,
    ) {
        let Some(of_identity) = self.0.get(identity) else {
            excess.is_complete = true;
            return;
        };
        let start = excess.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut next = of_identity.range::<[Arc<str>], _>((start, Bound::Unbounded)).peekable();
        let ways = |filters: &[Arc<str>]| filters.iter().filter(|own| is_match(own, topic)).count();
        while *room > 0
            && let Some((filters, count)) = next.next()
        {
            #[cfg(test)]
            crate::hub::work_counts::note_overlap();
            *room -= 1;
            excess.sum += ways(filters).saturating_sub(1) * count;
            if *room == 0 && next.peek().is_some() {
                excess.last = Some(filters.clone());
                return;
            }
        }
        excess.is_complete = next.peek().is_none();
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, sets)| sets.len()).sum()
    }
}
