//! A connection whose client has closed its sending side and may still read.
//!
//! The end of a client's input does not say whether the client still reads. By default it counts as
//! a disconnect. If the server allows half-closed connections, the response continues, and only a
//! broken connection counts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep};

use crate::exchange::half_close::HalfCloseCallback;
use crate::io::transport::Transport;
use crate::limits::HALF_CLOSED_CHECK;

/// The state of the client's sending side.
#[derive(Debug, Default)]
pub(crate) struct HalfClose {
    /// Called when the sending side closes. `None` once it was called.
    callback: Option<HalfCloseCallback>,
    is_closed: bool,
    /// `Some` while the connection is half-closed.
    check: Option<Pin<Box<Sleep>>>,
}

impl HalfClose {
    /// Sets the function of the response that is sent now. If the sending side is closed already,
    /// the function is called at once.
    pub(crate) fn set_callback(&mut self, callback: HalfCloseCallback) {
        if self.is_closed {
            callback.call();
        } else {
            self.callback = Some(callback);
        }
    }

    /// Forgets the function, because its response was sent.
    pub(crate) fn clear_callback(&mut self) {
        self.callback = None;
    }

    /// Whether the client has closed its sending side.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Notes that the client has closed its sending side, and waits until the connection is broken.
    ///
    /// The kernel does not wake a task for that: the socket stays readable from the end of the
    /// input on. So the state of the socket is checked from time to time. The next write notices it
    /// as well.
    pub(crate) fn poll_broken<I: Transport>(&mut self, io: &I, cx: &mut Context<'_>) -> Poll<()> {
        self.is_closed = true;
        if let Some(callback) = self.callback.take() {
            callback.call();
        }
        let check = self.check.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED_CHECK)));
        loop {
            if io.is_broken() {
                return Poll::Ready(());
            }
            ready!(check.as_mut().poll(cx));
            check.as_mut().reset(Instant::now() + HALF_CLOSED_CHECK);
        }
    }
}
