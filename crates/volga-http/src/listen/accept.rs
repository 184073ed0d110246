//! Accepts connections from several listeners, waits out shortages of resources, and accepts the
//! waiting connections when the listeners close.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::limits::{ACCEPT_PAUSE, BACKLOG};
use crate::listen::listener::{AcceptedConnection, Listener};

/// Accepts from all of its listeners in turn.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    /// The listener that is polled first. It changes, so that a busy listener cannot starve the
    /// others.
    first: usize,
    pause: Option<Pin<Box<Sleep>>>,
    phase: AcceptPhase,
}

#[derive(Debug)]
enum AcceptPhase {
    Open,
    /// No new connection may begin. Handshakes that have begun are given time to finish.
    Closing(Pin<Box<Sleep>>),
    /// The connections that wait in the queues are accepted, at most this many from each.
    AcceptRest(i32),
    Closed,
}

impl Acceptor {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, first: 0, pause: None, phase: AcceptPhase::Open }
    }

    /// Closes the listeners, after the clients that have connected are accepted: the kernel has
    /// accepted them, so they should be served.
    pub(crate) fn close(&mut self) {
        self.listeners.retain(|listener| !listener.leaves_its_queue());
        let wait = self.listeners.iter().map(Listener::turn_away).max().unwrap_or_default();
        self.phase = match wait {
            Duration::ZERO => AcceptPhase::AcceptRest(BACKLOG),
            wait => AcceptPhase::Closing(Box::pin(sleep(wait))),
        };
    }

    /// Waits for the next connection. No error ends the wait; see [`pause_after`]. After
    /// [`close`](Self::close), `None` says once that no more connections follow; later calls wait
    /// forever.
    ///
    /// Cancel safe: a pause continues in the next call.
    pub(crate) async fn accept(&mut self) -> Option<AcceptedConnection> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<AcceptedConnection>> {
        loop {
            match &mut self.phase {
                AcceptPhase::Open => {}
                AcceptPhase::Closing(wait) => {
                    if wait.as_mut().poll(cx).is_ready() {
                        self.phase = AcceptPhase::AcceptRest(BACKLOG);
                        continue;
                    }
                }
                AcceptPhase::AcceptRest(_) => return Poll::Ready(self.accept_rest()),
                AcceptPhase::Closed => return Poll::Pending,
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.poll_listeners(cx)) {
                Ok(accepted) => return Poll::Ready(Some(accepted)),
                Err(error) => self.pause = pause_after(&error).map(|pause| Box::pin(sleep(pause))),
            }
        }
    }

    /// Accepts the next connection that waits in a queue. A listener whose queue is empty is closed
    /// in the same turn.
    fn accept_rest(&mut self) -> Option<AcceptedConnection> {
        while let AcceptPhase::AcceptRest(left) = &mut self.phase
            && let Some(listener) = self.listeners.last_mut()
        {
            // Without a bound, a listener that gets new connections as fast as they are accepted
            // would never close.
            *left -= 1;
            match listener.accept_now() {
                Ok(accepted) if *left >= 0 => return Some(accepted),
                Ok(_) => {}
                Err(error) if pause_after(&error).is_none() => {}
                // The queue is empty, or a shortage prevents accepting.
                Err(_) => *left = 0,
            }
            if *left <= 0 {
                self.listeners.pop();
                *left = BACKLOG;
            }
        }
        self.phase = AcceptPhase::Closed;
        None
    }

    fn poll_listeners(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedConnection>> {
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

/// How long to wait after an error of `accept(2)`; `None` if not at all.
///
/// If the error concerns only the connection that was to be accepted, the kernel has removed it
/// from the queue, and the next one can be accepted at once. Any other error, above all a lack of
/// descriptors or memory, repeats as long as its cause lasts, while the listener stays readable.
/// Without a pause the loop would spin.
fn pause_after(error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::*;
    match error.kind() {
        ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted => None,
        // Linux passes on the errors that were pending on the new socket.
        NetworkDown | NetworkUnreachable | HostUnreachable | TimedOut | PermissionDenied => None,
        _ => Some(ACCEPT_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The runtime does not know of these connections yet. They are accepted too.
    #[tokio::test]
    async fn clients_that_have_connected_are_accepted_before_the_listeners_close() {
        let mut listeners = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("a bound socket");
            for _ in 0..3 {
                clients.push(std::net::TcpStream::connect(address).expect("it listens"));
            }
            listeners.push(Listener::from(listener));
        }
        let mut acceptor = Acceptor::new(listeners);
        acceptor.close();
        for _ in 0..clients.len() {
            assert!(acceptor.accept().await.is_some());
        }
        assert!(acceptor.accept().await.is_none());
        assert!(acceptor.listeners.is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn connections_in_a_shared_socket_are_left_to_the_next_process() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let _client = std::net::TcpStream::connect(address).expect("it listens");
        let mut acceptor = Acceptor::new(vec![Listener::inherited(listener)]);
        acceptor.close();
        assert!(acceptor.accept().await.is_none());
    }

    #[test]
    fn an_error_of_one_connection_does_not_delay_the_next() {
        for kind in [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::Interrupted,
        ] {
            assert_eq!(pause_after(&kind.into()), None, "{kind}");
        }
    }

    #[test]
    fn a_shortage_or_an_unknown_error_pauses_accepting() {
        // EMFILE, ENFILE, ENOMEM and a number that no system uses.
        for number in [24, 23, 12, 9999] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(pause_after(&error), Some(ACCEPT_PAUSE), "{error}");
        }
    }
}
