//! The server: accepts connections, serves them, and ends.

use std::future::pending;
use std::io;
use std::panic::resume_unwind;
use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::connection_tasks::ConnectionTasks;
use crate::connection::info::{ConnectionInfo, network};
use crate::connection::serve::ConnectionContext;
use crate::connection::settings::ConnectionSettings;
use crate::connection::task_tracker::task_tracker;
use crate::drain::handle::Drain;
use crate::drain::progress::{DrainOutcome, Progress};
use crate::exchange::service::{ConnectionService, HttpService};
use crate::io::socket::Socket;
use crate::limits::{
    ABORT_GRACE, DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_DRAIN_DEADLINE, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_CONNECTIONS_PER_ADDRESS, LONGEST_WAIT,
};
use crate::listen::accept::Acceptor;
use crate::listen::admission::{Admission, AdmissionError, ConnectionBounds};
use crate::listen::counts::ConnectionCounts;
use crate::listen::listener::{AcceptedStream, Listener};
use crate::listen::tcp_keepalive::TcpKeepaliveSettings;

/// Serves any tower service over TCP and Unix-domain sockets: HTTP/1.1, and HTTP/2 with prior
/// knowledge, on the same port.
///
/// Built by value: each setting has a default in [`limits`](crate::limits). The [crate's
/// page](crate) has an example that runs.
#[derive(Clone, Debug)]
#[must_use = "a server does nothing before `serve`"]
pub struct Server {
    connection: ConnectionSettings,
    dead_client_timeout: Duration,
    bounds: ConnectionBounds,
    drain_deadline: Duration,
    drain: Drain,
    counts: ConnectionCounts,
}

impl Server {
    /// A server with every default, which nothing drains.
    pub fn new() -> Self {
        Self {
            connection: ConnectionSettings::DEFAULT,
            dead_client_timeout: DEFAULT_DEAD_CLIENT_TIMEOUT,
            bounds: ConnectionBounds {
                total: DEFAULT_MAX_CONNECTIONS,
                per_address: DEFAULT_MAX_CONNECTIONS_PER_ADDRESS,
            },
            drain_deadline: DEFAULT_DRAIN_DEADLINE,
            drain: Drain::new(),
            counts: ConnectionCounts::default(),
        }
    }

