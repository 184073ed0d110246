//! The identities of all names and patterns, and when those that left are gone. Pure, with the time
//! as an argument.
//!
//! An identity has one entry for each name and pattern that it reads, and none for the topics that
//! a pattern matches. The presence of a topic is computed on demand: the identities that read its
//! name, and those that read a pattern that matches it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::patterns::tree::PatternTree;
use crate::hub::presence::announcer::Announcer;
use crate::hub::presence::change_log::{SharedLog, WakerLists};
use crate::hub::presence::filter_presence::{FilterPresence, Origin, SignOutScope};
use crate::hub::presence::other_nodes::OtherNodes;
use crate::hub::presence::overlaps::{FilterSets, Overlaps};
use crate::hub::presence::present_in_topic::{StayPlace, note_looks};
use crate::hub::presence::telling::TOPICS_PER_STEP;
use crate::hub::presence::untold_changes::{FilterChangeKind, UntoldChanges};
use crate::hub::presence::watched_topics::WatchedTopics;
use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::pattern::Pattern;

/// How many identities one call reports as gone at most.
const MAX_GONE: usize = 16;

/// How many names and patterns an identity that signs out leaves in one step.
const MAX_SIGNED_OUT: usize = 32;

/// The identities of all names and patterns, and the topics that somebody watches.
#[derive(Debug, Default)]
pub(crate) struct HubPresence {
    /// By name or pattern. A pattern has a wildcard, so it differs from every name.
    pub(super) filters: SteppedMap<Arc<str>, FilterPresence>,
    /// The patterns among them.
    pub(super) patterns: PatternTree<Arc<str>>,
    pub(super) watched: WatchedTopics,
    pub(super) untold: UntoldChanges,
    pub(crate) overlaps: Overlaps,
    /// The identities that have left a name or pattern and may still return, by when they are gone.
    leaving: BTreeSet<(Moment, Arc<str>, Arc<str>)>,
    /// Every identity with each name and pattern in which it is present, in the order in which it
    /// joined them: by the number of the stay.
    pub(super) filters_of: BTreeMap<StayPlace, Arc<str>>,
    last_stay: u64,
    /// How many sign-outs there were.
    sign_outs: u64,
    /// The identities that sign out now. They leave their names and patterns a few at a time. If
    /// one of them joins or leaves a name or pattern before that, its sign-out first takes effect
    /// there.
    signing_out: HashMap<Arc<str>, (u64, SignOutScope)>,
    /// Of a shared hub alone.
    nodes: Option<Box<NodePresence>>,
}

/// A sign-out that is not finished.
#[derive(Debug)]
pub(crate) struct SignOut {
    identity: Arc<str>,
    number: u64,
    /// The number of the stay that it has ended last.
    last_stay: u64,
    /// These may be many, so they are dropped with this, when the hub's lock is not held.
    _overlaps: FilterSets,
}

/// The state of a shared hub about other nodes: its announcements, and theirs.
#[derive(Debug, Default)]
pub(crate) struct NodePresence {
    pub(crate) announcer: Announcer,
    pub(crate) others: OtherNodes,
}

impl HubPresence {
    /// Prepares for presence on other nodes.
    pub(crate) fn share(&mut self) {
        self.nodes = Some(Box::default());
    }

    pub(crate) fn nodes(&mut self) -> Option<&mut NodePresence> {
        self.nodes.as_deref_mut()
    }

    /// Counts a subscription of an identity in this hub to a name or pattern.
    pub(crate) fn join(&mut self, filter: &Arc<str>, identity: &Arc<str>, wakers: &mut WakerLists) {
        self.join_from(filter, identity, Origin::Here, wakers);
        if let Some(nodes) = &mut self.nodes {
            nodes.announcer.note(filter, identity, true);
        }
    }

    /// Counts a subscription of an identity in this hub, or another node.
    pub(super) fn join_from(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        origin: Origin,
        wakers: &mut WakerLists,
    ) {
        self.finish_sign_out_in(filter, identity, wakers);
        let presence = match self.filters.get_mut(filter) {
            Some(presence) => presence,
            None => {
                if let Some(pattern) = Pattern::of(filter) {
                    *self.patterns.entry(&pattern) = Some(Arc::clone(filter));
                }
                self.filters.entry_or_default(Arc::clone(filter))
            }
        };
        let is_new = !presence.is_present(identity);
        let number = self.last_stay + 1;
        if let Some(gone_at) = presence.join(identity, origin, number, self.sign_outs) {
            self.leaving.remove(&(gone_at, Arc::clone(filter), Arc::clone(identity)));
        }
        if is_new {
            self.last_stay = number;
            self.filters_of.insert((Arc::clone(identity), number), Arc::clone(filter));
            self.tell(filter, identity, FilterChangeKind::Came, wakers);
        }
    }

