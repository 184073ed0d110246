//! `App`: routes and settings, and the server that it becomes.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    io::{self, Write},
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::sync::watch;
use volga_core::{
    AppContext, DEFAULT_MAX_COLLECTED_BYTES, ErrorReport, RouterService, ServicesBuilder,
};
use volga_http::{BindTarget, Server, limits::DEFAULT_DRAIN_DEADLINE};

use crate::app_faults::{AppFaults, SettingFault};
use crate::background::registration::BackgroundTask;
use crate::background::running::{NEEDS_RUNTIME, ReadyTasks};
use crate::bound::{BoundAddress, BoundAddresses};
use crate::counters::Counters;
use crate::exit::ErrorLine;
use crate::group::Group;
use crate::health::checks::{CheckNeeds, Readiness};
use crate::https::{client_scheme::ClientScheme, hsts, settings::HttpsSettings};
use crate::shutdown::ShutdownHandle;
use crate::shutdown_sequence::{ShutdownHook, ShutdownHooks};
use crate::sse_status;
use crate::streams::{Streams, is_tunnel};
use crate::tasks::Tasks;
use crate::tower_status;
use crate::trusted_proxies;
use crate::trusted_proxy::TrustedProxy;

/// The port of an app that does not call [`App::bind`].
pub(crate) const DEFAULT_PORT: u16 = 7878;

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
    /// Where the app listens. Empty for the default.
    pub(crate) targets: Vec<BindTarget>,
    pub(crate) bound: (watch::Sender<Vec<BoundAddress>>, BoundAddresses),
    pub(crate) setting_faults: Vec<SettingFault>,
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
    pub(crate) https: HttpsSettings,
    pub(crate) server: Server,
    pub(crate) shutdown_hooks: ShutdownHooks,
    pub(crate) deadline: Duration,
    pub(crate) max_collected_bytes: usize,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) tasks: Tasks,
    pub(crate) background: Vec<BackgroundTask>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) greeter: bool,
    pub(crate) error_line: ErrorLine,
    on_error: Box<dyn Fn(&ErrorReport<'_>) + Send + Sync>,
    status_rules: Vec<StatusRule>,
}

/// Adds a rule for the status of errors to the context of the app.
type StatusRule = Box<dyn FnOnce(AppContext) -> AppContext + Send + Sync>;

impl App {
    /// Creates an app without routes. It listens on port 7878 for clients on the same machine:
    /// `localhost`, `127.0.0.1` and `[::1]` all reach it.
    pub fn new() -> Self {
        let shutdown = ShutdownHandle::default();
        let streams = Streams { group: shutdown.streams.clone(), ..Streams::default() };
        Self {
            routes: Group::new(streams),
            services: ServicesBuilder::new(),
            targets: Vec::new(),
            bound: BoundAddresses::new(),
            setting_faults: Vec::new(),
            trusted_proxies: Vec::new(),
            https: HttpsSettings::default(),
            server: Server::new(),
            shutdown_hooks: ShutdownHooks::default(),
            deadline: DEFAULT_DRAIN_DEADLINE,
            max_collected_bytes: DEFAULT_MAX_COLLECTED_BYTES,
            shutdown,
            tasks: Tasks::default(),
            background: Vec::new(),
            readiness: Arc::default(),
            greeter: cfg!(debug_assertions),
            error_line: ErrorLine::Written,
            on_error: Box::new(log),
            status_rules: Vec::new(),
        }
    }

    /// Adds an address to listen on: `"host:port"`, a `SocketAddr`, or an IP address and a port
    /// such as `([0, 0, 0, 0], 8080)`. For a host name the app listens on every address of the
    /// host. With port 0 the system chooses a port, which [`listen`](Self::listen) and
    /// [`bound_addresses`](Self::bound_addresses) tell. `"unix:/run/app.sock"` is a Unix-domain
    /// socket, and `"inherited:"` stands for the sockets that systemd opened for the process.
    /// [`BindTarget`] has the details.
    ///
    /// Call it once for each address. Without a call the app listens on port 7878 of localhost.
    ///
    /// ```
    /// let app = volga::App::new().bind("localhost:8080").bind("unix:/run/app.sock");
    /// # let _ = app;
    /// ```
    pub fn bind(mut self, target: impl Into<BindTarget>) -> Self {
        self.targets.push(target.into());
        self
    }

    /// Sets all addresses to listen on, instead of those that were added so far. Without any
    /// address it changes nothing, so it takes the arguments of the command line:
    /// `app.with_addresses(std::env::args().skip(1))`.
    pub fn with_addresses<T: Into<BindTarget>>(
        mut self,
        targets: impl IntoIterator<Item = T>,
    ) -> Self {
        let targets: Vec<BindTarget> = targets.into_iter().map(Into::into).collect();
        if !targets.is_empty() {
            self.targets = targets;
        }
        self
    }

