//! Who subscribes to which topic, and when those who left are gone. Pure, with the time as an
//! argument.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::hub::clock::Moment;
use crate::hub::presence::announcer::Announcer;
use crate::hub::presence::change_log::{SharedLog, WakerLists};
use crate::hub::presence::other_nodes::OtherNodes;
use crate::hub::presence::topic_presence::{Origin, TopicPresence};

/// How many identities one call reports as gone at most.
const MAX_GONE: usize = 16;

/// The topics that have identities or a presence watch.
#[derive(Debug, Default)]
pub(crate) struct HubPresence {
    topics: HashMap<Arc<str>, TopicPresence>,
    /// The identities that have left a topic and may still return, by when they are gone.
    leaving: BTreeSet<(Moment, Arc<str>, Arc<str>)>,
    /// Of a shared hub alone.
    nodes: Option<Box<NodePresence>>,
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

    /// Counts a subscription of an identity in this hub.
    pub(crate) fn join(&mut self, topic: &Arc<str>, identity: &Arc<str>, wakers: &mut WakerLists) {
        self.join_from(topic, identity, Origin::Here, wakers);
        if let Some(nodes) = &mut self.nodes {
            nodes.announcer.note(topic, identity, true);
        }
    }

    /// Counts a subscription of an identity in this hub, or another node.
    pub(super) fn join_from(
        &mut self,
        topic: &Arc<str>,
        identity: &Arc<str>,
        origin: Origin,
        wakers: &mut WakerLists,
    ) {
        let presence = self.topics.entry(Arc::clone(topic)).or_default();
        if let Some(gone_at) = presence.join(identity, origin, wakers) {
            self.leaving.remove(&(gone_at, Arc::clone(topic), Arc::clone(identity)));
        }
    }

    /// Reverses [`join`](Self::join). The identity is gone at once, or at a later moment unless it
    /// returns.
    pub(crate) fn leave(
        &mut self,
        topic: &Arc<str>,
        identity: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        self.leave_from(topic, identity, Origin::Here, gone_at, wakers);
        if self.nodes.is_some() {
            self.note_left_here(topic, identity);
        }
    }

    fn note_left_here(&mut self, topic: &Arc<str>, identity: &Arc<str>) {
        let presence = self.topics.get(topic);
        let is_here = presence.is_some_and(|topic| topic.subscriptions_here(identity) > 0);
        if let Some(nodes) = &mut self.nodes {
            nodes.announcer.note(topic, identity, is_here);
        }
    }

    /// Reverses [`join_from`](Self::join_from).
    pub(super) fn leave_from(
        &mut self,
        topic: &Arc<str>,
        identity: &Arc<str>,
        origin: Origin,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        let Some(presence) = self.topics.get_mut(topic) else { return };
        let gone_at = presence.leave(identity, origin, gone_at, wakers);
        self.note_leaving(topic, gone_at.map(|gone_at| (gone_at, Arc::clone(identity))));
    }

    /// Reverses every [`join`](Self::join) for a topic that was removed.
    pub(crate) fn leave_all(
        &mut self,
        topic: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        let Some(presence) = self.topics.get_mut(topic) else { return };
        let leaving = presence.leave_all(gone_at, wakers);
        if let Some(nodes) = &mut self.nodes {
            nodes.announcer.note_nobody(topic);
        }
        self.note_leaving(topic, leaving);
    }

    fn note_leaving(
        &mut self,
        topic: &Arc<str>,
        identities: impl IntoIterator<Item = (Moment, Arc<str>)>,
    ) {
        let entry = |(gone_at, identity)| (gone_at, Arc::clone(topic), identity);
        self.leaving.extend(identities.into_iter().map(entry));
        self.remove_unused(topic);
    }

    fn remove_unused(&mut self, topic: &str) {
        if self.topics.get(topic).is_some_and(TopicPresence::is_unused) {
            self.topics.remove(topic);
        }
    }

    /// Reports identities that have left any topic and did not return in time. Returns true if
    /// there may be more.
    pub(crate) fn sweep(&mut self, now: Moment, wakers: &mut WakerLists) -> bool {
        let has_departing = self.nodes.is_some() && self.step_of_nodes(now, wakers);
        for _ in 0..MAX_GONE {
            let is_due = |(gone_at, ..): &&(Moment, _, _)| *gone_at <= now;
            let Some((gone_at, topic, identity)) = self.leaving.first().filter(is_due).cloned()
            else {
                return has_departing;
            };
            self.gone(gone_at, &topic, &identity, wakers);
        }
        true
    }

    /// The same for one topic. Returns when the next identity is gone, which is now or earlier if
    /// there are more than one call reports.
    pub(crate) fn sweep_topic(
        &mut self,
        topic: &Arc<str>,
        now: Moment,
        wakers: &mut WakerLists,
    ) -> Option<Moment> {
        for _ in 0..MAX_GONE {
            let (gone_at, identity) = self.next_gone(topic)?;
            if gone_at > now {
                return Some(gone_at);
            }
            self.gone(gone_at, topic, &identity, wakers);
        }
        self.next_gone(topic).map(|(gone_at, _)| gone_at)
    }

    fn next_gone(&self, topic: &str) -> Option<(Moment, Arc<str>)> {
        self.topics.get(topic)?.next_gone()
    }

    fn gone(
        &mut self,
        gone_at: Moment,
        topic: &Arc<str>,
        identity: &Arc<str>,
        wakers: &mut WakerLists,
    ) {
        self.leaving.remove(&(gone_at, Arc::clone(topic), Arc::clone(identity)));
        if let Some(presence) = self.topics.get_mut(topic) {
            presence.gone(gone_at, identity, wakers);
        }
        self.remove_unused(topic);
    }

    /// The next identities that are present in a topic after this one.
    pub(crate) fn page(&self, topic: &str, after: Option<&Arc<str>>) -> Vec<(Arc<str>, usize)> {
        self.topics.get(topic).map_or_else(Vec::new, |presence| presence.page(after))
    }

    /// The number of subscriptions of an identity in a topic. `None` if it is not present.
    pub(crate) fn subscriptions_of(&self, topic: &str, identity: &str) -> Option<usize> {
        self.topics.get(topic)?.subscriptions_of(identity)
    }

    pub(crate) fn watch(&mut self, topic: &Arc<str>, is_closed: bool) -> SharedLog {
        self.topics.entry(Arc::clone(topic)).or_default().watch(is_closed)
    }

    pub(crate) fn unwatch(&mut self, topic: &str) {
        if let Some(presence) = self.topics.get_mut(topic) {
            presence.unwatch();
        }
        self.remove_unused(topic);
    }

    /// Lets all watches end.
    pub(crate) fn close(&self, wakers: &mut WakerLists) {
        self.topics.values().for_each(|presence| presence.log().close(wakers));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::hub::presence::change_log::LogCursor;
    use crate::hub::presence::topic_presence::MAX_LISTED;

    const TOPICS: usize = 3;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A step holds the hub's lock, so a publish waits for it. It must not do more if there are
    /// more watches or identities: each change takes the wakers of a topic as one list, a sweep
    /// reports at most `MAX_GONE` identities, and a page lists at most `MAX_LISTED`.
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

            let mut listed = Vec::new();
            loop {
                let page = presence.page(&topics[0], listed.last().map(|(one, _)| one));
                assert!(page.len() <= MAX_LISTED);
                if page.is_empty() {
                    break;
                }
                listed.extend(page);
            }
            assert_eq!(listed.len(), identities.len());

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
