//! The server: accepts connections, serves them, and shuts down.

use std::future::pending;
use std::io;
use std::num::NonZeroU32;
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
    DEFAULT_MAX_CONNECTIONS_PER_ADDRESS, DEFAULT_UPLOAD_GRACE, DRAIN_GRACE, LONGEST_WAIT,
};
use crate::listen::accept::Acceptor;
use crate::listen::admission::{Admission, AdmissionError, ConnectionBounds};
use crate::listen::counts::ConnectionCounts;
use crate::listen::listener::{AcceptedStream, Listener};
use crate::listen::tcp_keepalive::TcpKeepaliveSettings;
use crate::protocol::ServerSettings;

/// Serves any tower service over TCP and Unix-domain sockets: HTTP/1.1, and HTTP/2 with prior
/// knowledge, on the same port.
///
/// Each setter takes and returns the server, and each setting has a default in
/// [`limits`](crate::limits). The [crate's page](crate) has an example that runs.
#[derive(Clone, Debug)]
#[must_use = "a server does nothing before `serve`"]
pub struct Server {
    connection: ConnectionSettings,
    dead_client_timeout: Duration,
    bounds: ConnectionBounds,
    drain_deadline: Duration,
    /// `None` if the default applies, which depends on the deadline.
    upload_grace: Option<Duration>,
    drain: Drain,
    counts: ConnectionCounts,
}

impl Server {
    /// Creates a server with the default settings. Nothing drains it until you set a
    /// [`drain`](Self::drain).
    pub fn new() -> Self {
        Self {
            connection: ConnectionSettings::DEFAULT,
            dead_client_timeout: DEFAULT_DEAD_CLIENT_TIMEOUT,
            bounds: ConnectionBounds {
                total: DEFAULT_MAX_CONNECTIONS,
                per_address: DEFAULT_MAX_CONNECTIONS_PER_ADDRESS,
            },
            drain_deadline: DEFAULT_DRAIN_DEADLINE,
            upload_grace: None,
            drain: Drain::new(),
            counts: ConnectionCounts::default(),
        }
    }

