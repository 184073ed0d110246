//! `Pace`: fewer and larger deliveries under a burst, for some latency.

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
/// What comes after a pause goes out at once; what follows within the window waits for its end, and then goes out together.
#[derive(Debug)]
pub(crate) struct Pacer {
    window: Duration,
    /// Something was delivered since the last window.
    delivered: bool,
    waits: bool,
    // Made when it is first needed, and used again: a subscription that is idle from its start on has none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pacer {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, delivered: false, waits: false, timer: None }
    }

    pub(crate) fn delivered(&mut self) {
        self.delivered = true;
    }

    /// Called when nothing is left to deliver: true if a window begins.
    pub(crate) fn drained(&mut self) -> bool {
        if !std::mem::take(&mut self.delivered) {
            return false;
        }
        self.waits = true;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(due(Instant::now(), self.window)),
            None => self.timer = Some(Box::pin(sleep(self.window))),
        }
        true
    }

    /// Pending within a window.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let (true, Some(timer)) = (self.waits, &mut self.timer) {
            std::task::ready!(timer.as_mut().poll(cx));
            self.waits = false;
        }
        Poll::Ready(())
    }
}
