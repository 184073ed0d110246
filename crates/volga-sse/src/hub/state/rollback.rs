//! Takes in that an engine has lost messages which the hub has already delivered.
//!
//! This may concern every topic. So the topics are rolled back in small steps, and the lock is
//! released between any two of them. Readers learn of it at the end, all at once: until then, they
//! read what the logs still have, as if they had read it before the loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hub::relay::rollbacks::Rollback;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::state::guard::StateGuard;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::relay::Changes;
use crate::hub::state::walk::TOPICS_PER_PAGE;
use crate::hub::topic::{Topic, TopicContents};

/// A rollback of which no reader knows yet.
pub(super) struct PendingRollback {
    kept: u64,
    base: u64,
    /// The first number that each topic has lost.
    first_lost: BTreeMap<Arc<str>, u64>,
    topics: Vec<Arc<Topic>>,
}

impl HubState {
    /// Drops the messages after `kept`, which the engine has lost. Nothing up to `base` is to come.
    /// The caller does not hold the lock, and nobody publishes before the rollback is
    /// [finished](Self::finish_roll_back). `removed` is the first page of the topics that were
    /// removed before.
    pub(super) fn roll_back(
        &self,
        kept: u64,
        base: u64,
        mut removed: Vec<(u64, Arc<str>)>,
    ) -> PendingRollback {
        let mut rolled_back =
            PendingRollback { kept, base, first_lost: BTreeMap::new(), topics: Vec::new() };
        // Readers find out in the logs which of the last messages are still there.
        self.free(self.forget_recent());
        // Topics come and go while this goes on. One that had a lost message is found here: among
        // the topics that were removed before, among those that are there, or among those that are
        // removed meanwhile.
        loop {
            let next = removed.last().filter(|_| removed.len() == TOPICS_PER_PAGE);
            let next = next.map(|(number, _)| *number);
            removed.into_iter().for_each(|(_, name)| rolled_back.note_earlier(name));
            let Some(end) = next else { break };
            removed = self.lock_for_step().registry.page_of_removed(kept, end, TOPICS_PER_PAGE);
        }
        self.walk_all(|topic| {
            let lost = topic.roll_back(kept, base);
            while topic.roll_back_values(kept) {}
            if let Some((first, taken)) = lost {
                self.free(TopicContents::from(taken));
                rolled_back.topics.push(Arc::clone(topic));
                rolled_back.first_lost.entry(Arc::clone(&topic.name)).or_insert(first);
            }
            if topic.earlier.known > kept {
                rolled_back.note_earlier(Arc::clone(&topic.name));
            }
        });
        rolled_back
    }

    /// Lets the readers know of a rollback. Returns the lock. The caller moves the horizon to the
    /// base before it releases the lock.
    pub(super) fn finish_roll_back(
        &self,
        shared: &SharedHub,
        mut rolled_back: PendingRollback,
        changes: &mut Changes,
    ) -> StateGuard<'_> {
        let mut locked = loop {
            let mut locked = self.lock_for_step();
            let names = locked.registry.take_watched_removals();
            if names.is_empty() {
                break locked;
            }
            drop(locked);
            names.into_iter().for_each(|name| rolled_back.note_earlier(name));
        };
        let PendingRollback { kept, base, first_lost, topics } = rolled_back;
        let is_known = locked.registry.last_forgotten_number() <= kept;
        let first_lost = if is_known {
            Some(first_lost)
        } else {
            locked.drop_later(first_lost);
            changes.lost_by_any = Some(base);
            None
        };
        changes.patterns_of_all = true;
        changes.lost_by.extend(topics.into_iter().map(|topic| (topic, base)));
        let merged = shared.add_rollback(Rollback { kept, through: base, first_lost });
        locked.drop_later(merged);
        self.set_last_missing(base);
        locked
    }
}

impl PendingRollback {
    /// Notes that an earlier topic of this name has lost messages, it is not known which ones.
    fn note_earlier(&mut self, name: Arc<str>) {
        self.first_lost.insert(name, self.kept.saturating_add(1));
    }
}
