//! Takes into a shared hub what its feed brings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::patterns::pattern_set::PatternSet;
use crate::hub::presence::filter_presence::SignOutScope;
use crate::hub::presence::hub_presence::SignOut;
use crate::hub::relay::control::{CONTROL_TOPIC, Control};
use crate::hub::relay::rollbacks::Rollback;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::relay::state::RelayState;
use crate::hub::state::guard::StateGuard;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;
use crate::hub::state::reorder_buffer::EarlyMessage;
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::hub::topic::wait_list::WaitList;

/// The start of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochStart {
    pub(crate) epoch: u64,
    /// The last position of the epochs before that lasted.
    pub(crate) ended_at: Option<Position>,
}

/// The result of a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SnapshotOutcome {
    /// The hub has taken messages after it.
    TooOld,
    /// The topic has other values now.
    Changed,
    Same,
}

/// The readers to wake once the hub's lock is released.
#[derive(Default)]
struct Changes {
    topics: Vec<(Arc<Topic>, u64)>,
    patterns: Vec<Arc<PatternSet>>,
    /// The readers of every pattern are woken.
    patterns_of_all: bool,
    /// Messages up to this number are missing and may have belonged to any topic.
    lost_by_all: Option<u64>,
    /// The subscriptions that have ended.
    ended: Vec<Waker>,
    /// The identities that were closed and have not left all of their topics.
    sign_outs: Vec<SignOut>,
}

impl HubState {
    /// Takes messages of the current epoch in, and then appends those whose turn it is. Missing
    /// messages up to `skip` are lost, and so are those for which too many later messages wait.
    pub(crate) fn take_in(&self, shared: &SharedHub, early: Vec<EarlyMessage>, skip: u64) {
        let now = self.clock.now();
        let mut locked = self.lock();
        if locked.is_closed {
            return;
        }
        self.sweep_step(&mut locked, now);
        for message in early {
            if message.number > locked.last_number {
                locked.reorder_buffer.0.entry(message.number).or_insert(message);
            }
        }
        let mut changes = Changes::default();
        self.append_in_order(shared, &mut locked, skip, now, &mut changes);
        self.finish(shared, locked, changes);
        self.catch_up(now);
    }

    /// Begins an epoch, unless it or a later one has begun. The readers of the keyed topics in
    /// `changed` read their values anew.
    pub(crate) fn begin_epoch(&self, shared: &SharedHub, start: EpochStart, changed: &[Arc<str>]) {
        if let (None, Some(ended_at)) = (shared.current_epoch(), start.ended_at)
            && ended_at.epoch() < start.epoch
        {
            // A client of the epoch before may return to a node that has seen nothing of it.
            self.begin_epoch(shared, EpochStart { epoch: ended_at.epoch(), ended_at: None }, &[]);
            self.take_in(shared, Vec::new(), ended_at.number());
        }
        let current = shared.current_epoch();
        if current.is_some_and(|current| current >= start.epoch) {
            return;
        }
        let now = self.clock.now();
        let mut locked = self.lock();
        let mut changes = Changes::default();
        if current.is_none() {
            shared.begin_epoch(start.epoch, 0, 0);
            return;
        }
        let kept = start.ended_at.and_then(|ended_at| shared.number_of(ended_at));
        let after_kept = kept.unwrap_or(locked.last_number).saturating_add(1);
        // Of the messages that wait for earlier ones, those up to the end of the epoch lasted.
        drop(locked.reorder_buffer.0.split_off(&after_kept));
        self.append_in_order(shared, &mut locked, kept.unwrap_or(0), now, &mut changes);
        locked.reorder_buffer.0.clear();
        let last = locked.last_number;
        let base = last.saturating_add(1);
        locked.last_number = base;
        match kept {
            None => changes.lose_by_all(base),
            Some(kept) if kept < last => self.roll_back(shared, &locked, kept, base, &mut changes),
            Some(_) => {}
        }
        // The start of an epoch is not among the last messages that the hub remembers. So a
        // subscription of several topics that has not read it looks at all of them once.
        for topic in changed.iter().filter_map(|name| locked.topic(name)) {
            topic.note_lost(base, KeyChange::None);
            changes.patterns_of_all = true;
            changes.topics.push((topic, base));
        }
        shared.begin_epoch(start.epoch, base, kept.unwrap_or(last));
        self.finish(shared, locked, changes);
    }