    /// Returns the addresses at which the app listens once it runs.
    #[must_use]
    pub fn bound_addresses(&self) -> BoundAddresses {
        self.bound.1.clone()
    }

    /// Trusts these proxies: addresses (`127.0.0.1`), networks (`10.0.0.0/8`), and `unix` for
    /// clients without an address, such as those of a Unix-domain socket. A second call adds to the
    /// first.
    ///
    /// If a trusted proxy has removed a prefix from the path, and says so by `X-Forwarded-Prefix`,
    ///
    /// - the prefix is added to the `Location` of responses with status 3xx or 201, if it is a path
    ///   such as `/login`, or a URI with the scheme and the authority of the request;
    /// - [`OriginalUri`](crate::http::OriginalUri) has the prefix: the URI as the client knows it;
    /// - handlers and middleware take it as [`ForwardedPrefix`](crate::http::ForwardedPrefix), to
    ///   write links.
    ///
    /// If a trusted proxy says by `X-Forwarded-Proto` or `Forwarded` whether its client asked over
    /// HTTPS, [`ClientScheme`](crate::http::ClientScheme) has that scheme. A value that is neither
    /// `http` nor `https` is answered with 400.
    ///
    /// Routes do not change: they match the path without the prefix. A prefix that is not a path
    /// such as `/shop`, or that comes twice, is answered with 400. The header is removed from
    /// requests of anybody else. Let the proxy set or remove the header, because it would otherwise
    /// pass on what its own client has sent.
    ///
    /// An address that is not valid is an error of [`check`](Self::check) and [`run`](Self::run).
    ///
    /// ```
    /// use volga::{App, http::ForwardedPrefix, ok};
    ///
    /// let mut app = App::new().with_trusted_proxies(["127.0.0.1", "::1", "unix"]);
    /// app.map_get("/", async |prefix: ForwardedPrefix| ok!("the tea is at {prefix}/tea"));
    /// # app.check().unwrap();
    /// ```
    pub fn with_trusted_proxies<T: AsRef<str>>(
        mut self,
        proxies: impl IntoIterator<Item = T>,
    ) -> Self {
        for proxy in proxies {
            match TrustedProxy::parse(proxy.as_ref()) {
                Ok(proxy) => self.trusted_proxies.push(proxy),
                Err(reason) => {
                    self.setting_faults.push(SettingFault::method("with_trusted_proxies", reason));
                }
            }
        }
        self
    }

    /// Trusts these proxies and no others.
    pub(crate) fn with_trusted(mut self, proxies: Vec<TrustedProxy>) -> Self {
        self.trusted_proxies = proxies;
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
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// let app = App::new()
    ///     .before_shutdown(async || println!("the app says goodbye"))
    ///     .with_before_shutdown_timeout(Duration::from_secs(5))
    ///     .with_shutdown_timeout(Duration::from_secs(20))
    ///     .with_upload_grace(Duration::from_secs(5));
    /// # drop(app);
    /// ```
    pub fn before_shutdown<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let hook: ShutdownHook = Box::new(|| Box::pin(hook()));
        self.shutdown_hooks.hooks.push(hook);
        self
    }

    /// Sets the time limit of the [shutdown hooks](Self::before_shutdown),
    /// [`DEFAULT_BEFORE_SHUTDOWN`](crate::limits::DEFAULT_BEFORE_SHUTDOWN) by default.
    pub fn with_before_shutdown_timeout(mut self, time: Duration) -> Self {
        self.shutdown_hooks.time = time;
        self
    }

    /// Returns the app with a handle that shuts it down.
    pub fn with_shutdown(self) -> (Self, ShutdownHandle) {
        let handle = self.shutdown.clone();
        (self, handle)
    }

    /// Starts without the greeting. Release builds never print it.
    ///
    /// ```
    /// use volga::App;
    ///
    /// // A program that prints its own lines.
    /// let app = App::new().without_greeter().without_error_line();
    /// # drop(app);
    /// ```
    pub fn without_greeter(mut self) -> Self {
        self.greeter = false;
        self
    }

    /// Does not write the error of [`run`](Self::run) to standard error. The program then has to
    /// show it by itself; [`exit_code`](crate::exit_code) does not do it, either.
    pub fn without_error_line(mut self) -> Self {
        self.error_line = ErrorLine::Off;
        self
    }

