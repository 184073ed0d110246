//! `App`: routes and settings, and the server that they become.

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

use crate::{
    Counters, Group, ShutdownHandle,
    answering::Answering,
    ending::{Before, Ending, Hook},
    endpoint::Streams,
    exit::ShutdownError,
    fault::AppFaults,
    greeter::{Place, Style, greeting},
    sse_status,
    tasks::Tasks,
};

/// The port of an app that was told none.
const DEFAULT_PORT: u16 = 7878;

/// A web application: its routes and its settings.
///
/// Settings are made by value, before the routes; [`run`](Self::run) serves it until it is told to
/// end.
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
/// It dereferences to the [`Group`] of all its routes: what maps routes, and what patterns mean, is
/// said there. What is wrong with the routes is told by [`check`](Self::check) and by
/// [`run`](Self::run), all at once.
#[must_use = "an app does nothing until it runs"]
pub struct App {
    routes: Group,
    services: ServicesBuilder,
    bind: BindTarget,
    server: Server,
    before: Before,
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
    /// An app without routes that listens on port 7878 of this machine alone: `localhost`,
    /// `127.0.0.1` and `[::1]` all reach it.
    pub fn new() -> Self {
        let shutdown = ShutdownHandle::default();
        let streams = Streams { group: shutdown.streams.clone(), counters: Counters::default() };
        Self {
            routes: Group::new(streams),
            services: ServicesBuilder::new(),
            bind: BindTarget::localhost(DEFAULT_PORT),
            server: Server::new(),
            before: Before::default(),
            deadline: DEFAULT_DRAIN_DEADLINE,
            max_collected_bytes: DEFAULT_MAX_COLLECTED_BYTES,
            shutdown,
            tasks: Tasks::default(),
            greeter: cfg!(debug_assertions),
            on_error: Box::new(log),
            status_rules: Vec::new(),
        }
    }

    /// Sets what to listen on: `"host:port"`, a `SocketAddr`, or an IP address and a port such as
    /// `([0, 0, 0, 0], 8080)`. A host name means every address that it has; port 0 lets the system
    /// choose. `"unix:/run/app.sock"` is a Unix-domain socket, and `"inherited:"` what systemd
    /// opened for the process; [`BindTarget`] has more.
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

