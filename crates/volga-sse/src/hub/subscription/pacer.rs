//! `Pacer`: fewer and larger deliveries in a burst, at the price of some latency.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::stream::heartbeat::due;

/// The shortest time between the end of one delivery and the next.
///
/// After a pause a message is delivered at once. Messages that follow within the window wait for
/// its end, and are then delivered together.
#[derive(Debug)]
pub(crate) struct Pacer {
    window: Duration,
    /// Something was delivered since the last window.
    has_delivered: bool,
    is_waiting: bool,
    /// Created when it is first needed and then reused. A subscription that has been idle from its
    // start has no timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pacer {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, has_delivered: false, is_waiting: false, timer: None }
    }

    pub(crate) fn note_delivery(&mut self) {
        self.has_delivered = true;
    }

    /// Called when there is nothing left to deliver. Returns true if a window begins.
    pub(crate) fn start_window(&mut self) -> bool {
        if !std::mem::take(&mut self.has_delivered) {
            return false;
        }
        self.is_waiting = true;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(due(Instant::now(), self.window)),
            None => self.timer = Some(Box::pin(sleep(self.window))),
        }
        true
    }

    /// Pending while a window is open.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let (true, Some(timer)) = (self.is_waiting, &mut self.timer) {
            std::task::ready!(timer.as_mut().poll(cx));
            self.is_waiting = false;
        }
        Poll::Ready(())
    }
}
