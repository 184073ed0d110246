//! A subscription of a shared hub that waits until its node can serve the client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep};

use crate::codec::position::Position;
use crate::hub::relay::epochs::Place;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::relay::state::RelayState;
use crate::hub::relay::tail_query::TailTicket;
use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::start::{ResumePoint, StartRequest};
use crate::stream::heartbeat::due;

/// A subscription that waits until its node can serve the client.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: StartRequest,
    opened: Instant,
    /// Made when it is first polled, so that opening a subscription needs no runtime.
    timer: Option<Pin<Box<Sleep>>>,
    until_live: Option<u32>,
    until_news: Option<u32>,
    ticket: TailTicket,
    /// The end of the engine's log after the client came, once it is known.
    tail: Option<Option<Position>>,
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WaitOutcome {
    /// The subscription can start.
    Start,
    /// It has waited for as long as it may.
    TimedOut,
}

impl Waiting {
    /// Returns a wait if a node that has everything up to `last` cannot serve the client yet.
    ///
    /// `last` is the number with which the subscription starts if it need not wait. The node may
    /// have received more since then.
    pub(crate) fn new(request: StartRequest, hub: &HubState, last: u64) -> Option<Self> {
        let shared = hub.shared.as_deref()?;
        let waits = shared.state() == RelayState::Starting || is_ahead(&request, last, shared);
        waits.then(|| Self {
            request,
            opened: Instant::now(),
            timer: None,
            until_live: None,
            until_news: None,
            ticket: TailTicket::default(),
            tail: None,
        })
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        hub: &HubState,
        shared: &SharedHub,
    ) -> Poll<WaitOutcome> {
        if self.can_start(cx, hub, shared) {
            self.leave(shared);
            return Poll::Ready(WaitOutcome::Start);
        }
        let (opened, wait) = (self.opened, hub.settings.max_node_wait);
        let timer = self.timer.get_or_insert_with(|| {
            let end = due(opened, wait);
            Box::pin(sleep(end.saturating_duration_since(Instant::now())))
        });
        timer.as_mut().poll(cx).map(|()| {
            self.leave(shared);
            WaitOutcome::TimedOut
        })
    }

    /// Whether the subscription can start. If not, the task is woken when that may have changed.
    fn can_start(&mut self, cx: &mut Context<'_>, hub: &HubState, shared: &SharedHub) -> bool {
        // A task leaves its waker first and then looks, so it misses no change.
        shared.until_live.wait(&mut self.until_live, cx.waker());
        if shared.state() == RelayState::Starting {
            return false;
        }
        shared.until_news.wait(&mut self.until_news, cx.waker());
        if !is_ahead(&self.request, hub.horizon(), shared) {
            return true;
        }
        if self.tail.is_none() {
            match shared.tail.poll(&mut self.ticket, cx) {
                Poll::Pending => return false,
                Poll::Ready(tail) => self.tail = Some(tail),
            }
        }
        // A client that is still ahead once the node has reached the end of the log has an ID that
        // no node has sent.
        let has_reached =
            |tail: Position| !matches!(shared.place(tail, hub.horizon()), Place::Ahead);
        self.tail.flatten().is_some_and(has_reached)
            || !is_ahead(&self.request, hub.horizon(), shared)
    }

    /// Must be called with a wait that is not polled any more.
    pub(crate) fn leave(&mut self, shared: &SharedHub) {
        shared.until_live.leave(&mut self.until_live);
        shared.until_news.leave(&mut self.until_news);
        shared.tail.leave(&mut self.ticket);
    }
}

fn is_ahead(request: &StartRequest, last: u64, shared: &SharedHub) -> bool {
    match request.resume {
        ResumePoint::From(position) => shared.place(position, last) == Place::Ahead,
        ResumePoint::Newcomer | ResumePoint::Unknown => false,
    }
}
