//! Runs an app: from listening to the end.

use std::io::{self, IsTerminal, Write};

#[cfg(feature = "http3")]
use volga_http::limits::PORT_TRIES;
use volga_http::{BindTarget, DrainOutcome, Listener};

use crate::app::{App, DEFAULT_PORT};
use crate::app_faults::AppFaults;
use crate::background::running::RunningTasks;
use crate::bound::BoundAddress;
use crate::connection_service::ConnectionService;
use crate::exit::{NestedRuntime, ShutdownError};
use crate::greeter::{Style, greeting};
#[cfg(feature = "http3")]
use crate::https::http3;
use crate::https::settings::{AppListeners, HttpsSettings, LoadedTls, serve_redirects};
use crate::shutdown_sequence::ShutdownSequence;

impl App {
    /// Listens and serves until Ctrl-C, SIGTERM or the [shutdown handle](Self::with_shutdown) shuts
    /// the app down.
    ///
    /// At shutdown the app runs the [shutdown hooks](Self::before_shutdown), accepts no
    /// more connections, and closes every subscription with its farewell. Requests, responses and
    /// [`detached`](crate::detached) handlers may finish within the
    /// [deadline](Self::with_shutdown_timeout). A second signal ends the app at once.
    ///
    /// # Errors
    ///
    /// - The routes or the services have errors: the message has all of them.
    /// - The app cannot listen on an address: the message has the address, the reason and what to
    ///   do. The cause is a [`BindError`](crate::BindError).
    /// - The certificates of `with_tls` cannot be used: the message has the file, the line and what
    ///   to do. The cause is a `TlsError`.
    /// - [`TimedOut`](io::ErrorKind::TimedOut): connections or tasks were still busy at the
    ///   deadline, and were aborted. The cause is a [`ShutdownError`].
    /// - [`Interrupted`](io::ErrorKind::Interrupted): a second signal came. The cause is a
    ///   [`ShutdownError`], too.
    ///
    /// The error is also written to standard error as one line, because a `main` that returns it
    /// prints it in the form for programmers. [`without_error_line`](Self::without_error_line)
    /// switches that off.
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
        let line = self.error_line;
        line.write(self.bind_and_serve().await)
    }

    /// Serves as [`run`](Self::run) does, on a listener that exists already, such as a
    /// `TcpListener` or a `UnixListener` of tokio.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](Self::run).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use volga::{App, ok};
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let (mut app, shutdown) = App::new().without_greeter().with_shutdown();
    /// app.map_get("/", || ok!("hello"));
    /// # shutdown.shutdown();
    /// app.run_with_listener(listener).await
    /// # }
    /// ```
    pub async fn run_with_listener(self, listener: impl Into<Listener>) -> io::Result<()> {
        let line = self.error_line;
        line.write(self.serve_on(listener.into()).await)
    }

    /// Serves as [`run`](Self::run) does, in a program without a runtime. It creates a tokio
    /// runtime that uses all cores.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`run`](Self::run). Returns an error inside of a runtime, because
    /// it would block a thread of the runtime for ever.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use volga::{App, ok};
    ///
    /// let (mut app, shutdown) = App::new().bind("localhost:0").without_greeter().with_shutdown();
    /// app.map_get("/", || ok!("hello"));
    /// # shutdown.shutdown();
    /// app.run_blocking()
    /// # }
    /// ```
    pub fn run_blocking(self) -> io::Result<()> {
        let line = self.error_line;
        line.write(self.block_on_run())
    }

    fn block_on_run(self) -> io::Result<()> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(io::Error::other(NestedRuntime));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(self.bind_and_serve());
        if ended.as_ref().is_err_and(|error| ShutdownError::of(error).is_some()) {
            // The deadline has passed, so the runtime must not wait for blocked threads.
            runtime.shutdown_background();
        }
        ended
    }

    /// Listens, and returns the app with its addresses. [`ListeningApp::run`] serves it. Clients
    /// may connect before that. They wait until the app serves.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// use volga::App;
    ///
    /// let (app, shutdown) = App::new().bind("127.0.0.1:0").with_shutdown();
    /// let app = app.listen().await?;
    /// let address = app.addresses()[0].tcp().expect("TCP");
    /// assert_ne!(address.port(), 0);
    /// # shutdown.shutdown();
    /// app.run().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of the start that [`run`](Self::run) returns, and writes them to standard
    /// error as `run` does.
    pub async fn listen(self) -> io::Result<ListeningApp> {
        let line = self.error_line;
        line.write(self.bind_all().await)
    }

    async fn bind_all(mut self) -> io::Result<ListeningApp> {
        self.check().map_err(faults)?;
        #[cfg(feature = "http3")]
        self.https.http3.check_webtransport(self.has_webtransport())?;
        let tls = self.https.load()?;
        let listeners = bind_listeners(&self.https, &self.targets, &tls).await?;
        self.bound.0.send_replace(BoundAddress::of_all(&listeners));
        Ok(ListeningApp { app: self, listeners })
    }

    async fn serve_on(mut self, listener: Listener) -> io::Result<()> {
        #[cfg(feature = "http3")]
        self.https.http3.check_webtransport(self.has_webtransport())?;
        let tls = self.https.load()?;
        let bind = async { Ok::<_, io::Error>(vec![listener]) };
        let listeners = self.https.listeners(&tls, bind).await?;
        self.bound.0.send_replace(BoundAddress::of_all(&listeners));
        self.serve(listeners).await
    }

    async fn bind_and_serve(self) -> io::Result<()> {
        let ListeningApp { app, listeners } = self.bind_all().await?;
        app.serve(listeners).await
    }

    /// Whether a route opens WebTransport sessions.
    #[cfg(feature = "http3")]
    fn has_webtransport(&self) -> bool {
        self.streams().has_webtransport.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn serve(mut self, mut listeners: AppListeners) -> io::Result<()> {
        let greeting = self.greeter.then(|| self.greeting(&listeners));
        let Self { deadline, .. } = self;
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        let server = self.server.clone().drain_deadline(deadline).drain(shutdown.drain.clone());
        let server = server.counts(self.counters().connections);
        let shutdown_hooks = std::mem::take(&mut self.shutdown_hooks);
        #[cfg(feature = "http3")]
        let has_webtransport = self.has_webtransport();
        #[cfg(feature = "http3")]
        self.https.http3.announce(&listeners.http3, self.https.port);
        let (service, background) = self.into_service_and_tasks().map_err(faults)?;
        let sequence = ShutdownSequence { shutdown, shutdown_hooks, deadline, tasks };
        // Dropped, and so aborted, after the wait for tasks is over.
        let mut running = RunningTasks::default();
        let serving = async {
            // The signal handlers are installed by now, so a reader of the greeting may send a
            // signal.
            if let Some(text) = greeting {
                // The app serves even if standard output is closed.
                let mut out = io::stdout();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            running = background.start();
            let served = std::mem::take(&mut listeners.served);
            #[cfg(feature = "http3")]
            let http3 = http3::serve(
                server.clone(),
                std::mem::take(&mut listeners.http3),
                service.clone(),
                has_webtransport,
            );
            let redirects = serve_redirects(server.clone(), &mut listeners);
            let app = server.serve_each(served, move |info| ConnectionService::new(&service, info));
            #[cfg(feature = "http3")]
            let app = async { tokio::try_join!(app, http3).map(|(app, http3)| both(app, http3)) };
            let (app, redirects) = tokio::try_join!(app, redirects)?;
            Ok(both(app, redirects))
        };
        let ended = sequence.run(serving).await;
        drop(running);
        ended
    }

    fn greeting(&self, listeners: &AppListeners) -> String {
        let addresses: Vec<_> = listeners
            .all()
            .map(|(scheme, listener)| (scheme, BoundAddress::from(listener)))
            .collect();
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = if colour { Style::Colour } else { Style::Plain };
        greeting(&addresses, self.router().routes(), style)
    }
}

/// An app that listens and does not serve yet. [`App::listen`] returns it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// use volga::{App, ok};
///
/// let (mut app, shutdown) = App::new().bind("localhost:0").without_greeter().with_shutdown();
/// app.map_get("/", || ok!("hello"));
/// let listening = app.listen().await?;
/// for address in listening.addresses() {
///     println!("http://{address}");
/// }
/// # shutdown.shutdown();
/// listening.run().await
/// # }
/// ```
#[must_use = "an app does nothing until it runs"]
#[derive(Debug)]
pub struct ListeningApp {
    app: App,
    listeners: AppListeners,
}

impl ListeningApp {
    /// The addresses at which the app listens, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> Vec<BoundAddress> {
        BoundAddress::of_all(&self.listeners)
    }

    /// Serves as [`App::run`] does.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`App::run`].
    pub async fn run(self) -> io::Result<()> {
        let Self { app, listeners } = self;
        let line = app.error_line;
        line.write(app.serve(listeners).await)
    }
}

