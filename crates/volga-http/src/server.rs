//! The server: accepts connections, serves them, and ends.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until, timeout};
use tower_service::Service;

use crate::accept::Acceptor;
use crate::body::RequestBody;
use crate::conn::Connections;
use crate::counts::ConnectionCounts;
use crate::drain::{Drained, Progress};
use crate::drain_handle::Drain;
use crate::limits::{
    CUT_GRACE, DEFAULT_DRAIN_DEADLINE, DEFAULT_HEADER_READ_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT,
    LONGEST_WAIT,
};
use crate::stages::Stages;
use crate::tasks::roll_call;

/// Serves any tower service over TCP: HTTP/1.1, and HTTP/2 with prior knowledge, on the same port.
///
/// Built by value: each setting has a default in [`limits`](crate::limits). The [crate's page](crate) has an example that
/// runs.
#[derive(Clone, Debug)]
#[must_use = "a server does nothing before `serve`"]
pub struct Server {
    header_read_timeout: Duration,
    write_stall_timeout: Duration,
    drain_deadline: Duration,
    drain: Drain,
    counts: ConnectionCounts,
}

impl Server {
    /// A server with every default, which nothing drains.
    pub fn new() -> Self {
        Self {
            header_read_timeout: DEFAULT_HEADER_READ_TIMEOUT,
            write_stall_timeout: DEFAULT_WRITE_STALL_TIMEOUT,
            drain_deadline: DEFAULT_DRAIN_DEADLINE,
            drain: Drain::new(),
            counts: ConnectionCounts::default(),
        }
    }

    /// Sets how long a client may take to send a request head, from the moment the server waits for it; then its connection
    /// is closed. The default is [`DEFAULT_HEADER_READ_TIMEOUT`]; a year is the most.
    ///
    /// The time covers a client that connects and sends nothing, part of the HTTP/2 preface, or part of a head, and an
    /// HTTP/1 connection that idles between two requests. A client whose first bytes could have become the preface, and then
    /// did not, has the time once more for its head.
    pub fn header_read_timeout(mut self, time: Duration) -> Self {
        self.header_read_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long an HTTP/1 client may take no byte of what waits to be sent to it; then its connection is closed. The default is
    /// [`DEFAULT_WRITE_STALL_TIMEOUT`]; a year is the most.
    pub fn write_stall_timeout(mut self, time: Duration) -> Self {
        self.write_stall_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long running requests may go on once the drain has started; then they are cut. The default is
    /// [`DEFAULT_DRAIN_DEADLINE`]; a year is the most.
    pub fn drain_deadline(mut self, time: Duration) -> Self {
        self.drain_deadline = time.min(LONGEST_WAIT);
        self
    }

    /// Sets what starts the server's end. Without one it ends only by being dropped.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Sets what counts the server's connections.
    pub fn counts(mut self, counts: ConnectionCounts) -> Self {
        self.counts = counts;
        self
    }

    /// Accepts from all `listeners`, usually those of [`bind`](crate::bind()), and answers each request with a clone of
    /// `service`, until the drain is over.
    ///
    /// Requests carry [`PeerAddr`](crate::PeerAddr) and [`LocalAddr`](crate::LocalAddr) as extensions. The service is called
    /// once it is ready; on HTTP/1 one request of a connection runs at a time, on HTTP/2 each in a task of its own. Header
    /// fields that HTTP/2 forbids (`connection`, `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`) are not
    /// sent there.
    ///
    /// A client that leaves, or resets its stream, drops what runs for it: the service's future, or the response's body even
    /// while that waits. On HTTP/1, closing its sending side is leaving. A panic ends its HTTP/1 connection or HTTP/2 stream,
    /// and nothing else. A response that is [long-lived](crate::LongLived) costs little while it waits.
    ///
    /// Once the [`Drain`] starts, the listeners close, HTTP/2 clients get GOAWAY, and connections on which no request runs
    /// close; the others close after their response. When the deadline has passed the rest is cut, and [`Drained`] says how
    /// much that was. When this returns, no task of the server lives on; only code that blocks its thread beyond
    /// [`CUT_GRACE`] is left behind.
    ///
    /// # Errors
    ///
    /// `listeners` is empty ([`io::ErrorKind::InvalidInput`]). Nothing that clients or the network do is an error, and
    /// when descriptors run out, accepting only rests for [`ACCEPT_PAUSE`](crate::limits::ACCEPT_PAUSE).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners and cuts every connection at once.
    pub async fn serve<S, B>(self, listeners: Vec<TcpListener>, service: S) -> io::Result<Drained>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if listeners.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no listener to serve",
            ));
        }
        let mut acceptor = Acceptor::new(listeners);
        let mut progress = Progress::new();
        let mut counted = self.counts.share();
        let (alive, gone) = roll_call();
        let connections = Connections::new(
            self.header_read_timeout,
            self.write_stall_timeout,
            self.drain.clone(),
            alive.clone(),
        );
        let mut stages = Stages::new(connections, service, alive);
        let mut started = pin!(self.drain.started());

        let drained = loop {
            if let Some(drained) = progress.outcome() {
                break drained;
            }
            tokio::select! {
                () = &mut started, if progress.accepts() => {
                    progress.start(Instant::now().into_std(), self.drain_deadline);
                    acceptor.close();
                }
                (stream, peer) = acceptor.accept() => {
                    // It fails only for a client that is gone already.
                    if stream.set_nodelay(true).is_ok() && stages.open(stream, peer) {
                        progress.opened();
                        counted.opened();
                    }
                }
                Some(()) = stages.closed() => {
                    progress.closed();
                    counted.closed();
                }
                () = at(progress.until()) => progress.expire(Instant::now().into_std()),
            }
        };

        drop(stages);
        // The result is the same when the time is up: what blocks its thread cannot be ended from outside.
        let _ = timeout(CUT_GRACE, gone.wait()).await;
        Ok(drained)
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until `time`, or for ever.
async fn at(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(Instant::from_std(time)).await,
        None => pending().await,
    }
}
