//! A stream of who subscribes to a topic.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use crate::hub::clock::Moment;
use crate::hub::presence::change_log::{LogCursor, PresenceNews, SharedLog};
use crate::hub::presence::event::PresenceEvent;
use crate::hub::presence::filter_presence::PresentIdentities;
use crate::hub::presence::present_in_topic::PresentCount;
use crate::hub::state::hub_state::HubState;

/// A stream of identities that subscribe to a topic and leave it, from
/// [`Hub::watch_presence`](crate::hub::Hub::watch_presence). It ends when the
/// [hub closes](crate::hub::Hub::close).
///
/// # Panics
///
/// With a [grace](crate::hub::HubBuilder::presence_grace), polling a watch outside a tokio runtime
/// that has its timer enabled panics once an identity has left.
pub struct PresenceWatch {
    hub: Arc<HubState>,
    topic: Arc<str>,
    /// Who was present at the start, until the first event was taken.
    first: Option<PresentIdentities>,
    log: SharedLog,
    cursor: LogCursor,
    /// Fires when the next identity that has left is gone.
    timer: Option<(Moment, Pin<Box<Sleep>>)>,
}

impl PresenceWatch {
    pub(crate) fn new(hub: Arc<HubState>, topic: Arc<str>) -> Self {
        let mut cursor = LogCursor::default();
        let mut locked = hub.lock();
        let log = locked.watch_presence(&topic);
        log.skip_to_end(&mut cursor);
        drop(locked);
        let mut watch = Self { hub, topic, first: None, log, cursor, timer: None };
        watch.first = Some(watch.list());
        watch
    }

    /// Lists the present identities, and moves behind the changes that the list has. The cursor was
    /// at the end of the log before.
    ///
    /// At the end, the log must have every change of which the list may know. So this waits until
    /// all changes have been told.
    fn list(&mut self) -> PresentIdentities {
        let mut present = self.hub.list_present(&self.topic);
        // The changes that came during the listing. If they are too many, the next event is a list
        // again.
        let locked = self.hub.lock_when_told();
        let changes = self.log.take_changes(&mut self.cursor).unwrap_or_default();
        drop(locked);
        let mut came = BTreeSet::new();
        for change in changes {
            match change {
                PresenceEvent::Joined(identity) => _ = came.insert(identity),
                PresenceEvent::Left(identity) => {
                    came.remove(&identity);
                    present.remove(&identity);
                }
                PresenceEvent::Present(_) => {}
            }
        }
        for identity in came {
            // If it has left again, the next event says so.
            let count = self.hub.finish_count(&self.topic, &identity, PresentCount::begin());
            present.insert(identity, count.unwrap_or_default());
        }
        present
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

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<PresenceEvent>> {
        // A newer list replaces the first one as well.
        if let Some(first) = self.first.take()
            && !self.log.is_behind(&self.cursor)
        {
            return Poll::Ready(Some(PresenceEvent::Present(first)));
        }
        loop {
            match self.log.poll_news(&mut self.cursor, cx) {
                Poll::Ready(PresenceNews::Event(event)) => return Poll::Ready(Some(event)),
                Poll::Ready(PresenceNews::Behind) => {
                    // Listed only now, so that no join or leave has to copy the list.
                    self.log.skip_to_end(&mut self.cursor);
                    return Poll::Ready(Some(PresenceEvent::Present(self.list())));
                }
                Poll::Ready(PresenceNews::Closed) => return Poll::Ready(None),
                Poll::Pending => ready!(self.poll_gone(cx)),
            }
        }
    }

    /// Waits until an identity that has left is gone, and lets the hub report it. Pending if none
    /// has left.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hub.settings.presence_grace == 0 {
            return Poll::Pending;
        }
        let now = self.hub.clock.now();
        let Some(gone_at) = self.hub.lock().sweep_presence_of(&self.topic, now) else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|(at, _)| *at != gone_at) {
            let wait = Duration::from_millis(now.age(gone_at));
            self.timer = Some((gone_at, Box::pin(sleep(wait))));
        }
        let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
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
        self.log.leave(&self.cursor);
        self.hub.lock().unwatch_presence(&self.topic);
    }
}

impl fmt::Debug for PresenceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceWatch").field("topic", &self.topic).finish_non_exhaustive()
    }
}
