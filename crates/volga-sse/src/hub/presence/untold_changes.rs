//! The changes of which the watches of some topics have not been told. Pure.
//!
//! A pattern may match many watched topics. So a change by a pattern is told to a few topics at a
//! time, and the hub's lock is released in between. The changes are told in their order. A change
//! waits until those before it have been told everywhere.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::pattern::{Pattern, is_match};

/// A change of the identities that read one name or pattern.
#[derive(Clone, Debug)]
pub(crate) struct FilterChange {
    /// The name or pattern.
    pub(crate) filter: Arc<str>,
    /// `None` if it is a name.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) identity: Arc<str>,
    pub(crate) kind: FilterChangeKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FilterChangeKind {
    Came,
    /// It has no subscriptions, and may return. It is still present.
    Leaving,
    Gone,
}

impl FilterChange {
    pub(crate) fn new(filter: &Arc<str>, identity: &Arc<str>, kind: FilterChangeKind) -> Self {
        let pattern = Pattern::of(filter);
        Self { filter: Arc::clone(filter), pattern, identity: Arc::clone(identity), kind }
    }

    pub(crate) fn concerns(&self, topic: &str) -> bool {
        is_match(&self.filter, topic)
    }
}

/// The changes that are still to be told, in their order.
#[derive(Debug, Default)]
pub(crate) struct UntoldChanges {
    changes: VecDeque<FilterChange>,
    /// How many changes have been told everywhere.
    told: u64,
    /// The topic that was told of the first change last.
    pub(crate) last_topic: Option<Arc<str>>,
    /// The topic that is told of the first change next, and the number of the last stay that was
    /// looked at for it. `None` if no stay was.
    pub(crate) looked_at: Option<(Arc<str>, u64)>,
    /// The numbers of the changes of each identity.
    of_identity: SteppedMap<Arc<str>, VecDeque<u64>>,
}

impl UntoldChanges {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn push(&mut self, change: FilterChange) {
        let number = self.told + self.changes.len() as u64;
        self.of_identity.entry_or_default(Arc::clone(&change.identity)).push_back(number);
        self.changes.push_back(change);
    }

    pub(crate) fn first(&self) -> Option<&FilterChange> {
        self.changes.front()
    }

    /// Forgets the first change, which has been told everywhere.
    pub(crate) fn pop(&mut self) {
        self.last_topic = None;
        self.looked_at = None;
        let Some(change) = self.changes.pop_front() else { return };
        self.told += 1;
        if let Some(numbers) = self.of_identity.get_mut(&change.identity) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.of_identity.remove(&change.identity);
            }
        }
    }

    /// The changes of an identity after the first change of all.
    pub(crate) fn later_of(&self, identity: &str) -> impl Iterator<Item = &FilterChange> {
        let numbers = self.of_identity.get(identity).into_iter().flatten();
        let later = numbers.map(|number| (number - self.told) as usize).filter(|index| *index > 0);
        later.filter_map(|index| self.changes.get(index))
    }
}
