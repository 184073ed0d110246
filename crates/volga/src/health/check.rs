//! `ReadinessCheck`: a check as it was added, and its last result.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use volga_core::{
    AppContext, BoxFuture, CancellationToken, Error, Handler, Needs, ServiceConsumer,
};

use crate::background::args::{AppArgs, CallContext};
use crate::background::supervisor::run_in_task;

/// How long a readiness check may take by default: 2 seconds.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the result of a readiness check is kept by default: 1 second.
pub const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// An async function of up to five [`AppArg`](crate::di::AppArg)s as a [readiness
/// check](crate::App::add_readiness_check).
#[diagnostic::on_unimplemented(
    message = "this is not a readiness check: a check is an async function of services",
    label = "not a readiness check",
    note = "a check is `Clone + Send + Sync + 'static`, takes up to five services (`Dc<T>`), and returns `bool` or `Result<(), volga::error::Error>`: `async |database: Dc<Database>| database.ping().await`"
)]
pub trait CheckFunction<Args>: Clone + Send + Sync + 'static {
    /// Calls the function.
    #[doc(hidden)]
    fn check(self, args: Args) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<F, Args> CheckFunction<Args> for F
where
    F: Handler<Args, Output: Future<Output: CheckOutput> + Send> + Clone + Send + Sync + 'static,
    Args: Send,
{
    async fn check(self, args: Args) -> Result<(), Error> {
        self.call(args).await.into_result()
    }
}

/// A type that a [readiness check](crate::App::add_readiness_check) may return: `bool`, or a
/// `Result` with an error that [`Error`] takes by `?`.
#[diagnostic::on_unimplemented(
    message = "a readiness check returns `bool` or `Result<(), volga::error::Error>`",
    label = "this is what the check returns"
)]
pub trait CheckOutput {
    /// Turns the output into a result.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Error>;
}

impl CheckOutput for bool {
    fn into_result(self) -> Result<(), Error> {
        if self { Ok(()) } else { Err(Error::server_error("the check returned `false`")) }
    }
}

impl<E> CheckOutput for Result<(), E>
where
    Error: From<E>,
{
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Error::from)
    }
}

/// A check took too long.
#[derive(Debug, thiserror::Error)]
#[error("the check took longer than {0:?}, and was dropped")]
struct TimedOut(Duration);

/// A [readiness check](crate::App::add_readiness_check) that was added to an app, to change its
/// settings. Clones are the same check.
///
/// ```
/// use std::time::Duration;
/// use volga::App;
///
/// let mut app = App::new();
/// app.add_readiness_check("queue", async || true)
///     .timeout(Duration::from_millis(500))
///     .interval(Duration::from_secs(5));
/// app.map_readiness("/ready");
/// # app.check().unwrap();
/// ```
#[derive(Clone)]
pub struct ReadinessCheck(Arc<CheckInner>);

struct CheckInner {
    name: &'static str,
    location: &'static Location<'static>,
    needs: Needs,
    settings: Mutex<CheckSettings>,
    state: watch::Sender<CheckState>,
    run: Box<dyn RunCheck>,
}

#[derive(Clone, Copy)]
struct CheckSettings {
    timeout: Duration,
    interval: Duration,
}

#[derive(Default)]
struct CheckState {
    is_running: bool,
    /// When the last run ended, and whether the check passed.
    last: Option<(Instant, bool)>,
}

impl ReadinessCheck {
    pub(super) fn new<F, Args>(
        name: &'static str,
        check: F,
        location: &'static Location<'static>,
    ) -> Self
    where
        F: CheckFunction<Args>,
        Args: AppArgs + Send + 'static,
    {
        let mut needs = Needs::default();
        Args::needs(&mut needs);
        let (timeout, interval) = (DEFAULT_CHECK_TIMEOUT, DEFAULT_CHECK_INTERVAL);
        let settings = Mutex::new(CheckSettings { timeout, interval });
        let state = watch::Sender::default();
        let run = Box::new(TypedCheck(check, PhantomData));
        Self(Arc::new(CheckInner { name, location, needs, settings, state, run }))
    }

