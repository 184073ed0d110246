//! The subscriptions that may read one topic in several ways: by its name and by patterns. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::hub::topic::pattern::is_match;

/// The subscriptions of each identity that have several names and patterns, at least one pattern
/// among them.
///
/// Each name and pattern counts its subscriptions. If a name and a pattern of one subscription
/// match the same topic, the sum for the topic counts the subscription twice. This says how much to
/// subtract. Subscriptions with the same names and patterns share an entry.
#[derive(Debug, Default)]
pub(crate) struct Overlaps(HashMap<Arc<str>, HashMap<FilterSet, usize>>);

/// The sorted names and patterns of a subscription.
pub(crate) type FilterSet = Box<[Arc<str>]>;

impl Overlaps {
    /// Adds a subscription.
    pub(crate) fn add(&mut self, identity: &Arc<str>, filters: FilterSet) {
        let of_identity = self.0.entry(Arc::clone(identity)).or_default();
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

    /// Removes all subscriptions of an identity.
    pub(crate) fn remove_all(&mut self, identity: &str) {
        self.0.remove(identity);
    }

    /// By how much the sum for a topic exceeds the number of an identity's subscriptions. This
    /// looks at all of its subscriptions that have different names and patterns.
    pub(crate) fn excess(&self, topic: &str, identity: &str) -> usize {
        let of_identity = self.0.get(identity).into_iter().flatten();
        let ways = |filters: &[Arc<str>]| filters.iter().filter(|own| is_match(own, topic)).count();
        of_identity.map(|(filters, count)| ways(filters).saturating_sub(1) * count).sum()
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}
