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

#[derive(Debug, Default)]
struct Stay {
    subscriptions: usize,
    /// When the identity is gone, if it has no subscriptions.
    gone_at: Moment,
}

impl TopicPresence {
    /// The next identities that are present after this one, in order, each with the number of its
    /// subscriptions. At most [`MAX_LISTED`].
    pub(crate) fn page(&self, after: Option<&Arc<str>>) -> Vec<(Arc<str>, usize)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.present.range::<Arc<str>, _>((start, Bound::Unbounded)).take(MAX_LISTED);
        page.map(|(identity, stay)| (Arc::clone(identity), stay.subscriptions)).collect()
    }

    /// The number of subscriptions of an identity. `None` if it is not present.
    pub(crate) fn subscriptions_of(&self, identity: &str) -> Option<usize> {
        self.present.get(identity).map(|stay| stay.subscriptions)
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.present.is_empty() && self.watches == 0
    }

    /// Counts a subscription of an identity. Adds the wakers of watches that wait to `wakers`.
    /// Returns when the identity would have been gone, if it had left.
    pub(crate) fn join(&mut self, identity: &Arc<str>, wakers: &mut WakerLists) -> Option<Moment> {
        let Some(stay) = self.present.get_mut(identity) else {
            let stay = Stay { subscriptions: 1, gone_at: Moment::default() };
            self.present.insert(Arc::clone(identity), stay);
            self.tell(PresenceEvent::Joined(Arc::clone(identity)), wakers);
            return None;
        };
        stay.subscriptions += 1;
        let gone_at = (stay.subscriptions == 1).then_some(stay.gone_at)?;
        self.leaving.remove(&(gone_at, Arc::clone(identity)));
        Some(gone_at)
    }

    /// Removes a subscription of an identity, which is gone at once or at a later moment. Returns
    /// whether it will be gone later.
    pub(crate) fn leave(
        &mut self,
        identity: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) -> bool {
        let Some(stay) = self.present.get_mut(identity) else {
            return false;
        };
        let before = stay.subscriptions;
        stay.subscriptions = before.saturating_sub(1);
        if before == 1 { self.end_stay(identity, gone_at, wakers) } else { false }
    }

    fn end_stay(
        &mut self,
        identity: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) -> bool {
        match (gone_at, self.present.get_mut(identity)) {
            (Some(gone_at), Some(stay)) => {
                stay.gone_at = gone_at;
                self.leaving.insert((gone_at, Arc::clone(identity)));
                if self.watches > 0 {
                    // They have to look again at that moment.
                    self.log.wake(wakers);
                }
                true
            }
            _ => {
                self.present.remove(identity);
                self.tell(PresenceEvent::Left(Arc::clone(identity)), wakers);
                false
            }
        }
    }

    /// Removes all subscriptions, because the topic was removed. Returns the identities that will
    /// be gone later.
    pub(crate) fn leave_all(
        &mut self,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) -> Vec<Arc<str>> {
        let mut staying = Vec::new();
        for (identity, stay) in &mut self.present {
            if stay.subscriptions > 0 {
                stay.subscriptions = 0;
                staying.push(Arc::clone(identity));
            }
        }
        staying.retain(|identity| self.end_stay(identity, gone_at, wakers));
        staying
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
