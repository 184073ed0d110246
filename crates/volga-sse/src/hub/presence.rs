//! Who is there: the identities that subscribe to a topic, and those who watch them come and leave.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::{
    dense::Dense,
    shared::Shared,
    sync::{Mutex, lock},
};

/// The changes that wait for a [`PresenceWatch`] which is not polled.
pub const DEFAULT_MAX_PRESENCE_EVENTS: usize = 256;

/// What changed about who subscribes to a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// Who is there, each with the number of its subscriptions. This is the first event, and it
    /// comes again whenever more changes were waiting than [`DEFAULT_MAX_PRESENCE_EVENTS`]: it then
    /// stands for all of them.
    Present(BTreeMap<Arc<str>, usize>),
    /// An identity that was not there has subscribed.
    Joined(Arc<str>),
    /// The last subscription of an identity ended.
    Left(Arc<str>),
}

/// The identities of one topic.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    present: BTreeMap<Arc<str>, usize>,
    watches: Dense<Arc<Queue>>,
}

/// What a watch and the hub share.
#[derive(Debug)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    events: VecDeque<PresenceEvent>,
    waker: Option<Waker>,
}

impl Presence {
    pub(crate) fn present(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.present
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.present.is_empty() && self.watches.is_empty()
    }

    /// Counts a subscription; the wakers are those of watches that have something new.
    pub(crate) fn join(&mut self, identity: &Arc<str>, wakers: &mut Vec<Waker>) {
        let count = self.present.entry(Arc::clone(identity)).or_default();
        *count += 1;
        if *count == 1 {
            self.tell(&PresenceEvent::Joined(Arc::clone(identity)), wakers);
        }
    }

    /// Takes a subscription back.
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

    /// Takes all subscriptions back: the topic is gone.
    pub(crate) fn leave_all(&mut self, wakers: &mut Vec<Waker>) {
        for identity in std::mem::take(&mut self.present).into_keys() {
            self.tell(&PresenceEvent::Left(identity), wakers);
        }
    }

    pub(crate) fn watch(&mut self) -> (u32, Arc<Queue>) {
        let events = VecDeque::from([PresenceEvent::Present(self.present.clone())]);
        let queue = Arc::new(Queue(Mutex::new(Waiting { events, waker: None })));
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

/// A stream of who comes to a topic and leaves it, from
/// [`Hub::watch_presence`](super::Hub::watch_presence). It has no end.
pub struct PresenceWatch {
    hub: Arc<Shared>,
    topic: Arc<str>,
    handle: u32,
    queue: Arc<Queue>,
}

impl PresenceWatch {
    pub(crate) fn new(hub: Arc<Shared>, topic: Arc<str>, handle: u32, queue: Arc<Queue>) -> Self {
        Self { hub, topic, handle, queue }
    }

    /// Waits for the next change.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> PresenceEvent {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &Context<'_>) -> Poll<PresenceEvent> {
        let mut waiting = lock(&self.queue.0);
        if let Some(event) = waiting.events.pop_front() {
            return Poll::Ready(event);
        }
        let old = waiting.waker.replace(cx.waker().clone());
        drop(waiting);
        // Wakers are foreign code, and none runs under the lock.
        drop(old);
        Poll::Pending
    }
}

impl Stream for PresenceWatch {
    type Item = PresenceEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceEvent>> {
        self.poll_event(cx).map(Some)
    }
}

impl Drop for PresenceWatch {
    fn drop(&mut self) {
        self.hub.order().unwatch_presence(&self.topic, self.handle);
    }
}

impl fmt::Debug for PresenceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceWatch").field("topic", &self.topic).finish_non_exhaustive()
    }
}