/// Binds all addresses of an app.
async fn bind_listeners(
    https: &HttpsSettings,
    targets: &[BindTarget],
    tls: &LoadedTls,
) -> io::Result<AppListeners> {
    let bind = async || {
        if targets.is_empty() {
            volga_http::bind(BindTarget::localhost(DEFAULT_PORT)).await
        } else {
            volga_http::bind_all(targets.iter().cloned()).await
        }
    };
    #[cfg(feature = "http3")]
    for _ in 1..PORT_TRIES {
        // The system may choose a port for TCP that is in use over UDP. Let it choose again.
        match https.listeners(tls, bind()).await {
            Err(error) if https.http3.is_on && is_in_use(&error) => {}
            result => return result,
        }
    }
    https.listeners(tls, bind()).await
}

/// How two servers have drained.
fn both(one: DrainOutcome, other: DrainOutcome) -> DrainOutcome {
    match (one, other) {
        (
            DrainOutcome::Incomplete { connections },
            DrainOutcome::Incomplete { connections: others },
        ) => DrainOutcome::Incomplete { connections: connections + others },
        (DrainOutcome::Complete, outcome) | (outcome, DrainOutcome::Complete) => outcome,
    }
}

/// Whether the address is in use.
#[cfg(feature = "http3")]
fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn faults(faults: AppFaults) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, faults)
}