    /// Notes that another node still has subscriptions of an identity that has signed out.
    pub(super) fn note_return(&mut self, filter: &Arc<str>, identity: &Arc<str>) {
        if let Some(presence) = self.filters.get_mut(filter) {
            presence.note_return(identity);
        }
    }

    /// Forgets that an identity which has signed out may return.
    pub(super) fn forget_grace(&mut self, filter: &Arc<str>, identity: &Arc<str>) {
        if let Some(presence) = self.filters.get_mut(filter) {
            presence.forget_grace(identity);
        }
    }

    /// Begins a sign-out. It takes effect in a name or pattern once
    /// [`sign_out_step`](Self::sign_out_step) comes to it, or once something else changes there for
    /// the identity. Subscriptions that join from now on are not affected. `None` if the identity
    /// is present nowhere.
    pub(crate) fn begin_sign_out(
        &mut self,
        identity: &Arc<str>,
        scope: SignOutScope,
    ) -> Option<SignOut> {
        self.stays_of(identity, 0).next()?;
        self.sign_outs += 1;
        let number = self.sign_outs;
        // A sign-out on all nodes that is not finished does not become a smaller one.
        let before = self.signing_out.get(identity).map(|(_, scope)| *scope);
        let scope = before.filter(|before| *before == SignOutScope::AllNodes).unwrap_or(scope);
        self.signing_out.insert(Arc::clone(identity), (number, scope));
        // The caller ends all subscriptions of the identity.
        let _overlaps = self.overlaps.remove_all(identity);
        Some(SignOut { identity: Arc::clone(identity), number, last_stay: 0, _overlaps })
    }

    /// Lets an identity that signs out leave a few names and patterns. Returns true if there may be
    /// more.
    pub(crate) fn sign_out_step(
        &mut self,
        sign_out: &mut SignOut,
        wakers: &mut WakerLists,
    ) -> bool {
        let SignOut { identity, number, last_stay, .. } = sign_out;
        let stays = self.stays_of(identity, *last_stay).take(MAX_SIGNED_OUT);
        let stays: Vec<_> = stays.map(|(stay, filter)| (stay, Arc::clone(filter))).collect();
        stays.iter().for_each(|(_, filter)| self.finish_sign_out_in(filter, identity, wakers));
        if let Some((last, _)) = stays.get(MAX_SIGNED_OUT - 1) {
            *last_stay = *last;
            return true;
        }
        // A later sign-out of the identity finishes on its own.
        if self.signing_out.get(identity).is_some_and(|(current, _)| current == number) {
            self.signing_out.remove(identity);
        }
        false
    }

    /// Lets an identity leave a name or pattern if it signs out.
    fn finish_sign_out_in(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        wakers: &mut WakerLists,
    ) {
        if self.signing_out.is_empty() {
            return;
        }
        let Some((number, scope)) = self.signing_out.get(identity).copied() else { return };
        let Some(presence) = self.filters.get(filter) else { return };
        if !presence.needs_sign_out(identity, number) {
            return;
        }
        let sign_out = |presence: &mut FilterPresence| presence.sign_out(identity, number, scope);
        if let Some(gone_at) = self.change(filter, identity, wakers, sign_out).flatten() {
            self.leaving.remove(&(gone_at, Arc::clone(filter), Arc::clone(identity)));
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.announcer.note_signed_out(filter, identity);
        }
    }

    /// Changes the stay of an identity that is present in a name or pattern. If it is gone after
    /// that, the hub forgets that it was there. `None` if it is not present.
    fn change<T>(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        wakers: &mut WakerLists,
        change: impl FnOnce(&mut FilterPresence) -> T,
    ) -> Option<T> {
        let presence = self.filters.get_mut(filter)?;
        let number = presence.stay(identity)?.number;
        let result = change(presence);
        if !presence.is_present(identity) {
            if presence.is_empty() {
                self.filters.remove(filter);
                if let Some(pattern) = Pattern::of(filter) {
                    self.patterns.remove(&pattern);
                }
            }
            self.filters_of.remove(&(Arc::clone(identity), number));
            self.tell(filter, identity, FilterChangeKind::Gone, wakers);
        }
        Some(result)
    }

    /// Reverses [`join`](Self::join). The identity is gone at once, or at a later moment unless it
    /// returns.
    pub(crate) fn leave(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        self.leave_from(filter, identity, Origin::Here, gone_at, wakers);
        if let Some(nodes) = &mut self.nodes {
            let stay = self.filters.get(filter).and_then(|presence| presence.stay(identity));
            let is_here = stay.is_some_and(|stay| stay.subscriptions > 0);
            nodes.announcer.note(filter, identity, is_here);
        }
    }

