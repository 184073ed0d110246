//! The identities that subscribe to one topic, and the queues of its presence watches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::hub::presence::event::{DEFAULT_MAX_PRESENCE_EVENTS, PresenceEvent};
use crate::hub::slot_map::SlotMap;
use crate::hub::sync::{Mutex, lock};

/// The identities that subscribe to one topic.
#[derive(Debug, Default)]
pub(crate) struct TopicPresence {
    present: BTreeMap<Arc<str>, usize>,
    watches: SlotMap<Arc<PresenceQueue>>,
}

/// The queue that a watch and the hub share.
#[derive(Debug)]
pub(crate) struct PresenceQueue(Mutex<PresenceQueueState>);

#[derive(Debug)]
struct PresenceQueueState {
    events: VecDeque<PresenceEvent>,
    /// More changes came than may be queued. Then the next event lists who is present when it is
    /// taken.
    has_overflowed: bool,
    is_closed: bool,
    waker: Option<Waker>,
}

/// What a watch finds in its queue.
pub(crate) enum PresenceNews {
    Event(PresenceEvent),
    /// Who is present has to be listed, which needs the hub's lock.
    Overflowed,
    Closed,
}

impl TopicPresence {
    pub(crate) fn present(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.present
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.present.is_empty() && self.watches.is_empty()
    }

    /// Counts a subscription of an identity. Adds the wakers of watches that have a new event to
    /// `wakers`.
    pub(crate) fn join(&mut self, identity: &Arc<str>, wakers: &mut Vec<Waker>) {
        let count = self.present.entry(Arc::clone(identity)).or_default();
        *count += 1;
        if *count == 1 {
            self.tell(&PresenceEvent::Joined(Arc::clone(identity)), wakers);
        }
    }

    /// Removes a subscription of an identity.
    pub(crate) fn leave(&mut self, identity: &Arc<str>, wakers: &mut Vec<Waker>) {
        let Some(count) = self.present.get_mut(identity) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.present.remove(identity);
            self.tell(&PresenceEvent::Left(Arc::clone(identity)), wakers);
        }
    }

    /// Removes all subscriptions, because the topic was removed.
    pub(crate) fn leave_all(&mut self, wakers: &mut Vec<Waker>) {
        let present = std::mem::take(&mut self.present);
        if present.len() > DEFAULT_MAX_PRESENCE_EVENTS {
            // So many changes are not queued anyway.
            let overflow = |queue: &Arc<PresenceQueue>| lock(&queue.0).overflow();
            wakers.extend(self.watches.iter().filter_map(overflow));
            return;
        }
        for identity in present.into_keys() {
            self.tell(&PresenceEvent::Left(identity), wakers);
        }
    }

    /// Adds a watch. In a closed hub it ends after its first event.
    pub(crate) fn watch(&mut self, is_closed: bool) -> (u32, Arc<PresenceQueue>) {
        let events = VecDeque::from([PresenceEvent::Present(self.present.clone())]);
        let queue = Arc::new(PresenceQueue(Mutex::new(PresenceQueueState {
            events,
            has_overflowed: false,
            is_closed,
            waker: None,
        })));
        (self.watches.insert(Arc::clone(&queue)), queue)
    }

    pub(crate) fn unwatch(&mut self, handle: u32) {
        self.watches.remove(handle);
    }

    pub(crate) fn watches(&self) -> impl Iterator<Item = &Arc<PresenceQueue>> {
        self.watches.iter()
    }

    fn tell(&self, event: &PresenceEvent, wakers: &mut Vec<Waker>) {
        for queue in self.watches.iter() {
            wakers.extend(lock(&queue.0).push(event));
        }
    }
}

impl PresenceQueueState {
    fn push(&mut self, event: &PresenceEvent) -> Option<Waker> {
        if self.is_closed || self.has_overflowed {
            return None;
        }
        if self.events.len() >= DEFAULT_MAX_PRESENCE_EVENTS {
            return self.overflow();
        }
        self.events.push_back(event.clone());
        self.waker.take()
    }

    fn overflow(&mut self) -> Option<Waker> {
        if self.is_closed {
            return None;
        }
        self.events.clear();
        self.has_overflowed = true;
        self.waker.take()
    }
}

impl PresenceQueue {
    pub(crate) fn poll_news(&self, cx: &Context<'_>) -> Poll<PresenceNews> {
        let mut waiting = lock(&self.0);
        if let Some(event) = waiting.events.pop_front() {
            return Poll::Ready(PresenceNews::Event(event));
        }
        if waiting.has_overflowed {
            return Poll::Ready(PresenceNews::Overflowed);
        }
        if waiting.is_closed {
            return Poll::Ready(PresenceNews::Closed);
        }
        let old = waiting.waker.replace(cx.waker().clone());
        drop(waiting);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
        Poll::Pending
    }

    /// Notes that the caller lists who is present. The caller holds the hub's lock, so that no
    /// change comes between.
    pub(crate) fn clear_overflow(&self) {
        let mut waiting = lock(&self.0);
        waiting.has_overflowed = false;
        waiting.events.clear();
    }

    /// Lets the watch end after the events that are queued. Returns the waker to wake.
    pub(crate) fn close(&self) -> Option<Waker> {
        let mut waiting = lock(&self.0);
        waiting.is_closed = true;
        waiting.waker.take()
    }
}
