//! Who subscribes to which topic, and when those who left are gone. Pure, with the time as an
//! argument.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::task::Waker;

use crate::hub::clock::Moment;
use crate::hub::presence::change_log::SharedLog;
use crate::hub::presence::topic_presence::{Present, TopicPresence};

/// How many identities one call reports as gone at most.
const MAX_GONE: usize = 16;

/// The topics that have identities or a presence watch.
#[derive(Debug, Default)]
pub(crate) struct HubPresence {
    topics: HashMap<Arc<str>, TopicPresence>,
    /// The identities that have left a topic and may still return, by when they are gone.
    leaving: BTreeSet<(Moment, Arc<str>, Arc<str>)>,
}

impl HubPresence {
    pub(crate) fn join(&mut self, topic: &Arc<str>, identity: &Arc<str>, wakers: &mut Vec<Waker>) {
        let presence = self.topics.entry(Arc::clone(topic)).or_default();
        if let Some(gone_at) = presence.join(identity, wakers) {
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
        wakers: &mut Vec<Waker>,
    ) {
        let Some(presence) = self.topics.get_mut(topic) else { return };
        let will_be_gone = presence.leave(identity, gone_at, wakers);
        self.note_leaving(topic, will_be_gone.then_some(identity), gone_at);
    }

    /// Reverses every [`join`](Self::join) for a topic that was removed.
    pub(crate) fn leave_all(
        &mut self,
        topic: &Arc<str>,
        gone_at: Option<Moment>,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(presence) = self.topics.get_mut(topic) else { return };
        let leaving = presence.leave_all(gone_at, wakers);
        self.note_leaving(topic, &leaving, gone_at);
    }

    fn note_leaving<'a>(
        &mut self,
        topic: &Arc<str>,
        identities: impl IntoIterator<Item = &'a Arc<str>>,
        gone_at: Option<Moment>,
    ) {
        if let Some(gone_at) = gone_at {
            let entry = |identity| (gone_at, Arc::clone(topic), Arc::clone(identity));
            self.leaving.extend(identities.into_iter().map(entry));
        }
        self.remove_unused(topic);
    }

    fn remove_unused(&mut self, topic: &str) {
        if self.topics.get(topic).is_some_and(TopicPresence::is_unused) {
            self.topics.remove(topic);
        }
    }

    /// Reports identities that have left any topic and did not return in time. Returns true if
    /// there may be more.
    pub(crate) fn sweep(&mut self, now: Moment, wakers: &mut Vec<Waker>) -> bool {
        for _ in 0..MAX_GONE {
            let is_due = |(gone_at, ..): &&(Moment, _, _)| *gone_at <= now;
            let Some((gone_at, topic, identity)) = self.leaving.first().filter(is_due).cloned()
            else {
                return false;
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
        wakers: &mut Vec<Waker>,
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
        wakers: &mut Vec<Waker>,
    ) {
        self.leaving.remove(&(gone_at, Arc::clone(topic), Arc::clone(identity)));
        if let Some(presence) = self.topics.get_mut(topic) {
            presence.gone(gone_at, identity, wakers);
        }
        self.remove_unused(topic);
    }

    /// The identities that are present in a topic, each with the number of its subscriptions.
    pub(crate) fn present(&mut self, topic: &str) -> Arc<Present> {
        self.topics.get_mut(topic).map_or_else(Arc::default, TopicPresence::present)
    }

    pub(crate) fn watch(&mut self, topic: &Arc<str>, is_closed: bool) -> (Arc<Present>, SharedLog) {
        self.topics.entry(Arc::clone(topic)).or_default().watch(is_closed)
    }

    pub(crate) fn unwatch(&mut self, topic: &str) {
        if let Some(presence) = self.topics.get_mut(topic) {
            presence.unwatch();
        }
        self.remove_unused(topic);
    }

    /// Lets all watches end.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        self.topics.values().for_each(|presence| presence.log().close(wakers));
    }
}