    /// Reverses [`join_from`](Self::join_from).
    pub(super) fn leave_from(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        origin: Origin,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        self.finish_sign_out_in(filter, identity, wakers);
        let leave = |presence: &mut FilterPresence| presence.leave(identity, origin, gone_at);
        if let Some(Some(gone_at)) = self.change(filter, identity, wakers, leave) {
            self.leaving.insert((gone_at, Arc::clone(filter), Arc::clone(identity)));
            self.tell(filter, identity, FilterChangeKind::Leaving, wakers);
        }
    }

    /// Reports identities that have left any name or pattern and did not return in time. Returns
    /// true if there may be more, or if the watches of some topics are still to be told.
    pub(crate) fn sweep(&mut self, now: Moment, wakers: &mut WakerLists) -> bool {
        if self.has_untold() && self.tell_step(wakers) {
            return true;
        }
        let has_departing = self.nodes.is_some() && self.step_of_nodes(now, wakers);
        for _ in 0..MAX_GONE {
            let is_due = |(gone_at, ..): &&(Moment, _, _)| *gone_at <= now;
            let Some((gone_at, filter, identity)) = self.leaving.first().filter(is_due).cloned()
            else {
                return has_departing || self.has_untold();
            };
            self.gone(gone_at, &filter, &identity, wakers);
        }
        true
    }

    /// The same for one topic. Returns when the next identity is gone, which is now or earlier if
    /// there are more than one call reports.
    pub(crate) fn sweep_topic(
        &mut self,
        topic: &str,
        now: Moment,
        wakers: &mut WakerLists,
    ) -> Option<Moment> {
        if self.leaving.is_empty() {
            return None;
        }
        let filters = self.matching(topic).map(|matching| {
            matching.into_iter().map(|(filter, _)| Arc::clone(filter)).collect::<Vec<_>>()
        });
        for _ in 0..MAX_GONE {
            let (gone_at, filter, identity) = self.next_gone(filters.as_deref())?;
            if gone_at > now {
                return Some(gone_at);
            }
            self.gone(gone_at, &filter, &identity, wakers);
        }
        self.next_gone(filters.as_deref()).map(|(gone_at, ..)| gone_at)
    }

    /// The identity that leaves one of these names and patterns next. If they are too many to list
    /// them, the identity that leaves any name or pattern next.
    fn next_gone(&self, filters: Option<&[Arc<str>]>) -> Option<(Moment, Arc<str>, Arc<str>)> {
        let Some(filters) = filters else { return self.leaving.first().cloned() };
        note_looks(filters.len());
        let next = filters.iter().filter_map(|filter| {
            let (gone_at, identity) = self.filters.get(filter)?.next_gone()?;
            Some((*gone_at, filter, identity))
        });
        next.min().map(|(at, filter, identity)| (at, Arc::clone(filter), Arc::clone(identity)))
    }

    fn gone(
        &mut self,
        gone_at: Moment,
        filter: &Arc<str>,
        identity: &Arc<str>,
        wakers: &mut WakerLists,
    ) {
        self.leaving.remove(&(gone_at, Arc::clone(filter), Arc::clone(identity)));
        self.change(filter, identity, wakers, |presence| presence.gone(gone_at, identity));
    }

    pub(crate) fn watch(&mut self, topic: &Arc<str>, is_closed: bool) -> SharedLog {
        self.watched.watch(topic, is_closed)
    }

    pub(crate) fn unwatch(&mut self, topic: &str) {
        self.watched.unwatch(topic);
    }

    /// Lets the watches of a few topics after this one end. Returns the last of these topics.
    /// `None` at the end.
    pub(crate) fn close_step(
        &self,
        after: Option<&str>,
        wakers: &mut WakerLists,
    ) -> Option<Arc<str>> {
        let topics = self.watched.page("", after, TOPICS_PER_STEP);
        self.watched.close(&topics, wakers);
        topics.last().cloned()
    }

    /// How many entries are held for identities.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn entries(&self) -> usize {
        let present: usize = self.filters.iter().map(|(_, presence)| presence.len()).sum();
        present + self.filters_of.len() + self.leaving.len() + self.overlaps.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::hub::presence::change_log::LogCursor;
    use crate::hub::presence::present_in_topic::MAX_COUNTED;

