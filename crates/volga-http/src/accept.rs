//! Accepting connections on several listeners, through shortages.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use crate::limits::ACCEPT_PAUSE;

/// Accepts from all of its listeners in turn.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<TcpListener>,
    /// Which listener is asked first, so that a busy one cannot starve the others.
    first: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    pub(crate) fn new(listeners: Vec<TcpListener>) -> Self {
        Self { listeners, first: 0, pause: None }
    }

    /// Closes the listeners. From now on [`accept`](Self::accept) waits for ever.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
    }

    /// Waits for the next connection, and the address of its peer. No error ends it; see [`pause_after`].
    ///
    /// Cancel safe: a pause goes on in the next call.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.poll_listeners(cx)) {
                Ok(accepted) => return Poll::Ready(accepted),
                Err(error) => self.pause = pause_after(&error).map(|pause| Box::pin(sleep(pause))),
            }
        }
    }

    fn poll_listeners(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let count = self.listeners.len();
        for step in 0..count {
            let at = (self.first + step) % count;
            if let Poll::Ready(result) = self.listeners[at].poll_accept(cx) {
                self.first = at + 1;
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    }
}

/// How long to wait after an error of `accept(2)`; `None` is not at all.
///
/// An error of the one connection that was to be accepted took it off the queue, so the next can be had at once. Any
/// other error, above all a lack of descriptors or memory, comes back as long as its cause lasts, while the
/// listener stays readable: without a pause the loop would spin.
fn pause_after(error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::*;
    match error.kind() {
        ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted => None,
        // Linux hands on the errors that were pending on the new socket.
        NetworkDown | NetworkUnreachable | HostUnreachable | TimedOut | PermissionDenied => None,
        _ => Some(ACCEPT_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_does_not_hold_up_the_next() {
        for kind in [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::Interrupted,
        ] {
            assert_eq!(pause_after(&kind.into()), None, "{kind}");
        }
    }

    #[test]
    fn a_shortage_and_anything_unknown_pause_for_a_bounded_time() {
        // EMFILE, ENFILE, ENOMEM and a number that no system uses.
        for number in [24, 23, 12, 9999] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(pause_after(&error), Some(ACCEPT_PAUSE), "{error}");
        }
    }
}
