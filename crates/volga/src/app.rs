//! `App`: routes and settings, and the server that it becomes.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    io::{self, IsTerminal, Write},
    ops::{Deref, DerefMut},
    time::Duration,
};

use http::StatusCode;
use volga_core::{
    AppContext, DEFAULT_MAX_COLLECTED_BYTES, ErrorReport, RouterService, ServicesBuilder,
};
use volga_http::{BindTarget, Listener, Server, limits::DEFAULT_DRAIN_DEADLINE};

use crate::app_faults::AppFaults;
use crate::connection_service::ConnectionService;
use crate::counters::Counters;
use crate::exit::ShutdownError;
use crate::greeter::{ListenAddress, Style, greeting};
use crate::group::Group;
use crate::shutdown::ShutdownHandle;
use crate::shutdown_sequence::{BeforeShutdown, ShutdownHook, ShutdownSequence};
use crate::sse_status;
use crate::streams::Streams;
use crate::tasks::Tasks;
use crate::tower_status;

/// The port of an app that does not call [`App::bind`].
const DEFAULT_PORT: u16 = 7878;

/// A web application: its routes and its settings.
///
/// Create the app with its settings first, then map routes. [`run`](Self::run) serves the app until
/// it is shut down. The methods that begin with `with_` set one setting and return the app.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// use volga::{App, ok};
///
/// let mut app = App::new().bind("0.0.0.0:8080");
/// app.map_get("/", || ok!("Hello!"))
///     .map_post("/users/{id}", async |id: u32| ok!({ "id": id }));
/// app.run().await
/// # }
/// ```
///
/// The app dereferences to the [`Group`] of all its routes. See there for the methods that map
/// routes, and for the syntax of patterns. Errors in the routes are returned by
/// [`check`](Self::check) and by [`run`](Self::run), all at once.
#[must_use = "an app does nothing until it runs"]
pub struct App {
    routes: Group,
    services: ServicesBuilder,
    bind: BindTarget,
    server: Server,
    before: BeforeShutdown,
    deadline: Duration,
    max_collected_bytes: usize,
    shutdown: ShutdownHandle,
    tasks: Tasks,
    greeter: bool,
    on_error: Box<dyn Fn(&ErrorReport<'_>) + Send + Sync>,
    status_rules: Vec<StatusRule>,
}

type StatusRule = Box<dyn Fn(&(dyn StdError + 'static)) -> Option<StatusCode> + Send + Sync>;

impl App {
    /// Creates an app without routes. It listens on port 7878 for clients on the same machine:
    /// `localhost`, `127.0.0.1` and `[::1]` all reach it.
    pub fn new() -> Self {
        let shutdown = ShutdownHandle::default();
        let streams = Streams { group: shutdown.streams.clone(), counters: Counters::default() };
        Self {
            routes: Group::new(streams),
            services: ServicesBuilder::new(),
            bind: BindTarget::localhost(DEFAULT_PORT),
            server: Server::new(),
            before: BeforeShutdown::default(),
            deadline: DEFAULT_DRAIN_DEADLINE,
            max_collected_bytes: DEFAULT_MAX_COLLECTED_BYTES,
            shutdown,
            tasks: Tasks::default(),
            greeter: cfg!(debug_assertions),
            on_error: Box::new(log),
            status_rules: Vec::new(),
        }
    }

    /// Sets the address to listen on: `"host:port"`, a `SocketAddr`, or an IP address and a port
    /// such as `([0, 0, 0, 0], 8080)`. For a host name the app listens on every address of the
    /// host. With port 0 the system chooses a port. `"unix:/run/app.sock"` is a Unix-domain socket,
    /// and `"inherited:"` stands for the sockets that systemd opened for the process.
    /// [`BindTarget`] has the details.
    pub fn bind(mut self, target: impl Into<BindTarget>) -> Self {
        self.bind = target.into();
        self
    }

    /// Sets how long a client may take to send the head of a request,
    /// [`DEFAULT_HEADER_READ_TIMEOUT`](crate::limits::DEFAULT_HEADER_READ_TIMEOUT) by default.
    pub fn with_header_read_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.header_read_timeout(time);
        self
    }

    /// Sets how long a client may read nothing while data waits to be sent to it. Then its
    /// connection is closed. On HTTP/2 this is also how long the window of a stream may stay
    /// closed. Then that stream is reset.
    /// [`DEFAULT_WRITE_STALL_TIMEOUT`](crate::limits::DEFAULT_WRITE_STALL_TIMEOUT) by default.
    pub fn with_write_stall_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.write_stall_timeout(time);
        self
    }

    /// Sets how many bytes of an event stream the kernel may hold that it has not sent yet,
    /// [`DEFAULT_MAX_UNSENT_BYTES`](crate::limits::DEFAULT_MAX_UNSENT_BYTES) by default. While there
    /// are as many, the stream takes no more messages. So a client that reads slowly gets newer
    /// messages.
    ///
    /// `usize::MAX` leaves it to the system. [`Server`](volga_http::Server::max_unsent_bytes) has
    /// the details.
    pub fn with_max_unsent_bytes(mut self, bytes: usize) -> Self {
        self.server = self.server.max_unsent_bytes(bytes);
        self
    }

    /// Sets how long the [handshake](crate::Listener::with_handshake) of a connection may take.
    /// Then the connection is closed.
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](crate::limits::DEFAULT_HANDSHAKE_TIMEOUT) by default.
    pub fn with_handshake_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.handshake_timeout(time);
        self
    }

    /// Sets how long a [tunnel](crate::http::TunnelStream) may be idle. Then reading from it fails.
    /// [`DEFAULT_TUNNEL_IDLE_TIMEOUT`](crate::limits::DEFAULT_TUNNEL_IDLE_TIMEOUT) by default.
    pub fn with_tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.tunnel_idle_timeout(time);
        self
    }

    /// Sets whether event streams on HTTP/2 are [written
    /// directly](volga_http::Server::http2_direct_data), beside the `h2` library. The default is
    /// `true`.
    pub fn with_http2_direct_data(mut self, is_on: bool) -> Self {
        self.server = self.server.http2_direct_data(is_on);
        self
    }

    /// Sets how long the app waits for the next byte of a request body. Then the status is 408, and
    /// the connection (on HTTP/2 the stream) ends.
    /// [`DEFAULT_BODY_READ_TIMEOUT`](crate::limits::DEFAULT_BODY_READ_TIMEOUT) by default.
    ///
    /// Only the time counts in which the app reads the body and the client may send. A handler that
    /// reads slowly does not count against the client.
    pub fn with_body_read_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.body_read_timeout(time);
        self
    }

    /// Sets how many bytes of a request body a client must send in each second in which the app
    /// waits for it, on average. A slower client gets status 408, as a client that sends
    /// [nothing](Self::with_body_read_timeout) does.
    /// [`DEFAULT_MIN_BODY_RATE`](crate::limits::DEFAULT_MIN_BODY_RATE) by default. 0 switches the
    /// limit off, for apps whose clients send a line from time to time for hours.
    pub fn with_min_body_rate(mut self, bytes_per_second: u32) -> Self {
        self.server = self.server.min_body_rate(bytes_per_second);
        self
    }

    /// Sets how many bytes of memory all requests together may use to collect request bodies for
    /// arguments: for `Json`, `Bytes`, `Text`, and for an incomplete line of an `NdJson`.
    /// [`DEFAULT_MAX_COLLECTED_BYTES`](crate::limits::DEFAULT_MAX_COLLECTED_BYTES) by default.
    ///
    /// A request that needs more gets status 503 with `Retry-After`. The first of these requests is
    /// reported to [`on_error`](Self::on_error). The next one is reported only after half of the
    /// memory was free again. Bytes that a handler collects by itself do not count.
    pub fn with_max_collected_bytes(mut self, bytes: usize) -> Self {
        self.max_collected_bytes = bytes;
        self
    }

    /// Sets how long it may take to notice that a TCP client has disappeared without closing its
    /// connection, as after a power failure,
    /// [`DEFAULT_DEAD_CLIENT_TIMEOUT`](crate::limits::DEFAULT_DEAD_CLIENT_TIMEOUT) by default.
    pub fn with_dead_client_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.dead_client_timeout(time);
        self
    }

    /// Sets how many connections may be open at a time,
    /// [`DEFAULT_MAX_CONNECTIONS`](crate::limits::DEFAULT_MAX_CONNECTIONS) by default. Further
    /// connections are closed at once. An `EventSource` then reconnects by itself.
    pub fn with_max_connections(mut self, count: usize) -> Self {
        self.server = self.server.max_connections(count);
        self
    }

    /// Sets how many connections one client may have open at a time. IPv6 clients are identified by
    /// the first 64 bits of their address. Further connections are closed at once. By default there
    /// is no such limit, because behind a proxy all clients have the address of the proxy.
    pub fn with_max_connections_per_address(mut self, count: usize) -> Self {
        self.server = self.server.max_connections_per_address(count);
        self
    }

    /// Sets how long requests, responses and [`detached`](crate::detached) handlers may continue
    /// after the shutdown began, [`DEFAULT_DRAIN_DEADLINE`](crate::limits::DEFAULT_DRAIN_DEADLINE)
    /// by default.
    pub fn with_shutdown_timeout(mut self, time: Duration) -> Self {
        self.deadline = time;
        self
    }

    /// Adds a hook that runs after the shutdown was requested and before it begins, for example to
    /// leave a load balancer. The app accepts and serves as before while the hook runs; only the
    /// [readiness route](Self::map_readiness) says that the app shuts down. Several hooks run
    /// concurrently.
    ///
    /// The hooks have a [time limit](Self::with_before_shutdown_timeout), and are dropped when it
    /// is over. A second signal does not wait for them.
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let hook: ShutdownHook = Box::new(|| Box::pin(hook()));
        self.before.hooks.push(hook);
        self
    }

    /// Sets the time limit of the hooks of [`before_shutdown`](Self::before_shutdown),
    /// [`DEFAULT_BEFORE_SHUTDOWN`](crate::limits::DEFAULT_BEFORE_SHUTDOWN) by default.
    pub fn with_before_shutdown_timeout(mut self, time: Duration) -> Self {
        self.before.time = time;
        self
    }

    /// Returns the app with a handle that shuts it down.
    pub fn with_shutdown(self) -> (Self, ShutdownHandle) {
        let handle = self.shutdown.clone();
        (self, handle)
    }

    /// Starts without the greeting. Release builds never print it.
    pub fn without_greeter(mut self) -> Self {
        self.greeter = false;
        self
    }

    /// Sets a function that is called for each server error: an error or a panic that became a
    /// response with a status of 500 or more. The client sees only the status and the
    /// [reference](ErrorReport::reference) number of such an error. The function is also called for
    /// an error in an event stream, unless the stream has its own
    /// [observer](crate::http::sse::Sse::on_end). By default the report is written to standard
    /// error as one line.
    ///
    /// ```
    /// use volga::App;
    ///
    /// let app = App::new().on_error(|report| eprintln!("{} failed: {report}", report.path()));
    /// # let _ = app;
    /// ```
    pub fn on_error(mut self, hook: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.on_error = Box::new(hook);
        self
    }

    /// Adds a rule for the status of errors that a handler passes on by `?`. The rule returns
    /// `None` for errors that it does not know. The rule that was added last is asked first.
    ///
    /// Rules are asked when an error becomes a response of this app. They do not apply to other
    /// apps in the process. An error whose status was set by [`Error::new`] or
    /// [`Error::with_status`] keeps that status.
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use volga::{App, error::Error, http::StatusCode, ok};
    ///
    /// let mut app = App::new().with_status_rule(|error| {
    ///     error.is::<ParseIntError>().then_some(StatusCode::UNPROCESSABLE_ENTITY)
    /// });
    /// app.map_get("/half/{n}", async |text: String| ok!("{}", text.parse::<u8>()? / 2));
    /// # app.check().unwrap();
    /// ```
    ///
    /// [`Error::new`]: crate::error::Error::new
    /// [`Error::with_status`]: crate::error::Error::with_status
    pub fn with_status_rule(
        mut self,
        rule: impl Fn(&(dyn StdError + 'static)) -> Option<StatusCode> + Send + Sync + 'static,
    ) -> Self {
        self.status_rules.push(Box::new(rule));
        self
    }

    /// The counters of the app's connections and event streams.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.routes.streams().counters.clone()
    }

    /// Checks the routes and the services that were added so far.
    ///
    /// # Errors
    ///
    /// Returns all errors in them, each with its place in the source.
    pub fn check(&self) -> Result<(), AppFaults> {
        let router = self.routes.router();
        AppFaults::check(router.check(), router.check_services(&self.services))
    }

    /// Turns the app into a [`tower_service::Service`], for a test or another server. The settings
    /// of the server have no effect then. The shutdown handle still closes the event streams.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`check`](Self::check).
    pub fn into_service(self) -> Result<RouterService, AppFaults> {
        self.check()?;
        let Self { mut routes, services, tasks, on_error, max_collected_bytes, .. } = self;
        let mut context = AppContext::new(services.build()?)
            .with_spawner(tasks.spawner())
            .with_max_collected_bytes(max_collected_bytes)
            .with_error_hook(on_error)
            .with_status_rule(tower_status::status_of)
            .with_status_rule(sse_status::status_of);
        for rule in self.status_rules {
            context = context.with_status_rule(rule);
        }
        routes.router_mut().set_context(context);
        Ok(routes.into_service()?)
    }

    pub(crate) fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    pub(crate) fn services_mut(&mut self) -> &mut ServicesBuilder {
        &mut self.services
    }

    /// Listens and serves until Ctrl-C, SIGTERM or the [shutdown handle](Self::with_shutdown) shuts
    /// the app down.
    ///
    /// At shutdown the app runs the hooks of [`before_shutdown`](Self::before_shutdown), accepts no
    /// more connections, and closes every subscription with its farewell. Requests, responses and
    /// [`detached`](crate::detached) handlers may finish within the
    /// [deadline](Self::with_shutdown_timeout). A second signal ends the app at once.
    ///
    /// # Errors
    ///
    /// - The routes or the services have errors: the message has all of them.
    /// - The app cannot listen on an address: the message has the address.
    /// - [`TimedOut`](io::ErrorKind::TimedOut): connections or tasks were still busy at the
    ///   deadline, and were aborted. The cause is a [`ShutdownError`].
    /// - [`Interrupted`](io::ErrorKind::Interrupted): a second signal came. The cause is a
    ///   [`ShutdownError`], too.
    ///
    /// [`exit_code`](crate::exit_code) turns the result into an exit code of the process.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with network and timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts every connection as soon as the runtime runs the tasks.
    pub async fn run(self) -> io::Result<()> {
        self.check().map_err(faults)?;
        let listeners = volga_http::bind(self.bind.clone()).await?;
        self.serve(listeners).await
    }

    /// Serves as [`run`](Self::run) does, on a listener that exists already, such as a
    /// `TcpListener` or a `UnixListener` of tokio.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](Self::run).
    pub async fn run_with_listener(self, listener: impl Into<Listener>) -> io::Result<()> {
        self.serve(vec![listener.into()]).await
    }

    /// Serves as [`run`](Self::run) does, in a program without a runtime. It creates a tokio
    /// runtime that uses all cores.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](Self::run). Returns an error inside of a runtime, because
    /// it would block a thread of the runtime for ever.
    pub fn run_blocking(self) -> io::Result<()> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(io::Error::other(
                "`run_blocking` was called inside a runtime; use `run().await` there",
            ));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(self.run());
        if ended.as_ref().is_err_and(|error| ShutdownError::of(error).is_some()) {
            // The deadline has passed, so the runtime must not wait for blocked threads.
            runtime.shutdown_background();
        }
        ended
    }

    async fn serve(mut self, listeners: Vec<Listener>) -> io::Result<()> {
        let greeting = self.greeter.then(|| self.greeting(&listeners));
        let Self { deadline, .. } = self;
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        let server = self.server.clone().drain_deadline(deadline).drain(shutdown.drain.clone());
        let server = server.counts(self.counters().connections);
        let before = std::mem::take(&mut self.before);
        let service = self.into_service().map_err(faults)?;
        let sequence = ShutdownSequence { shutdown, before, deadline, tasks };
        let serving = async {
            // The signal handlers are installed by now, so a reader of the greeting may send a
            // signal.
            if let Some(text) = greeting {
                // The app serves even if standard output is closed.
                let mut out = io::stdout();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            server
                .serve_each(listeners, move |info| ConnectionService::new(service.clone(), info))
                .await
        };
        sequence.run(serving).await
    }

    fn greeting(&self, listeners: &[Listener]) -> String {
        let addresses: Vec<ListenAddress> = listeners.iter().map(ListenAddress::from).collect();
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = if colour { Style::Colour } else { Style::Plain };
        greeting(&addresses, self.routes.router().routes(), style)
    }
}

/// Writes a report to standard error, in one write, so that the lines of two threads do not mix.
/// The app serves even if standard error is closed.
fn log(report: &ErrorReport<'_>) {
    let _ = io::stderr().write_all(format!("{report}\n").as_bytes());
}

fn faults(faults: AppFaults) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, faults)
}

impl Deref for App {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.routes
    }
}

impl DerefMut for App {
    fn deref_mut(&mut self) -> &mut Group {
        &mut self.routes
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("bind", &self.bind)
            .field("routes", self.routes.router())
            .finish_non_exhaustive()
    }
}