    const TOPICS: usize = 3;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// 5,000 identities are in a topic that 100 watches follow, and one of them is in 1,000 topics.
    #[test]
    fn a_sign_out_leaves_a_bounded_number_of_topics_in_each_step() {
        let mut presence = HubPresence::default();
        let mut wakers = WakerLists::default();
        let topics: Vec<Arc<str>> = (0..1_000).map(|n| n.to_string().into()).collect();
        let identities: Vec<Arc<str>> = (0..5_000).map(|n| n.to_string().into()).collect();
        let watches: Vec<_> = (0..100).map(|_| presence.watch(&topics[0], false)).collect();
        identities.iter().for_each(|one| presence.join(&topics[0], one, &mut wakers));
        topics[1..].iter().for_each(|topic| presence.join(topic, &identities[0], &mut wakers));
        let is_present = |presence: &HubPresence, topic: &Arc<str>| {
            presence.subscriptions_of(topic, &identities[0]).is_some()
        };
        let sign_out = presence.begin_sign_out(&identities[0], SignOutScope::ThisNode);
        let mut sign_out = sign_out.expect("it is present");
        let mut left = topics.len();
        while presence.sign_out_step(&mut sign_out, &mut wakers) {
            let now = topics.iter().filter(|topic| is_present(&presence, topic)).count();
            assert_eq!(left - now, MAX_SIGNED_OUT);
            left = now;
        }
        assert!(!topics.iter().any(|topic| is_present(&presence, topic)));
        assert!(presence.signing_out.is_empty());
        assert_eq!((presence.filters.len(), presence.filters_of.len()), (1, identities.len() - 1));
        assert!(presence.begin_sign_out(&identities[0], SignOutScope::ThisNode).is_none());
        drop(watches);
    }

    /// A step holds the hub's lock, so a publish waits for it. It must not do more if there are
    /// more watches or identities: each change takes the wakers of a topic as one list, a sweep
    /// reports at most `MAX_GONE` identities, and a page lists at most `MAX_COUNTED`.
    #[test]
    fn a_step_does_the_same_for_one_watch_or_identity_and_for_thousands() {
        for (watches, identities) in [(1, 1), (1, 5_000), (5_000, 1), (1_000, 1_000)] {
            let topics: Vec<Arc<str>> = (0..TOPICS).map(|n| n.to_string().into()).collect();
            let identities: Vec<Arc<str>> = (0..identities).map(|n| n.to_string().into()).collect();
            let mut presence = HubPresence::default();
            let logs: Vec<_> = topics
                .iter()
                .flat_map(|topic| std::iter::repeat_n(topic, watches))
                .map(|topic| presence.watch(topic, false))
                .collect();
            let woken = Arc::new(Wakes::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut cursors: Vec<_> = logs.iter().map(|_| LogCursor::default()).collect();
            let mut wait = || {
                for (log, cursor) in logs.iter().zip(&mut cursors) {
                    log.skip_to_end(cursor);
                    assert!(log.poll_news(cursor, &Context::from_waker(&waker)).is_pending());
                }
            };
            // Checks one step, after which all watches of `topics` topics are woken.
            let mut step = |topics: usize, work: &mut dyn FnMut(&mut WakerLists)| {
                wait();
                let mut wakers = WakerLists::default();
                work(&mut wakers);
                assert!(wakers.len() <= topics, "{} lists", wakers.len());
                wakers.wake();
                assert_eq!(woken.0.swap(0, Ordering::Relaxed), topics * watches);
            };

            let [first, last] = [&identities[0], &identities[identities.len() - 1]];
            let gone_at = Some(Moment(10));
            step(1, &mut |wakers| presence.join(&topics[0], first, wakers));
            step(1, &mut |wakers| presence.leave(&topics[0], first, None, wakers));
            for topic in &topics {
                let mut wakers = WakerLists::default();
                identities.iter().for_each(|one| presence.join(topic, one, &mut wakers));
            }
            step(1, &mut |wakers| presence.leave(&topics[0], last, gone_at, wakers));
            step(0, &mut |wakers| presence.join(&topics[0], last, wakers));

            let (mut listed, mut end) = (0, None);
            loop {
                let page = presence.page(&topics[0], end.as_ref());
                assert!(page.identities.len() <= MAX_COUNTED);
                listed += page.identities.len();
                end = page.end;
                if end.is_none() {
                    break;
                }
            }
            assert_eq!(listed, identities.len());

            for topic in &topics {
                let mut wakers = WakerLists::default();
                identities.iter().for_each(|one| presence.leave(topic, one, gone_at, &mut wakers));
            }
            let before = presence.leaving.len();
            let mut has_more = true;
            for done in 0.. {
                let mut wakers = WakerLists::default();
                if !has_more {
                    assert!(done >= before / MAX_GONE && presence.leaving.is_empty());
                    break;
                }
                let left = presence.leaving.len();
                has_more = presence.sweep(Moment(10), &mut wakers);
                assert!(left - presence.leaving.len() <= MAX_GONE && wakers.len() <= MAX_GONE);
            }
        }
    }
}