    /// Sets how long a client may take to send a request head, from the moment the server waits for
    /// it; then its connection is closed. The default is
    /// [`DEFAULT_HEADER_READ_TIMEOUT`](crate::limits::DEFAULT_HEADER_READ_TIMEOUT); a year is the
    /// most.
    ///
    /// The time covers a client that connects and sends nothing, part of the HTTP/2 preface, or
    /// part of a head, and an HTTP/1 connection that idles between two requests. A client whose
    /// first bytes could have become the preface, and then did not, has the time once more for its
    /// head.
    pub fn header_read_timeout(mut self, time: Duration) -> Self {
        self.connection.header_read_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long a client may take no byte of what waits to be sent to it; then its connection
    /// is closed. On HTTP/2 it is also how long a stream's window may stay shut; then that stream
    /// is reset. The default is
    /// [`DEFAULT_WRITE_STALL_TIMEOUT`](crate::limits::DEFAULT_WRITE_STALL_TIMEOUT); a year is the
    /// most.
    pub fn write_stall_timeout(mut self, time: Duration) -> Self {
        self.connection.write_stall_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long the server waits for a byte of a request's body; then the body ends with
    /// [`RequestBodyError::TimedOut`](crate::RequestBodyError::TimedOut). The default is
    /// [`DEFAULT_BODY_READ_TIMEOUT`](crate::limits::DEFAULT_BODY_READ_TIMEOUT); a year is the most.
    ///
    /// Only time counts in which something reads the body and the client may send: a service that
    /// reads slowly, or an HTTP/2 window that is shut, is not held against the client. After the
    /// error an HTTP/1 connection closes with the response, and an HTTP/2 stream is reset after it.
    /// A client that waits for a part of the response before it sends on needs a longer time.
    pub fn body_read_timeout(mut self, time: Duration) -> Self {
        self.connection.body_limits.timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how many bytes of a request's body a client has to send in each second in which the
    /// server waits for it, on average; a client that is slower is treated as one that sends
    /// [nothing](Self::body_read_timeout). The default is
    /// [`DEFAULT_MIN_BODY_RATE`](crate::limits::DEFAULT_MIN_BODY_RATE). 0 switches it off: then any
    /// byte starts the time anew.
    ///
    /// Of a body, the server waits no longer in all than the timeout and the time that its bytes
    /// may take at this rate. Time that a fast client saves is kept only up to the timeout, so a
    /// fast beginning does not pay for a slow rest. Only the content counts, not what frames it:
    /// chunk sizes, trailers and padding are no progress.
    pub fn min_body_rate(mut self, bytes_per_second: u32) -> Self {
        self.connection.body_limits.min_rate = bytes_per_second;
        self
    }

    /// Sets how long it may take to find that a TCP client is gone without a word: its machine lost
    /// power, or a router on the way forgot the connection. The default is
    /// [`DEFAULT_DEAD_CLIENT_TIMEOUT`].
    ///
    /// The kernel does it: keep-alive keepalive ask a client that is silent for half of the time, and
    /// on Linux sent bytes that are not acknowledged for all of it (`TCP_USER_TIMEOUT`; or for the
    /// [write stall timeout](Self::write_stall_timeout), if that is longer) end the connection. It
    /// counts in whole seconds, from 1 to about nine hours.
    pub fn dead_client_timeout(mut self, time: Duration) -> Self {
        self.dead_client_timeout = time;
        self
    }

    /// Sets how many connections may be open at a time. A further one is accepted and closed at
    /// once, so none that is open ever makes room for a new one. The default is
    /// [`DEFAULT_MAX_CONNECTIONS`].
    ///
    /// An `EventSource` takes that for a failure of the network and comes back after its
    /// reconnection time, where a status would end it for good; a proxy asks the next server. To
    /// let it wait in the backlog instead would keep it there for as long as event streams go on.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.bounds.total = count;
        self
    }

    /// Sets how many connections one [client's network](crate::ConnectionInfo::peer_network) may
    /// have open at a time; a further one is closed at once. By default there is no bound but that
    /// in all ([`DEFAULT_MAX_CONNECTIONS_PER_ADDRESS`]).
    ///
    /// Not for servers behind a proxy, where all connections are the proxy's. Those of Unix-domain
    /// sockets have no address and are not counted by it.
    pub fn max_connections_per_address(mut self, count: usize) -> Self {
        self.bounds.per_address = count;
        self
    }

    /// Sets how long the [handshake](Listener::with_handshake) of a connection may take; then the
    /// connection is closed. The default is
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](crate::limits::DEFAULT_HANDSHAKE_TIMEOUT); a year is the most.
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.connection.handshake_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long nothing may go through a [tunnel](crate::TunnelStream), in either direction;
    /// then reading from it fails. The default is
    /// [`DEFAULT_TUNNEL_IDLE_TIMEOUT`](crate::limits::DEFAULT_TUNNEL_IDLE_TIMEOUT); a year is the
    /// most.
    pub fn tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.connection.tunnel_idle_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets whether the data of [long-lived](crate::LongLived) bodies is written directly on
    /// HTTP/2, beside the `h2` library; it is by default.
    ///
    /// A message for many streams then costs half of the CPU time. The direct path relies on how
    /// `h2` behaves; should you suspect it of a fault, switch it off, and everything goes through
    /// `h2`. What clients receive is the same.
    pub fn http2_direct_data(mut self, is_on: bool) -> Self {
        self.connection.http2_direct_data = is_on;
        self
    }

    /// Sets how long running requests may go on once the drain has started; then they are cut. The
    /// default is [`DEFAULT_DRAIN_DEADLINE`]; a year is the most.
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

    /// Accepts from all `listeners`, those of [`bind`](crate::bind()) or of tokio, and answers
    /// requests with clones of `service`, until the drain is over.
    ///
    /// Requests carry the [`ConnectionInfo`](crate::ConnectionInfo) as an extension. The service is
    /// called once it is ready; on HTTP/1 one request of a connection runs at a time, and one clone
    /// answers them all, on HTTP/2 each has a clone and a task of its own. Header fields that
    /// HTTP/2 forbids (`connection`, `keep-alive`, `proxy-connection`, `transfer-encoding`,
    /// `upgrade`) are not sent there.
    ///
    /// A client that leaves, or resets its stream, drops what runs for it: the service's future, or
    /// the response's body even while that waits. On HTTP/1, closing its sending side is leaving. A
    /// panic ends its HTTP/1 connection or HTTP/2 stream, and nothing else. A response that is
    /// [long-lived](crate::LongLived) costs little while it waits.
    ///
    /// Once the [`Drain`] starts, the listeners accept who has connected already and close, HTTP/2
    /// clients get GOAWAY, and connections on which no request runs close; the others close after
    /// their response. When the deadline has passed the rest is cut, and [`DrainOutcome`] says how much
    /// that was. When this returns, no task of the server lives on; only code that blocks its
    /// thread beyond [`ABORT_GRACE`] is left behind.
    ///
    /// # Errors
    ///
    /// `listeners` is empty ([`io::ErrorKind::InvalidInput`]). Nothing that clients or the network
    /// do is an error, and when descriptors run out, accepting only rests for
    /// [`ACCEPT_PAUSE`](crate::limits::ACCEPT_PAUSE).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners and cuts every connection, as soon as the runtime
    /// comes to it.
    pub async fn serve<S: HttpService>(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        service: S,
    ) -> io::Result<DrainOutcome> {
        let make_service =
            move |info| ConnectionService { service: service.clone(), info: Some(info) };
        self.serve_connections(listeners, make_service).await
    }

    /// As [`serve`](Self::serve), with a service for each connection, which `make` makes of what is
    /// known of the connection: it is called at the beginning, and again after a long-lived
    /// response. The requests do not carry the [`ConnectionInfo`] then, unless the service puts it
    /// into their extensions: so a service that knows that nobody will look saves that.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve); so are its panics, and its cancel safety.
    pub async fn serve_each<S: HttpService>(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        mut make: impl FnMut(ConnectionInfo) -> S + Send + 'static,
    ) -> io::Result<DrainOutcome> {
        let make_service = move |info| ConnectionService { service: make(info), info: None };
        self.serve_connections(listeners, make_service).await
    }

    async fn serve_connections<S: HttpService>(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        make_service: impl FnMut(ConnectionInfo) -> ConnectionService<S> + Send + 'static,
    ) -> io::Result<DrainOutcome> {
        let listeners: Vec<Listener> = listeners.into_iter().map(Into::into).collect();
        if listeners.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no listener to serve",
            ));
        }
        let keepalive = TcpKeepaliveSettings::new(
            self.dead_client_timeout,
            self.connection.write_stall_timeout,
        );
        listeners.iter().for_each(|listener| listener.prepare(keepalive));
        // A task of its own: each connection that comes or ends wakes it, and to wake the future
        // that a runtime blocks on costs a system call.
        let mut task = JoinSet::new();
        task.spawn(self.run(Acceptor::new(listeners), make_service));
        match task.join_next().await {
            Some(Ok(drained)) => Ok(drained),
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(error.into()),
            },
            None => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    async fn run<S: HttpService>(
        self,
        mut acceptor: Acceptor,
        make_service: impl FnMut(ConnectionInfo) -> ConnectionService<S> + Send + 'static,
    ) -> DrainOutcome {
        let admission = Admission::new(self.bounds);
        let mut progress = Progress::new();
        let mut counted = self.counts.for_server();
        let (token, waiter) = task_tracker();
        let context = ConnectionContext::new(self.connection, self.drain.clone(), token.clone());
        let mut tasks = ConnectionTasks::new(context, make_service, token);
        let mut started = pin!(self.drain.started());

        let drained = loop {
            if let Some(drained) = progress.outcome() {
                break drained;
            }
            tokio::select! {
                () = &mut started, if progress.is_running() => {
                    progress.start(Instant::now().into_std(), self.drain_deadline);
                    acceptor.close();
                }
                accepted = acceptor.accept() => match accepted {
                    Some(accepted) => match admit(accepted.stream, &admission, counted.open()) {
                        Ok((socket, info)) => {
                            tasks.open(socket, info, accepted.handshake);
                            progress.opened();
                            counted.opened();
                        }
                        Err(Rejection::Limit(reached)) => counted.refused(reached),
                        Err(Rejection::Disconnected) => {}
                    },
                    None => progress.stopped_listening(),
                },
                Some(()) = tasks.closed() => {
                    progress.closed();
                    counted.closed();
                }
                () = sleep_until_some(progress.until()) => progress.expire(Instant::now().into_std()),
            }
        };

        drop(tasks);
        // The result is the same when the time is up: what blocks its thread cannot be ended from
        // outside.
        let _ = timeout(ABORT_GRACE, waiter.wait()).await;
        drained
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// Why an accepted connection is closed at once.
enum Rejection {
    Limit(AdmissionError),
    /// Its client has left already.
    Disconnected,
}

impl From<AdmissionError> for Rejection {
    fn from(reached: AdmissionError) -> Self {
        Self::Limit(reached)
    }
}

/// A connection that is served beside those that are `open`. What is not is closed by being
/// dropped.
fn admit(
    accepted: AcceptedStream,
    admission: &Admission,
    open: usize,
) -> Result<(Socket, ConnectionInfo), Rejection> {
    admission.admit(open)?;
    match accepted {
        AcceptedStream::Tcp { stream, peer, local } => {
            let permit = admission.permit(network(peer))?;
            let local = local
                .map_or_else(|| stream.local_addr(), Ok)
                .map_err(|_| Rejection::Disconnected)?;
            // Elsewhere each socket has it from its listener.
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            stream.set_nodelay(true).map_err(|_| Rejection::Disconnected)?;
            let socket = match permit {
                Some(permit) => Socket::counted(stream, permit),
                None => Socket::Tcp(stream),
            };
            Ok((socket, ConnectionInfo::tcp(peer, local)))
        }
        #[cfg(unix)]
        AcceptedStream::Unix(stream) => Ok((Socket::Unix(Box::new(stream)), ConnectionInfo::new())),
        AcceptedStream::Custom(stream, info) => {
            let permit = match info.peer_network() {
                Some(network) => admission.permit(network)?,
                None => None,
            };
            Ok((Socket::custom(stream, info.clone(), permit), info))
        }
    }
}

/// Waits until `time`, or for ever.
async fn sleep_until_some(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(Instant::from_std(time)).await,
        None => pending().await,
    }
}