    /// Sets a function that is called for each server error: an error or a panic that became a
    /// response with a status of 500 or more, and a response with status 500 that was not created
    /// from an error. The client sees only the status and the
    /// [reference](ErrorReport::reference) number of such an error. The function is also called for
    /// an error in an event stream, unless the stream has its own
    /// [observer](crate::http::sse::Sse::on_end). By default the report is written to standard
    /// error as one line.
    ///
    /// ```
    /// use volga::App;
    ///
    /// let app = App::new()
    ///     .on_error(|report| eprintln!("{} failed: {report}", report.path()));
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
        self.status_rules.push(Box::new(move |context| context.with_status_rule(rule)));
        self
    }

    /// Adds a rule for the status of errors of one type, such as one that derives
    /// `thiserror::Error`. It applies to an error of this type, and to an error that has one as a
    /// cause, such as an `anyhow::Error` with a context. Everything else is as for
    /// [`with_status_rule`](Self::with_status_rule).
    ///
    /// ```
    /// use volga::{App, http::StatusCode, ok};
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("there is no {0} here")]
    /// struct Unknown(String);
    ///
    /// let mut app = App::new().with_error_status(|_: &Unknown| StatusCode::NOT_FOUND);
    /// app.map_get("/shop/{item}", async |item: String| -> Result<String, Unknown> {
    ///     Err(Unknown(item))
    /// });
    /// # app.check().unwrap();
    /// ```
    pub fn with_error_status<E: StdError + 'static>(
        mut self,
        status: impl Fn(&E) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        self.status_rules.push(Box::new(move |context| context.with_error_status(status)));
        self
    }

    /// The counters of the app's connections and event streams.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.routes.streams().counters.clone()
    }

    /// Checks the routes and the services that were added so far, and the settings.
    ///
    /// # Errors
    ///
    /// Returns all errors in them, each with its place in the source.
    pub fn check(&self) -> Result<(), AppFaults> {
        let router = self.routes.router();
        let names: Vec<_> = self
            .background
            .iter()
            .map(|task| format!("background task `{}`", task.name()))
            .collect();
        let tasks = self.background.iter().zip(&names).map(|(task, name)| task.consumer(name));
        let checks = self.readiness.needs();
        let checks = checks.iter().map(CheckNeeds::consumer);
        let services = router.check_services_with(&self.services, tasks.chain(checks));
        AppFaults::check(&self.setting_faults, router.check(), services)
    }

    /// Turns the app into a [`tower_service::Service`], for a test or another server. The settings
    /// of the server have no effect then. The shutdown handle still closes the event streams.
    ///
    /// [Background tasks](Self::add_background_task) start in the current tokio runtime, and the
    /// shutdown handle tells them to end. Nothing waits for them.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`check`](Self::check). Returns an error if the app has
    /// background tasks, and no tokio runtime is at hand.
    pub fn into_service(self) -> Result<RouterService, AppFaults> {
        let can_start = ReadyTasks::can_start(&self.background);
        let (service, tasks) = self.into_service_and_tasks()?;
        if !can_start {
            let fault = SettingFault::method("add_background_task", NEEDS_RUNTIME.to_owned());
            return Err(fault.into());
        }
        tasks.start().detach();
        Ok(service)
    }

    /// Turns the app into a service, and into its background tasks, which do not run yet.
    pub(crate) fn into_service_and_tasks(self) -> Result<(RouterService, ReadyTasks), AppFaults> {
        self.check()?;
        let shutdown = self.shutdown_handle();
        let Self { mut routes, services, tasks, on_error, max_collected_bytes, https, .. } = self;
        if let Some(hsts) = https.hsts {
            routes.router_mut().add_outermost(hsts::middleware(hsts));
        }
        #[cfg(feature = "http3")]
        if https.http3.is_on {
            routes.router_mut().add_outermost(https.http3.middleware());
        }
        if !self.trusted_proxies.is_empty() {
            routes.router_mut().add_outermost(trusted_proxies::middleware(self.trusted_proxies));
        }
        let mut context = AppContext::new(services.build()?)
            .with_spawner(tasks.spawner())
            .with_max_collected_bytes(max_collected_bytes)
            .with_error_hook(on_error)
            .with_response_watch(routes.streams())
            .with_upgrade_check(is_tunnel)
            .with_https_check(|extensions| ClientScheme::of(extensions).is_https())
            .with_status_rule(tower_status::status_of)
            .with_status_rule(sse_status::status_of);
        for add_rule in self.status_rules {
            context = add_rule(context);
        }
        self.readiness.start(&context);
        let ready = ReadyTasks { list: self.background, app: context.clone(), shutdown, tasks };
        routes.router_mut().set_context(context);
        Ok((routes.into_service()?, ready))
    }

    pub(crate) fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    pub(crate) fn services_mut(&mut self) -> &mut ServicesBuilder {
        &mut self.services
    }
}

/// Writes a report to standard error, in one write, so that the lines of two threads do not mix.
/// The app serves even if standard error is closed.
fn log(report: &ErrorReport<'_>) {
    let _ = io::stderr().write_all(format!("{report}\n").as_bytes());
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
            .field("targets", &self.targets)
            .field("routes", self.routes.router())
            .finish_non_exhaustive()
    }
}