    /// Sets how long a client may read nothing of what waits to be sent to it; then its connection
    /// is closed. On HTTP/2 it is also how long a stream's window may stay shut; then that stream
    /// is reset. [`DEFAULT_WRITE_STALL_TIMEOUT`](crate::limits::DEFAULT_WRITE_STALL_TIMEOUT) by
    /// default.
    pub fn with_write_stall_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.write_stall_timeout(time);
        self
    }

    /// Sets how long the [handshake](crate::Listener::with_handshake) of a connection may take;
    /// then the connection is closed.
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](crate::limits::DEFAULT_HANDSHAKE_TIMEOUT) by default.
    pub fn with_handshake_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.handshake_timeout(time);
        self
    }

    /// Sets how long nothing may go through a [tunnel](crate::http::TunnelStream); then reading
    /// from it fails. [`DEFAULT_TUNNEL_IDLE_TIMEOUT`](crate::limits::DEFAULT_TUNNEL_IDLE_TIMEOUT)
    /// by default.
    pub fn with_tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.tunnel_idle_timeout(time);
        self
    }

    /// Sets whether event streams on HTTP/2 are [written
    /// directly](volga_http::Server::http2_direct_data), beside the `h2` library; they are by
    /// default.
    pub fn with_http2_direct_data(mut self, is_on: bool) -> Self {
        self.server = self.server.http2_direct_data(is_on);
        self
    }

    /// Sets how long the app waits for a byte of a request's body; then the answer is 408, and the
    /// connection (on HTTP/2 the stream) ends.
    /// [`DEFAULT_BODY_READ_TIMEOUT`](crate::limits::DEFAULT_BODY_READ_TIMEOUT) by default.
    ///
    /// Only time counts in which something reads the body and the client may send. A handler that
    /// reads slowly costs the client nothing.
    pub fn with_body_read_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.body_read_timeout(time);
        self
    }

    /// Sets how many bytes of a request's body a client has to send in each second in which the app
    /// waits for it, on average; a slower client is answered with 408 as one that sends
    /// [nothing](Self::with_body_read_timeout).
    /// [`DEFAULT_MIN_BODY_RATE`](crate::limits::DEFAULT_MIN_BODY_RATE) by default; 0 switches it
    /// off, for apps whose clients send a line now and then for hours.
    pub fn with_min_body_rate(mut self, bytes_per_second: u32) -> Self {
        self.server = self.server.min_body_rate(bytes_per_second);
        self
    }

    /// Sets how many bytes of request bodies all requests together may have in memory while they
    /// are collected for an argument: `Json`, `Bytes`, `Text`, and the line of an `NdJson` that has
    /// not come completely.
    /// [`DEFAULT_MAX_COLLECTED_BYTES`](crate::limits::DEFAULT_MAX_COLLECTED_BYTES) by default.
    ///
    /// A request that would need more is answered with 503 and `Retry-After`. The first of them is
    /// reported to [`on_error`](Self::on_error); the next report comes after half of the bytes were
    /// free again. What a handler collects by itself does not count.
    pub fn with_max_collected_bytes(mut self, bytes: usize) -> Self {
        self.max_collected_bytes = bytes;
        self
    }

    /// Sets how long it may take to find that a TCP client is gone without a word, as after a power
    /// cut, [`DEFAULT_DEAD_CLIENT_TIMEOUT`](crate::limits::DEFAULT_DEAD_CLIENT_TIMEOUT) by default.
    pub fn with_dead_client_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.dead_client_timeout(time);
        self
    }

    /// Sets how many connections may be open at a time,
    /// [`DEFAULT_MAX_CONNECTIONS`](crate::limits::DEFAULT_MAX_CONNECTIONS) by default. A further
    /// one is closed at once; an `EventSource` then comes back by itself.
    pub fn with_max_connections(mut self, count: usize) -> Self {
        self.server = self.server.max_connections(count);
        self
    }

    /// Sets how many connections one client may have open at a time, an IPv6 client by the first 64
    /// bits of its address. A further one is closed at once. By default there is no such bound,
    /// because behind a proxy all clients have the proxy's address.
    pub fn with_max_connections_per_address(mut self, count: usize) -> Self {
        self.server = self.server.max_connections_per_address(count);
        self
    }

    /// Sets how long requests, finite streams and [`detached`](crate::detached) handlers may go on
    /// once the end began, [`DEFAULT_DRAIN_DEADLINE`](crate::limits::DEFAULT_DRAIN_DEADLINE) by default.
    pub fn with_shutdown_timeout(mut self, time: Duration) -> Self {
        self.deadline = time;
        self
    }

    /// Adds what is to be done when the app was told to end, before the end begins: to leave a load
    /// balancer, say. Meanwhile the app accepts and serves as before; only its
    /// [readiness](Self::map_readiness) says that it ends. What is added by several calls is done
    /// side by side.
    ///
    /// It has [a time](Self::with_before_shutdown_timeout), and is dropped when that is over. A
    /// second signal does not wait for it.
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let hook: Hook = Box::new(|| Box::pin(hook()));
        self.before.hooks.push(hook);
        self
    }

    /// Sets how long what is to be done [before the end](Self::before_shutdown) may take,
    /// [`DEFAULT_BEFORE_SHUTDOWN`](crate::limits::DEFAULT_BEFORE_SHUTDOWN) by default.
    pub fn with_before_shutdown_timeout(mut self, time: Duration) -> Self {
        self.before.time = time;
        self
    }

    /// Gives a handle that ends the app.
    pub fn with_shutdown(self) -> (Self, ShutdownHandle) {
        let handle = self.shutdown.clone();
        (self, handle)
    }

    /// Starts without the greeting. Release builds start without it anyway.
    pub fn without_greeter(mut self) -> Self {
        self.greeter = false;
        self
    }

    /// Sets who is told of errors that are the server's: those that became a response with a status
    /// of 500 or more, panics included. The client reads nothing of such an error but its
    /// [reference](ErrorReport::reference). It is told of what cuts an event stream short, too,
    /// where the stream has no [observer](crate::http::sse::Sse::on_end) of its own. By default,
    /// the report is written to standard error, as one line.
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

    /// Adds a rule for the status of errors that a handler passes on by `?`. It gives `None` for
    /// the errors that it does not know; the rule that was added last is asked first.
    ///
    /// The rule is asked where an error becomes a response of this app, and other apps of the
    /// process do not see it. An error whose status was set, by [`Error::new`] or
    /// [`Error::with_status`], keeps it.
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

    /// Tells what is wrong with the routes mapped and the services added so far.
    ///
    /// # Errors
    ///
    /// All faults, each with its place in the source.
    pub fn check(&self) -> Result<(), AppFaults> {
        let router = self.routes.router();
        AppFaults::check(router.check(), router.check_services(&self.services))
    }

    /// The app as a [`tower_service::Service`], to be called by a test or served by something else.
    /// Its settings for the server have no effect then; the shutdown handle still closes its event
    /// streams.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn into_service(self) -> Result<RouterService, AppFaults> {
        self.check()?;
        let Self { mut routes, services, tasks, on_error, max_collected_bytes, .. } = self;
        let mut context = AppContext::new(services.build()?)
            .with_spawner(tasks.spawner())
            .with_max_collected_bytes(max_collected_bytes)
            .with_error_hook(on_error)
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

    /// Listens and serves until Ctrl-C, SIGTERM or the [shutdown handle](Self::with_shutdown) ends
    /// it.
    ///
    /// Then it does what is to be done [before](Self::before_shutdown), accepts no more
    /// connections, closes every subscription with its farewell, and lets requests, finite streams
    /// and [`detached`](crate::detached) handlers finish within the
    /// [deadline](Self::with_shutdown_timeout). A second signal ends it at once.
    ///
    /// # Errors
    ///
    /// - A fault of the routes or the services: all of them are in the message.
    /// - An address that cannot be listened on; the message names it.
    /// - [`TimedOut`](io::ErrorKind::TimedOut) when what was busy at the deadline had to be cut,
    ///   [`Interrupted`](io::ErrorKind::Interrupted) when a second signal came. The cause of either
    ///   is a [`ShutdownError`]; [`exit_code`](crate::exit_code) tells them apart for who started
    ///   the program.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its network and timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts every connection, as soon as the runtime comes to it.
    pub async fn run(self) -> io::Result<()> {
        self.check().map_err(faults)?;
        let listeners = volga_http::bind(self.bind.clone()).await?;
        self.serve(listeners).await
    }

    /// As [`run`](Self::run), on a listener that exists already, one of tokio's for TCP or
    /// Unix-domain sockets.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with_listener(self, listener: impl Into<Listener>) -> io::Result<()> {
        self.serve(vec![listener.into()]).await
    }

    /// As [`run`](Self::run), in a program without a runtime: it makes one that uses all cores.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and inside a runtime, where it would block one of its threads for
    /// ever.
    pub fn run_blocking(self) -> io::Result<()> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(io::Error::other(
                "`run_blocking` was called inside a runtime; use `run().await` there",
            ));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(self.run());
        if ended.as_ref().is_err_and(|error| ShutdownError::of(error).is_some()) {
            // Its time is over: the runtime is not to wait for threads that are blocked.
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
        let ending = Ending { shutdown, before, deadline, tasks };
        let serving = async {
            // Signals are listened for by now, so who has read it may send one.
            if let Some(text) = greeting {
                // Nobody may be reading, and that is no reason not to serve.
                let mut out = io::stdout();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            server.serve_each(listeners, move |info| Answering::new(service.clone(), info)).await
        };
        ending.conduct(serving).await
    }

    fn greeting(&self, listeners: &[Listener]) -> String {
        let places: Vec<Place> = listeners.iter().map(Place::from).collect();
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = if colour { Style::Colour } else { Style::Plain };
        greeting(&places, self.routes.router().routes(), style)
    }
}

/// In one write, so that the lines of two threads do not mix. Nobody may be reading, and that is no
/// reason not to serve.
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