    /// Replaces the values of a keyed topic. A snapshot is too old if this hub has taken messages
    /// after `through`, because a key may have been removed since. Messages up to `skipped` do not
    /// come.
    pub(crate) fn take_snapshot(
        &self,
        shared: &SharedHub,
        name: &str,
        through: Position,
        entries: Vec<(&str, u64, Bytes)>,
        skipped: u64,
    ) -> SnapshotOutcome {
        let now = self.clock.now();
        let mut locked = self.lock();
        let last = locked.last_number.max(skipped);
        if shared.number_of(through).is_some_and(|through| through < last) {
            return SnapshotOutcome::TooOld;
        }
        let Ok(topic) = locked.topic_to_fill(name, &self.settings) else {
            // Its readers, if there are any, do not get the values.
            shared.unheld.fetch_add(entries.len() as u64, Ordering::Relaxed);
            return SnapshotOutcome::Same;
        };
        let (unheld, is_changed) = topic.replace_values(entries, last);
        shared.unheld.fetch_add(unheld, Ordering::Relaxed);
        locked.registry.reclassify(&topic, &self.settings, now);
        if is_changed { SnapshotOutcome::Changed } else { SnapshotOutcome::Same }
    }

    pub(crate) fn keyed_topics(&self) -> Vec<Arc<str>> {
        let locked = self.lock();
        let keyed = locked.registry.topics().filter(|topic| topic.is_keyed());
        keyed.map(|topic| Arc::clone(&topic.name)).collect()
    }

    fn append_in_order(
        &self,
        shared: &SharedHub,
        locked: &mut LockedState,
        skip: u64,
        now: Moment,
        changes: &mut Changes,
    ) {
        loop {
            let (last, waiting) = (locked.last_number, &locked.reorder_buffer.0);
            let first = waiting.first_key_value().map(|(number, early)| (*number, early.after));
            let missing = match first {
                Some((_, after)) if after <= last => {
                    if let Some((number, early)) = locked.reorder_buffer.0.pop_first() {
                        locked.last_number = number;
                        self.append_first(shared, locked, early, now, changes);
                    }
                    continue;
                }
                Some((number, after)) if number <= skip => after,
                Some((_, after)) if waiting.len() > self.settings.max_reordered => after,
                _ if last < skip => skip,
                _ => return,
            };
            changes.lose_by_all(missing);
            locked.last_number = missing;
        }
    }

    /// Appends the message with the last number that was assigned.
    fn append_first(
        &self,
        shared: &SharedHub,
        locked: &mut LockedState,
        early: EarlyMessage,
        now: Moment,
        changes: &mut Changes,
    ) {
        if &*early.topic == CONTROL_TOPIC {
            self.remember(locked, &Arc::new(Topic::removed("")), None);
            if let Some(control) = early.control {
                self.apply_control(shared, locked, *control, (early.at, now), changes);
            }
            return;
        }
        if early.message.is_none() && check_name(&early.topic, usize::MAX).is_err() {
            // No topic can have this name, so nobody misses the message.
            self.remember(locked, &Arc::new(Topic::removed("")), None);
            return;
        }
        let EarlyMessage { number, at, topic: name, key, message, .. } = early;
        let key = key.as_change();
        let topic = match message {
            Some(message) => match locked.topic_to_publish(&name, key, &self.settings) {
                Ok(topic) => {
                    changes.patterns.extend(self.append(locked, &topic, message, key, at));
                    topic
                }
                Err(_) => {
                    shared.unheld.fetch_add(1, Ordering::Relaxed);
                    self.lose(locked, &name, key, changes)
                }
            },
            None => self.lose(locked, &name, key, changes),
        };
        changes.topics.push((topic, number));
    }

    /// Does what the hub of a node says. It comes in order, so it takes effect before any message
    /// after it is readable.
    fn apply_control(
        &self,
        shared: &SharedHub,
        locked: &mut LockedState,
        control: Control,
        (at, now): (Moment, Moment),
        changes: &mut Changes,
    ) {
        match control {
            // A node that reads its history has no subscription from before it started.
            Control::CloseIdentity(_)
                if at < self.clock.created() && shared.state() == RelayState::Starting => {}
            Control::CloseIdentity(identity) => {
                let (of_identity, sign_out) =
                    locked.begin_sign_out(&identity, SignOutScope::AllNodes);
                changes.end(&of_identity, SubscriptionEnd::IdentityClosed);
                changes.sign_outs.extend(sign_out);
            }
            Control::Presence(announcement) => {
                if announcement.node != shared.node {
                    // A node that reads what comes now needs no clock of the engine.
                    let is_live = shared.state() == RelayState::Live;
                    let at = if is_live { now } else { at };
                    self.take_announcement(locked, announcement, at, now);
                }
            }
            Control::AskPresence(node) => {
                if node != shared.node {
                    self.set_presence_ask(locked, true);
                }
            }
        }
    }

