//! Takes into a shared hub what its feed brings.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::patterns::pattern_set::PatternSet;
use crate::hub::presence::filter_presence::SignOutScope;
use crate::hub::presence::hub_presence::SignOut;
use crate::hub::presence::sharing::{AnnouncedChanges, CHANGES_PER_STEP};
use crate::hub::relay::control::{CONTROL_TOPIC, Control};
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::relay::state::RelayState;
use crate::hub::state::guard::StateGuard;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::identities::IdentityGroup;
use crate::hub::state::locked_state::LockedState;
use crate::hub::state::reorder_buffer::EarlyMessage;
use crate::hub::state::walk::TOPICS_PER_PAGE;
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;
use crate::hub::topic::subscriber::SubscriptionEnd;
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
pub(super) struct Changes {
    topics: Vec<(Arc<Topic>, u64)>,
    patterns: Vec<Arc<PatternSet>>,
    /// The readers of every pattern are woken.
    pub(super) patterns_of_all: bool,
    /// Messages up to this number are missing and may have belonged to any topic.
    lost_by_all: Option<u64>,
    /// The topics that have lost messages up to a number. They may be many, so their readers learn
    /// of it once the lock is released.
    pub(super) lost_by: Vec<(Arc<Topic>, u64)>,
    /// Every topic may have lost messages up to this number.
    pub(super) lost_by_any: Option<u64>,
    /// The changes of another node that this hub has not taken in yet.
    announced: Option<AnnouncedChanges>,
    /// How many messages were taken, and how many changes that other nodes have announced.
    taken: usize,
    /// The subscriptions of identities that have signed out.
    signed_out: Vec<Arc<IdentityGroup>>,
    /// The identities that were closed and have not left all of their topics.
    sign_outs: Vec<SignOut>,
}