    /// Sets how long the check may take,
    /// [`DEFAULT_CHECK_TIMEOUT`](crate::limits::DEFAULT_CHECK_TIMEOUT) by default. Then it is
    /// dropped, and has failed. Set less than your load balancer waits for the route.
    pub fn timeout(&self, time: Duration) -> &Self {
        self.settings_mut().timeout = time;
        self
    }

    /// Sets how long a result is kept,
    /// [`DEFAULT_CHECK_INTERVAL`](crate::limits::DEFAULT_CHECK_INTERVAL) by default. With zero, the
    /// check runs again for each request that comes while it does not run.
    pub fn interval(&self, time: Duration) -> &Self {
        self.settings_mut().interval = time;
        self
    }

    fn settings_mut(&self) -> MutexGuard<'_, CheckSettings> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> &'static str {
        self.0.name
    }

    /// The check as the checks at start-up see it. The name is `readiness check NAME`.
    pub(super) fn consumer<'a>(&'a self, name: &'a str) -> ServiceConsumer<'a> {
        ServiceConsumer { name, location: self.0.location, needs: &self.0.needs }
    }

    /// Whether the check passes. Runs it, unless it runs already or its last result is still good.
    pub(super) async fn passes(&self, app: &AppContext) -> bool {
        let settings = *self.settings_mut();
        let mut state = self.0.state.subscribe();
        let mut fresh = None;
        let starts = self.0.state.send_if_modified(|state| {
            fresh = state.last.filter(|(at, _)| at.elapsed() < settings.interval);
            let starts = fresh.is_none() && !state.is_running;
            state.is_running |= starts;
            starts
        });
        if let Some((_, passes)) = fresh {
            return passes;
        }
        if starts {
            // In a task: a client that leaves must not start the check anew for the next one.
            drop(tokio::spawn(self.clone().run(app.clone(), settings.timeout)));
        }
        match state.wait_for(|state| !state.is_running).await {
            Ok(state) => state.last.is_some_and(|(_, passes)| passes),
            // The sender is in `self`.
            Err(_) => false,
        }
    }

    async fn run(self, app: AppContext, limit: Duration) {
        let ends = EndOfRun(&self.0.state);
        let (shutdown, _guard) = CancellationToken::with_guard();
        let context = CallContext { scope: app.services().scope(), shutdown };
        let result = match timeout(limit, run_in_task(self.0.run.run(context))).await {
            Ok(result) => result,
            Err(_) => Err(Error::server_error(TimedOut(limit))),
        };
        let passed_before = ends.end(result.is_ok());
        if let Err(error) = result
            && passed_before != Some(false)
        {
            app.report_task_error(&format!("readiness check {}", self.0.name), &error);
        }
    }
}

/// Ends a run. If it is dropped before, the runtime ends, and the check has failed.
struct EndOfRun<'a>(&'a watch::Sender<CheckState>);

impl EndOfRun<'_> {
    /// Returns whether the check passed the last time.
    fn end(self, passes: bool) -> Option<bool> {
        let mut before = None;
        self.0.send_modify(|state| {
            before = state.last.map(|(_, passes)| passes);
            *state = CheckState { is_running: false, last: Some((Instant::now(), passes)) };
        });
        before
    }
}

impl Drop for EndOfRun<'_> {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| std::mem::take(&mut state.is_running));
    }
}

impl fmt::Debug for ReadinessCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessCheck").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// A function and the type of its arguments.
struct TypedCheck<F, Args>(F, PhantomData<fn() -> Args>);

/// A check whose type is erased.
trait RunCheck: Send + Sync {
    fn run(&self, context: CallContext) -> BoxFuture<Result<(), Error>>;
}

impl<F, Args> RunCheck for TypedCheck<F, Args>
where
    F: CheckFunction<Args>,
    Args: AppArgs + Send + 'static,
{
    fn run(&self, context: CallContext) -> BoxFuture<Result<(), Error>> {
        let check = self.0.clone();
        Box::pin(async move { check.check(Args::make(&context).await?).await })
    }
}