    /// Notes that the message with the last number that was assigned is missing in its topic.
    fn lose(
        &self,
        locked: &mut LockedState,
        name: &str,
        key: KeyChange<'_>,
        changes: &mut Changes,
    ) -> Arc<Topic> {
        let number = locked.last_number;
        let topic = locked.topic(name).unwrap_or_else(|| {
            // No subscription names the topic. Those with a pattern find it among the last
            // messages, as they find a topic that was removed.
            let max = self.settings.max_remembered_topics;
            locked.registry.note_removed(name, number, max);
            Arc::new(Topic::removed(name))
        });
        topic.note_lost(number, key);
        changes.patterns.extend(self.remember(locked, &topic, None));
        topic
    }

    /// Drops the messages after `kept`, which the engine has lost. Nothing up to `base` is to come.
    fn roll_back(
        &self,
        shared: &SharedHub,
        locked: &LockedState,
        kept: u64,
        base: u64,
        changes: &mut Changes,
    ) {
        // Readers find out in the logs which of the last messages are still there.
        self.forget_recent();
        let registry = &locked.registry;
        let mut first_lost = BTreeMap::new();
        for topic in registry.topics() {
            if let Some(first) = topic.roll_back(kept, base) {
                first_lost.insert(Arc::clone(&topic.name), first);
                changes.topics.push((Arc::clone(topic), base));
            }
        }
        for (_, name) in registry.page_of_removed(kept, u64::MAX, usize::MAX) {
            first_lost.insert(name, kept.saturating_add(1));
        }
        let is_known = registry.last_forgotten_number() <= kept;
        let first_lost = is_known.then_some(first_lost);
        if !is_known {
            changes.all_at(registry.topics(), base);
        }
        changes.patterns_of_all = true;
        shared.add_rollback(Rollback { kept, through: base, first_lost });
        self.set_last_missing(base);
    }

    /// Makes the changes readable, and wakes the readers.
    fn finish(&self, shared: &SharedHub, mut locked: StateGuard<'_>, mut changes: Changes) {
        if let Some(lost) = changes.lost_by_all {
            // It is not known to which topics the missing messages belonged. So every topic is
            // woken and reports a gap.
            changes.all_at(locked.registry.topics(), lost);
            locked.note_loss(lost);
            // One of the missing messages may have closed an identity.
            changes.end(&locked.identified_subscribers(), SubscriptionEnd::MissedClose);
            shared.set_lost_by_all(lost);
            self.set_last_missing(lost);
        }
        changes.topics.sort_unstable_by_key(|(topic, number)| (Arc::as_ptr(topic), *number));
        // The last number of each topic stays.
        changes.topics.reverse();
        changes.topics.dedup_by(|(later, _), (kept, _)| Arc::ptr_eq(later, kept));
        self.advance_horizon(&locked, &changes.topics);
        let must_tell = locked.take_must_tell();
        drop(locked);
        changes.ended.into_iter().for_each(Waker::wake);
        changes.topics.iter().for_each(|(topic, _)| WaitList::wake(topic));
        if changes.patterns_of_all {
            self.patterns.all().iter().for_each(WaitList::wake);
        } else {
            changes.patterns.sort_unstable_by_key(Arc::as_ptr);
            changes.patterns.dedup_by(|one, other| Arc::ptr_eq(one, other));
            changes.patterns.iter().for_each(|patterns| patterns.wake());
        }
        // Both may take many steps, for which the readers must not wait.
        changes.sign_outs.into_iter().for_each(|sign_out| self.finish_sign_out(sign_out));
        if must_tell {
            self.finish_telling();
        }
    }
}

impl Changes {
    fn lose_by_all(&mut self, number: u64) {
        self.lost_by_all = Some(number);
        self.patterns_of_all = true;
    }

    fn end(&mut self, subscribers: &[Arc<Subscriber>], end: SubscriptionEnd) {
        self.ended.extend(subscribers.iter().filter_map(|subscriber| subscriber.close(end)));
    }

    fn all_at<'a>(&mut self, topics: impl Iterator<Item = &'a Arc<Topic>>, number: u64) {
        self.topics.extend(topics.map(|topic| (Arc::clone(topic), number)));
    }
}
