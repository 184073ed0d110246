//! A stream of who subscribes to a topic.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::hub::presence::event::PresenceEvent;
use crate::hub::presence::topic_presence::{PresenceNews, PresenceQueue};
use crate::hub::state::hub_state::HubState;

/// A stream of identities that subscribe to a topic and leave it, from
/// [`Hub::watch_presence`](crate::hub::Hub::watch_presence). It ends when the
/// [hub closes](crate::hub::Hub::close).
pub struct PresenceWatch {
    hub: Arc<HubState>,
    topic: Arc<str>,
    handle: u32,
    queue: Arc<PresenceQueue>,
}

impl PresenceWatch {
    pub(crate) fn new(
        hub: Arc<HubState>,
        topic: Arc<str>,
        handle: u32,
        queue: Arc<PresenceQueue>,
    ) -> Self {
        Self { hub, topic, handle, queue }
    }

    /// Waits for the next change. `None` means that the hub has closed, and that all changes before
    /// were returned. The subscriptions that end because the hub closes are not reported.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<PresenceEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &Context<'_>) -> Poll<Option<PresenceEvent>> {
        self.queue.poll_news(cx).map(|news| match news {
            PresenceNews::Event(event) => Some(event),
            PresenceNews::Overflowed => {
                // Listed only now, so that no join or leave has to copy the list for each watch.
                let locked = self.hub.lock();
                self.queue.clear_overflow();
                Some(PresenceEvent::Present(locked.present(&self.topic)))
            }
            PresenceNews::Closed => None,
        })
    }
}

impl Stream for PresenceWatch {
    type Item = PresenceEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceEvent>> {
        self.poll_event(cx)
    }
}

impl Drop for PresenceWatch {
    fn drop(&mut self) {
        self.hub.lock().unwatch_presence(&self.topic, self.handle);
    }
}

impl fmt::Debug for PresenceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceWatch").field("topic", &self.topic).finish_non_exhaustive()
    }
}
