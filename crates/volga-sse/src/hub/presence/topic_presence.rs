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
    waker: Option<Waker>,
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
        for identity in std::mem::take(&mut self.present).into_keys() {
            self.tell(&PresenceEvent::Left(identity), wakers);
        }
    }

    pub(crate) fn watch(&mut self) -> (u32, Arc<PresenceQueue>) {
        let events = VecDeque::from([PresenceEvent::Present(self.present.clone())]);
        let queue = Arc::new(PresenceQueue(Mutex::new(PresenceQueueState { events, waker: None })));
        (self.watches.insert(Arc::clone(&queue)), queue)
    }

    pub(crate) fn unwatch(&mut self, handle: u32) {
        self.watches.remove(handle);
    }

    fn tell(&self, event: &PresenceEvent, wakers: &mut Vec<Waker>) {
        for queue in self.watches.iter() {
            let mut waiting = lock(&queue.0);
            if waiting.events.len() < DEFAULT_MAX_PRESENCE_EVENTS {
                waiting.events.push_back(event.clone());
            } else {
                waiting.events.clear();
                waiting.events.push_back(PresenceEvent::Present(self.present.clone()));
            }
            wakers.extend(waiting.waker.take());
        }
    }
}

impl PresenceQueue {
    pub(crate) fn poll_event(&self, cx: &Context<'_>) -> Poll<PresenceEvent> {
        let mut waiting = lock(&self.0);
        if let Some(event) = waiting.events.pop_front() {
            return Poll::Ready(event);
        }
        let old = waiting.waker.replace(cx.waker().clone());
        drop(waiting);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
        Poll::Pending
    }
}