    /// Sets how long a client may take to send a request head, from the moment the server waits for
    /// it. Then its connection is closed. The default is
    /// [`DEFAULT_HEADER_READ_TIMEOUT`](crate::limits::DEFAULT_HEADER_READ_TIMEOUT), and the maximum
    /// is a year.
    ///
    /// The time also applies to a client that connects and sends nothing, or only a part of the
    /// HTTP/2 preface, and to an HTTP/1 connection that is idle between two requests. If the first
    /// bytes could have become the preface and then did not, the client gets the time once more for
    /// its head.
    pub fn header_read_timeout(mut self, time: Duration) -> Self {
        self.connection.header_read_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long a client may accept no byte that waits to be sent to it. Then its connection
    /// is closed. On HTTP/2 it is also how long a stream's window may stay closed; then that stream
    /// is reset. The default is
    /// [`DEFAULT_WRITE_STALL_TIMEOUT`](crate::limits::DEFAULT_WRITE_STALL_TIMEOUT), and the maximum
    /// is a year.
    pub fn write_stall_timeout(mut self, time: Duration) -> Self {
        self.connection.write_stall_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how many bytes of a [long-lived](crate::LongLivedResponse) response the kernel may hold
    /// that it has not sent yet (`TCP_NOTSENT_LOWAT`). While there are as many, the body is not
    /// polled. The default is
    /// [`DEFAULT_MAX_UNSENT_BYTES`](crate::limits::DEFAULT_MAX_UNSENT_BYTES). The least is 1 byte,
    /// and [`u32::MAX`] or more leaves it to the system.
    ///
    /// So a client that reads slowly gets newer messages, and one that reads nothing costs little
    /// memory. The kernel also holds the bytes that it has sent and that are not acknowledged, as
    /// many as the client's receive window allows. A write may exceed the limit by one buffer of
    /// the kernel, up to 32 KiB. With a smaller number the server is woken more often while a
    /// stream has much to send.
    ///
    /// On HTTP/1 the limit ends with the response. On HTTP/2 it applies to the whole connection,
    /// from its first long-lived response on. If the listener has a
    /// [handshake](Listener::with_handshake), every response has the limit, which then is at least
    /// 128 KiB. The limit applies to TCP on Linux and Android. A Unix-domain socket holds as much
    /// as the system allows, about 200 KiB. The stream of a [custom listener](Listener::custom)
    /// brings its own limit.
    pub fn max_unsent_bytes(mut self, bytes: usize) -> Self {
        let bytes = u32::try_from(bytes.max(1)).ok().filter(|&bytes| bytes < u32::MAX);
        self.connection.max_unsent_bytes = bytes.and_then(NonZeroU32::new);
        self
    }

    /// Sets how long the server waits for a byte of a request body. Then the body ends with
    /// [`RequestBodyError::TimedOut`](crate::RequestBodyError::TimedOut). The default is
    /// [`DEFAULT_BODY_READ_TIMEOUT`](crate::limits::DEFAULT_BODY_READ_TIMEOUT), and the maximum is
    /// a year.
    ///
    /// Time counts only while something reads the body and the client may send. So a client is not
    /// blamed for a service that reads slowly, or for an HTTP/2 window that is closed. After the
    /// error, an HTTP/1 connection closes with the response, and an HTTP/2 stream is reset after
    /// it. If a client waits for a part of the response before it sends more of its request, set a
    /// longer time.
    pub fn body_read_timeout(mut self, time: Duration) -> Self {
        self.connection.body_limits.timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how many bytes of a request body a client has to send per second, on average over the
    /// time in which the server waits for it. A slower client is treated like one that sends
    /// [nothing](Self::body_read_timeout). The default is
    /// [`DEFAULT_MIN_BODY_RATE`](crate::limits::DEFAULT_MIN_BODY_RATE). 0 turns the rate off: then
    /// each byte restarts the time.
    ///
    /// In total, the server waits for a body no longer than the timeout plus the time that its
    /// bytes may take at this rate. A client that sends faster than the rate saves up waiting time,
    /// but never more than the timeout, so a fast beginning does not pay for a slow rest. Only the
    /// content counts: chunk sizes, trailers and padding are no progress.
    pub fn min_body_rate(mut self, bytes_per_second: u32) -> Self {
        self.connection.body_limits.min_rate = bytes_per_second;
        self
    }

    /// Sets how long it may take to notice that a TCP client has disappeared without closing: its
    /// machine lost power, or a router forgot the connection. The default is
    /// [`DEFAULT_DEAD_CLIENT_TIMEOUT`].
    ///
    /// The kernel does this. It sends keep-alive probes to a client that was silent for half of the
    /// time. On Linux it also ends a connection whose sent bytes stay unacknowledged for all of the
    /// time (`TCP_USER_TIMEOUT`), or for the [write stall timeout](Self::write_stall_timeout) if
    /// that is longer. The time is rounded up to whole seconds, from 1 second to about nine hours.
    pub fn dead_client_timeout(mut self, time: Duration) -> Self {
        self.dead_client_timeout = time;
        self
    }

    /// Sets how many connections may be open at a time. A connection beyond that is accepted and
    /// closed at once; an open connection is never closed to make room. The default is
    /// [`DEFAULT_MAX_CONNECTIONS`].
    ///
    /// An `EventSource` treats the close as a network failure and reconnects after its reconnection
    /// time, while an error status would end it for good. A proxy tries the next server. Leaving
    /// the connection in the backlog instead could keep it there as long as event streams last.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.bounds.total = count;
        self
    }

    /// Sets how many connections one [client's network](crate::ConnectionInfo::peer_network) may
    /// have open at a time. A connection beyond that is closed at once. By default only the total
    /// is limited ([`DEFAULT_MAX_CONNECTIONS_PER_ADDRESS`]).
    ///
    /// Do not set this on a server behind a proxy, where all connections come from the proxy.
    /// Connections of Unix-domain sockets have no address and are not limited by it.
    pub fn max_connections_per_address(mut self, count: usize) -> Self {
        self.bounds.per_address = count;
        self
    }

    /// Sets whether an HTTP/1 client may close its sending side (`shutdown(SHUT_WR)`, `nc -N`) and
    /// still receive. The default is false: the end of a client's input means that the client has
    /// disconnected, unless the response is ready within
    /// [`HALF_CLOSE_GRACE`](crate::limits::HALF_CLOSE_GRACE).
    ///
    /// | the client closes its sending side | false | true |
    /// |---|---|---|
    /// | while the service works | its future is dropped after the grace, and nothing is sent | it continues, and the response is sent |
    /// | in the middle of the request's body | the same, and at once if the service waits for the body | the body ends with an error, and the response is sent |
    /// | while a response is sent | the frames that are ready within the grace are sent, and the rest is cut; a long-lived response has no grace | the whole response is sent |
    /// | before its further pipelined requests are served | they are not served, unless the responses before them are ready | they are served |
    /// | while a response with [`HalfCloseCallback`](crate::HalfCloseCallback) is sent | as above | its function is called, so that the response can end |
    ///
    /// With `true`, a client that has closed its connection looks like a client that has closed
    /// only its sending side. The server then notices at its first write, or within a second after
    /// a reset. Until then the service works for a client that is gone. So leave this off unless
    /// you have clients that need it.
    ///
    /// The setting does not apply to HTTP/2. There a client ends its request with a flag and not by
    /// closing the connection, so the end of its input always means that it has disconnected. It
    /// does not apply to [tunnels](crate::TunnelStream) either, whose bytes the application reads.
    pub fn http1_half_close(mut self, is_allowed: bool) -> Self {
        self.connection.http1_half_close = is_allowed;
        self
    }

    /// Sets how long the [handshake](Listener::with_handshake) of a connection may take. Then the
    /// connection is closed. The default is
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](crate::limits::DEFAULT_HANDSHAKE_TIMEOUT), and the maximum is
    /// a year.
    pub fn handshake_timeout(mut self, time: Duration) -> Self {
        self.connection.handshake_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long a [tunnel](crate::TunnelStream) may be idle, with no byte in either direction.
    /// Then reading from it fails. The default is
    /// [`DEFAULT_TUNNEL_IDLE_TIMEOUT`](crate::limits::DEFAULT_TUNNEL_IDLE_TIMEOUT), and the maximum
    /// is a year. A protocol with a limit of its own may
    /// [remove](crate::TunnelStream::without_idle_timeout) this one.
    pub fn tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.connection.tunnel_idle_timeout = time.min(LONGEST_WAIT);
        self
    }

    /// Sets whether the server writes the data of [long-lived](crate::LongLivedResponse) HTTP/2
    /// bodies directly, beside the `h2` library. The default is true.
    ///
    /// A message for many streams then costs half of the CPU time. The direct path relies on how
    /// `h2` behaves. If you suspect it of a fault, set this to false, and all data goes through
    /// `h2`. Clients receive the same either way.
    pub fn http2_direct_data(mut self, is_on: bool) -> Self {
        self.connection.http2_direct_data = is_on;
        self
    }

    /// Sets how long running requests may continue once the drain has started. Then they are
    /// aborted. The default is [`DEFAULT_DRAIN_DEADLINE`], and the maximum is a year.
    pub fn drain_deadline(mut self, time: Duration) -> Self {
        self.drain_deadline = time.min(LONGEST_WAIT);
        self
    }

    /// Sets how long a client may be silent once the drain has started, while the service waits for
    /// more of a request's body and has read a part of it. Then the service gets an error instead
    /// of the rest of the body. The default is [`DEFAULT_UPLOAD_GRACE`] or half of the
    /// [deadline](Self::drain_deadline), whichever is shorter.
    ///
    /// A client that makes progress has the whole deadline. Set a longer time if your clients pause
    /// within an upload, and a deadline that is longer still.
    pub fn upload_grace(mut self, time: Duration) -> Self {
        self.upload_grace = Some(time.min(LONGEST_WAIT));
        self
    }

    /// Sets the drain that shuts the server down. Without one the server ends only when it is
    /// dropped.
    pub fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Sets the counts to which the server adds its connections.
    pub fn counts(mut self, counts: ConnectionCounts) -> Self {
        self.counts = counts;
        self
    }

    /// Accepts connections from all `listeners` and responds to requests with clones of `service`,
    /// until the drain is over. The listeners come from [`bind`](crate::bind()), or are tokio's.
    ///
    /// Requests carry the [`ConnectionInfo`] as an extension. The service is called only once it is
    /// ready. On HTTP/1 the requests of a connection run one at a time, on one clone. On HTTP/2
    /// each request has a clone and a task of its own. Header fields that HTTP/2 forbids
    /// (`connection`, `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`) are not
    /// sent there.
    ///
    /// When a client disconnects or resets its stream, the server drops what runs for it: the
    /// service's future, or the response's body even while that waits. On HTTP/1, a client that
    /// closes its sending side counts as disconnected after
    /// [`HALF_CLOSE_GRACE`](crate::limits::HALF_CLOSE_GRACE), unless
    /// [half-closed connections](Self::http1_half_close) are allowed.
    ///
    /// A panic of the service becomes a response with 500. After a panic of a response's body the
    /// client gets the head and what came before, and then its HTTP/1 connection or its HTTP/2
    /// stream ends. Nothing else ends. A [long-lived](crate::LongLivedResponse) response
    /// costs little while it waits.
    ///
    /// Once the [`Drain`] starts, the listeners accept the clients that have connected already and
    /// close. HTTP/2 clients get GOAWAY. Connections without a running request close, and the
    /// others close after their response. When the deadline has passed, the rest is aborted, and
    /// the [`DrainOutcome`] says how many connections that were. When this returns, no task of the
    /// server is left, except for code that blocks its thread for longer than [`ABORT_GRACE`].
    ///
    /// # Errors
    ///
    /// Returns [`io::ErrorKind::InvalidInput`] if `listeners` is empty. Nothing that clients or the
    /// network do is an error. If descriptors run out, accepting only pauses for
    /// [`ACCEPT_PAUSE`](crate::limits::ACCEPT_PAUSE).
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with its timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listeners and aborts every connection, as soon as the runtime
    /// runs their tasks.
    pub async fn serve<S: HttpService>(
        self,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        service: S,
    ) -> io::Result<DrainOutcome> {
        let make_service =
            move |info| ConnectionService { service: service.clone(), info: Some(info) };
        self.serve_connections(listeners, make_service).await
    }

    /// Like [`serve`](Self::serve), but `make` creates a service for each connection from its
    /// [`ConnectionInfo`]. It is called when the connection begins, and again after a long-lived
    /// response. The requests do not carry the [`ConnectionInfo`], unless the service inserts it
    /// into their extensions; a service that does not need it saves that cost.
    ///
    /// # Errors
    ///
    /// The same as for [`serve`](Self::serve), which also describes panics and cancel safety.
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
                "no listener to serve; pass at least one",
            ));
        }
        let keepalive = TcpKeepaliveSettings::new(
            self.dead_client_timeout,
            self.connection.write_stall_timeout,
        );
        listeners.iter().for_each(|listener| listener.prepare(keepalive));
        // A task of its own, because each connection that begins or ends wakes it. Waking the
        // future on which a runtime blocks would cost a system call.
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

    /// The settings of each connection, with the times that depend on the drain's deadline.
    fn connection_settings(&self) -> ConnectionSettings {
        let drain_grace = DRAIN_GRACE.min(self.drain_deadline / 4);
        let upload_grace = self.upload_grace.unwrap_or_else(|| {
            // A drain with a short deadline must leave the handler time to respond.
            DEFAULT_UPLOAD_GRACE.min(self.drain_deadline / 2)
        });
        ConnectionSettings { drain_grace, upload_grace, ..self.connection }
    }

    /// The settings as a server of another protocol reads them, so that all of them have the same
    /// limits and end with the same drain.
    pub fn settings(&self) -> ServerSettings {
        ServerSettings {
            connection: self.connection_settings(),
            dead_client_timeout: self.dead_client_timeout,
            bounds: self.bounds,
            drain_deadline: self.drain_deadline,
            drain: self.drain.clone(),
            counts: self.counts.clone(),
        }
    }

    async fn run<S: HttpService>(
        self,
        mut acceptor: Acceptor,
        make_service: impl FnMut(ConnectionInfo) -> ConnectionService<S> + Send + 'static,
    ) -> DrainOutcome {
        let admission = Admission::new(self.bounds);
        let mut progress = Progress::new();
        let mut counts = self.counts.for_server();
        let (token, waiter) = task_tracker();
        let context =
            ConnectionContext::new(self.connection_settings(), self.drain.clone(), token.clone());
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
                    Some(accepted) => match admit(accepted.stream, &admission, counts.open()) {
                        Ok((socket, info)) => {
                            tasks.open(socket, info, accepted.handshake);
                            progress.note_opened();
                            counts.count_opened();
                        }
                        Err(Rejection::Limit(reached)) => counts.count_refused(reached),
                        Err(Rejection::Disconnected) => {}
                    },
                    None => progress.note_listeners_closed(),
                },
                Some(()) = tasks.wait_for_end() => {
                    progress.note_closed();
                    counts.count_closed();
                }
                () = sleep_until_some(progress.deadline()) => progress.expire(Instant::now().into_std()),
            }
        };

        drop(tasks);
        // The result does not depend on this timeout: code that blocks its thread cannot be ended
        // from outside.
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
    /// Its client has disconnected already.
    Disconnected,
}

impl From<AdmissionError> for Rejection {
    fn from(reached: AdmissionError) -> Self {
        Self::Limit(reached)
    }
}

/// Admits an accepted connection beside the `open` ones. A connection that is not admitted is
/// closed by being dropped.
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
            // On Linux each socket inherits the option from its listener.
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

/// Waits until `time`, or forever.
async fn sleep_until_some(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(Instant::from_std(time)).await,
        None => pending().await,
    }
}