/// How many messages and announced changes are taken in before the lock is released and taken
/// again.
pub(crate) const TAKEN_AT_ONCE: usize = 512;

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
        loop {
            let mut changes = Changes::default();
            let must_finish_first =
                self.append_in_order(shared, &mut locked, skip, now, &mut changes);
            self.finish(shared, locked, changes);
            if !must_finish_first {
                break;
            }
            locked = self.lock();
        }
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
        if current.is_none() {
            shared.begin_epoch(start.epoch, 0, 0);
            return;
        }
        let kept = start.ended_at.and_then(|ended_at| shared.number_of(ended_at));
        let after_kept = kept.unwrap_or(locked.last_number).saturating_add(1);
        // Of the messages that wait for earlier ones, those up to the end of the epoch lasted.
        let did_not_last = locked.reorder_buffer.0.split_off(&after_kept);
        locked.drop_later(did_not_last);
        let mut changes = Changes::default();
        while self.append_in_order(shared, &mut locked, kept.unwrap_or(0), now, &mut changes) {
            self.finish(shared, locked, std::mem::take(&mut changes));
            locked = self.lock_for_step();
        }
        if changes.taken > 0 {
            self.finish(shared, locked, std::mem::take(&mut changes));
            locked = self.lock_for_step();
        }
        let waiting = std::mem::take(&mut locked.reorder_buffer.0);
        locked.drop_later(waiting);
        let last = locked.last_number;
        let base = last.saturating_add(1);
        // From here on until the epoch has begun, the feed alone could publish, and it waits. So no
        // number is assigned while the lock is not held.
        let mut begin = |kept| locked.registry.begin_roll_back(kept, TOPICS_PER_PAGE);
        let begun = kept.filter(|kept| *kept < last).map(|kept| (kept, begin(kept)));
        drop(locked);
        let rolled_back = begun.map(|(kept, removed)| self.roll_back(kept, base, removed));
        // The start of an epoch is not among the last messages that the hub remembers. So a
        // subscription of several topics that has not read it looks at all of them once.
        for name in changed {
            let Some(topic) = self.lock_for_step().topic(name) else { continue };
            topic.note_lost(base, KeyChange::None);
            changes.patterns_of_all = true;
            changes.lost_by.push((topic, base));
        }
        let mut locked = match rolled_back {
            Some(rolled_back) => self.finish_roll_back(shared, rolled_back, &mut changes),
            None => self.lock(),
        };
        locked.last_number = base;
        if kept.is_none() {
            changes.lose_by_all(base);
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
        loop {
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
            drop(locked);
            // The values may be many, so nobody waits until they are collected.
            let Some(new) = topic.collect_values(&entries, last) else {
                shared.unheld.fetch_add(entries.len() as u64, Ordering::Relaxed);
                return SnapshotOutcome::Same;
            };
            let (unheld, is_changed) = (new.unheld(), new.is_changed());
            let mut locked = self.lock();
            let old = if topic.is_removed() { None } else { topic.replace_values(new) };
            let Some(old) = old else {
                // The topic was removed or cleared meanwhile.
                continue;
            };
            locked.drop_later(old);
            locked.registry.reclassify(&topic, &self.settings, self.clock.now());
            shared.unheld.fetch_add(unheld, Ordering::Relaxed);
            return if is_changed { SnapshotOutcome::Changed } else { SnapshotOutcome::Same };
        }
    }

    pub(crate) fn keyed_topics(&self) -> Vec<Arc<str>> {
        let mut keyed = Vec::new();
        self.walk_all(|topic| {
            if topic.is_keyed() {
                keyed.push(Arc::clone(&topic.name));
            }
        });
        keyed
    }

    /// Appends the messages whose turn it is. Returns true if it stops before the end. Then the
    /// caller releases the lock and goes on, because it has taken many messages, or because of one
    /// that must take effect before those after it: subscriptions end, or other nodes have
    /// announced many changes. The caller does both without the lock.
    fn append_in_order(
        &self,
        shared: &SharedHub,
        locked: &mut LockedState,
        skip: u64,
        now: Moment,
        changes: &mut Changes,
    ) -> bool {
        loop {
            let (last, waiting) = (locked.last_number, &locked.reorder_buffer.0);
            let first = waiting.first_key_value().map(|(number, early)| (*number, early.after));
            let missing = match first {
                Some((_, after)) if after <= last => {
                    if let Some((number, early)) = locked.reorder_buffer.0.pop_first() {
                        locked.last_number = number;
                        self.append_first(shared, locked, early, now, changes);
                    }
                    changes.taken += 1;
                    let must_finish_first =
                        !changes.signed_out.is_empty() || changes.announced.is_some();
                    if must_finish_first || changes.taken >= TAKEN_AT_ONCE {
                        return true;
                    }
                    continue;
                }
                Some((number, after)) if number <= skip => after,
                Some((_, after)) if waiting.len() > self.settings.max_reordered => after,
                _ if last < skip => skip,
                _ => return false,
            };
            changes.lose_by_all(missing);
            locked.last_number = missing;
            return true;
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
                let (group, sign_out) = locked.begin_sign_out(&identity, SignOutScope::AllNodes);
                changes.signed_out.extend(group);
                changes.sign_outs.extend(sign_out);
            }
            Control::Presence(announcement) => {
                if announcement.node != shared.node {
                    // A node that reads what comes now needs no clock of the engine.
                    let is_live = shared.state() == RelayState::Live;
                    let at = if is_live { now } else { at };
                    let (changed, grace) =
                        (announcement.changes.len(), self.settings.presence_grace);
                    let announced = locked.with_presence(|presence, _| {
                        presence.begin_announcement(announcement, at, now, grace)
                    });
                    let take = |mut announced: AnnouncedChanges| {
                        let has_more = locked.announcement_step(&mut announced, &self.settings);
                        has_more.then_some(announced)
                    };
                    changes.announced = announced.and_then(take);
                    changes.taken += changed.min(CHANGES_PER_STEP);
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
        let existing = locked.topic(name);
        let is_missing = existing.is_none();
        let topic = existing.unwrap_or_else(|| Arc::new(Topic::removed(name)));
        topic.note_lost(number, key);
        if is_missing {
            // No subscription names the topic. Those with a pattern find it among the last
            // messages, as they find a topic that was removed.
            locked.registry.note_removed(&topic, number, &self.settings);
        }
        changes.patterns.extend(self.remember(locked, &topic, None));
        topic
    }

    /// Makes the changes readable, and wakes the readers.
    fn finish(&self, shared: &SharedHub, mut locked: StateGuard<'_>, mut changes: Changes) {
        if let Some(lost) = changes.lost_by_all {
            locked.note_loss(lost);
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
        // No later message is readable before these subscriptions have ended.
        for group in &changes.signed_out {
            group.close(SubscriptionEnd::IdentityClosed);
        }
        if changes.lost_by_all.is_some() {
            // One of the missing messages may have closed an identity.
            self.close_identified(SubscriptionEnd::MissedClose);
        }
        let wake_to_loss = |topic: &Arc<Topic>, lost| {
            topic.make_readable(lost);
            WaitList::wake(topic);
        };
        changes.lost_by.iter().for_each(|(topic, lost)| wake_to_loss(topic, *lost));
        if let Some(lost) = changes.lost_by_any.max(changes.lost_by_all) {
            // It is not known to which topics the missing messages belonged. So every topic is
            // woken and reports a gap.
            self.walk_all(|topic| wake_to_loss(topic, lost));
        }
        changes.topics.iter().for_each(|(topic, _)| WaitList::wake(topic));
        if changes.patterns_of_all {
            self.patterns.walk(WaitList::wake);
        } else {
            changes.patterns.sort_unstable_by_key(Arc::as_ptr);
            changes.patterns.dedup_by(|one, other| Arc::ptr_eq(one, other));
            changes.patterns.iter().for_each(|patterns| self.patterns.wake(patterns));
        }
        // All of these may take many steps, for which the readers must not wait.
        changes.sign_outs.into_iter().for_each(|sign_out| self.finish_sign_out(sign_out));
        if must_tell {
            self.finish_telling();
        }
        changes.announced.into_iter().for_each(|announced| self.finish_announcement(announced));
    }

    /// Ends all subscriptions that have an identity, those of a few identities at a time.
    fn close_identified(&self, end: SubscriptionEnd) {
        let mut last: Option<Arc<str>> = None;
        loop {
            let page = self.lock_for_step().page_of_identities(last.as_ref());
            page.iter().for_each(|(_, group)| _ = group.close(end));
            match page.into_iter().next_back() {
                Some((identity, _)) => last = Some(identity),
                None => return,
            }
        }
    }
}

impl Changes {
    fn lose_by_all(&mut self, number: u64) {
        self.lost_by_all = Some(number);
        self.patterns_of_all = true;
    }
}
