//! `App`: routes and settings, and the server that they become.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    pin::pin,
    time::Duration,
};

use http::Method;
use tokio::net::TcpListener;
use volga_core::{Handler, HandlerEndpoint, RouteFaults, Router, RouterService};
use volga_http::{BindTarget, Drained, Server, limits::DEFAULT_DRAIN_DEADLINE, shutdown_signal};

use crate::{
    ShutdownHandle,
    endpoint::StreamEndpoint,
    greeter::{Style, greeting},
};

/// The port of an app that was told none.
const DEFAULT_PORT: u16 = 7878;

/// A web application: its routes and its settings.
///
/// Settings are made by value, before the routes; [`run`](Self::run) serves it until it is told to end.
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
/// # Patterns
///
/// A pattern is a path whose segments may be `{arguments}`, which the handler takes by position. A static segment goes before an argument. One
/// trailing slash is ignored. GET answers HEAD too, unless HEAD is mapped itself. What is wrong with a route is told by [`check`](Self::check) and by
/// [`run`](Self::run), all at once.
#[must_use = "an app does nothing until it runs"]
pub struct App {
    router: Router,
    bind: BindTarget,
    server: Server,
    deadline: Duration,
    shutdown: ShutdownHandle,
    greeter: bool,
}

macro_rules! map_methods {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => { $(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<Args, Kind>(&mut self, pattern: &str, handler: impl Handler<Args, Kind>) -> &mut Self
        where
            Args: 'static,
            Kind: 'static,
        {
            self.map(Method::$method, pattern, handler)
        }
    )* };
}

impl App {
    /// An app without routes that listens on port 7878 of this machine alone: `localhost`, `127.0.0.1` and `[::1]` all reach it.
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            bind: BindTarget::localhost(DEFAULT_PORT),
            server: Server::new(),
            deadline: DEFAULT_DRAIN_DEADLINE,
            shutdown: ShutdownHandle::default(),
            greeter: cfg!(debug_assertions),
        }
    }

    /// Sets what to listen on: `"host:port"`, a `SocketAddr`, or an IP address and a port such as `([0, 0, 0, 0], 8080)`. A host name means
    /// every address that it has; port 0 lets the system choose.
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

    /// Sets how long requests and answers may go on once the app was told to end,
    /// [`DEFAULT_DRAIN_DEADLINE`](crate::limits::DEFAULT_DRAIN_DEADLINE) by default.
    pub fn with_shutdown_timeout(mut self, time: Duration) -> Self {
        self.deadline = time;
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

    map_methods! {
        /// Maps a handler for GET, which answers HEAD too.
        map_get GET;
        /// Maps a handler for POST.
        map_post POST;
        /// Maps a handler for PUT.
        map_put PUT;
        /// Maps a handler for PATCH.
        map_patch PATCH;
        /// Maps a handler for DELETE.
        map_delete DELETE;
        /// Maps a handler for HEAD, in place of the one for GET.
        map_head HEAD;
        /// Maps a handler for OPTIONS.
        map_options OPTIONS;
        /// Maps a handler for TRACE.
        map_trace TRACE;
        /// Maps a handler for CONNECT.
        map_connect CONNECT;
    }

    /// Maps a handler for any method.
    #[track_caller]
    pub fn map<H, Args, Kind>(&mut self, method: Method, pattern: &str, handler: H) -> &mut Self
    where
        H: Handler<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        let endpoint = StreamEndpoint {
            inner: HandlerEndpoint::new(handler),
            streams: self.shutdown.streams.clone(),
        };
        self.router.map_with_args(method, pattern, H::PATH_ARGS, endpoint);
        self
    }

    /// Tells what is wrong with the routes mapped so far.
    ///
    /// # Errors
    ///
    /// All faults, each with its place in the source.
    pub fn check(&self) -> Result<(), RouteFaults> {
        self.router.check()
    }

    /// The app as a [`tower_service::Service`], to be called by a test or served by something else. Its settings for the server have no effect then; the
    /// shutdown handle still closes its event streams.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn into_service(self) -> Result<RouterService, RouteFaults> {
        self.router.into_service()
    }

    /// Listens and serves until Ctrl-C, SIGTERM or the [shutdown handle](Self::with_shutdown) ends it.
    ///
    /// Then it accepts no more connections, closes every subscription with its farewell, and lets requests and answers finish within the
    /// [deadline](Self::with_shutdown_timeout).
    ///
    /// # Errors
    ///
    /// - A fault of the routes: all of them are in the message.
    /// - An address that cannot be listened on; the message names it.
    /// - [`TimedOut`](io::ErrorKind::TimedOut) when connections had to be cut at the deadline.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its network and timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts every connection at once.
    pub async fn run(self) -> io::Result<()> {
        self.check().map_err(faults)?;
        let listeners = volga_http::bind(self.bind.clone()).await?;
        self.serve(listeners).await
    }

    /// As [`run`](Self::run), on a listener that exists already.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with_listener(self, listener: TcpListener) -> io::Result<()> {
        self.serve(vec![listener]).await
    }

    /// As [`run`](Self::run), in a program without a runtime: it makes one that uses all cores.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and inside a runtime, where it would block one of its threads for ever.
    pub fn run_blocking(self) -> io::Result<()> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(io::Error::other(
                "`run_blocking` was called inside a runtime; use `run().await` there",
            ));
        }
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.run())
    }

    async fn serve(self, listeners: Vec<TcpListener>) -> io::Result<()> {
        if self.greeter {
            self.greet(&listeners)?;
        }
        let service = self.router.into_service().map_err(faults)?;
        let server = self.server.drain_deadline(self.deadline).drain(self.shutdown.drain.clone());
        let mut serving = pin!(server.serve(listeners, service));

        let drained = tokio::select! {
            drained = &mut serving => drained?,
            end = shutdown_signal() => {
                end?;
                self.shutdown.shutdown();
                serving.await?
            }
        };
        match drained {
            Drained::Complete => Ok(()),
            Drained::Cut { connections } => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "{connections} connections were still busy {:?} after the end began, and were cut",
                    self.deadline
                ),
            )),
        }
    }

    fn greet(&self, listeners: &[TcpListener]) -> io::Result<()> {
        let addresses: Vec<_> =
            listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let mut out = io::stdout();
        let colour =
            out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = if colour { Style::Colour } else { Style::Plain };
        let text = greeting(&addresses, self.router.routes(), style);
        // Nobody may be reading, and that is no reason not to serve.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        Ok(())
    }
}

fn faults(faults: RouteFaults) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, faults)
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
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
