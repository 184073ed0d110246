//! `BackgroundTask`: a task as it was added, with its settings.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use volga_core::{BoxFuture, Error, Handler, Needs, ServiceConsumer};

use crate::background::args::{AppArgs, CallContext};
use crate::background::policy::TaskPolicy;

/// An async function of up to five [`AppArg`](crate::di::AppArg)s as a [background
/// task](crate::App::add_background_task). It returns `()` or a `Result`.
#[diagnostic::on_unimplemented(
    message = "this is not a background task: a task is an async function of services",
    label = "not a background task",
    note = "a task is `Clone + Send + Sync + 'static`, takes up to five services (`Dc<T>`) and `CancellationToken`s, and returns `()` or `Result<(), volga::error::Error>`: `async |shutdown: CancellationToken, hub: Dc<Hub>| {{ .. }}`"
)]
pub trait TaskFunction<Args>: Clone + Send + Sync + 'static {
    /// Calls the function.
    #[doc(hidden)]
    fn start(self, args: Args) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<F, Args> TaskFunction<Args> for F
where
    F: Handler<Args, Output: Future<Output: TaskOutput> + Send> + Clone + Send + Sync + 'static,
    Args: Send,
{
    async fn start(self, args: Args) -> Result<(), Error> {
        self.call(args).await.into_result()
    }
}

/// A type that a [background task](crate::App::add_background_task) may return: `()`, a `Result`
/// with an error that [`Error`] takes by `?`, or nothing at all if it loops without an end.
#[diagnostic::on_unimplemented(
    message = "a background task returns `()` or `Result<(), volga::error::Error>`",
    label = "this is what the task returns"
)]
pub trait TaskOutput {
    /// Turns the output into a result.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Error>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E> TaskOutput for Result<(), E>
where
    Error: From<E>,
{
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Error::from)
    }
}

/// Names the type that a function returns.
#[doc(hidden)]
pub trait Returns {
    /// The type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// The type `!` of a task that loops without an end, as in `async || loop { … }`. It has no name on
/// stable Rust.
type Never = <fn() -> ! as Returns>::Output;

impl TaskOutput for Never {
    fn into_result(self) -> Result<(), Error> {
        match self {}
    }
}

/// A [background task](crate::App::add_background_task) that was added to an app, to change its
/// settings.
///
/// ```
/// use volga::{App, TaskPolicy};
///
/// async fn import() -> std::io::Result<()> {
///     // …
///     Ok(())
/// }
///
/// let mut app = App::new();
/// app.add_background_task("import", import).may_finish().policy(TaskPolicy::StopApp);
/// # app.check().unwrap();
/// ```
pub struct BackgroundTask {
    name: &'static str,
    location: &'static Location<'static>,
    needs: Needs,
    policy: TaskPolicy,
    may_finish: bool,
    start: Box<dyn StartTask>,
}

impl BackgroundTask {
    pub(super) fn new<F, Args>(
        name: &'static str,
        task: F,
        location: &'static Location<'static>,
    ) -> Self
    where
        F: TaskFunction<Args>,
        Args: AppArgs + Send + 'static,
    {
        let mut needs = Needs::default();
        Args::needs(&mut needs);
        let start = Box::new(TypedTask(task, PhantomData));
        Self { name, location, needs, policy: TaskPolicy::default(), may_finish: false, start }
    }

    /// Sets what follows an error, a panic, or an end before the drain,
    /// [`TaskPolicy::Restart`] by default.
    pub fn policy(&mut self, policy: TaskPolicy) -> &mut Self {
        self.policy = policy;
        self
    }

    /// Lets the task return before the drain, for work that is done once. Such an end is not
    /// reported, and no policy applies. An error or a panic is treated as before.
    ///
    /// ```
    /// use volga::{App, TaskPolicy};
    ///
    /// async fn import() -> std::io::Result<()> {
    ///     // …
    ///     Ok(())
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_background_task("import", import).may_finish().policy(TaskPolicy::StopApp);
    /// # app.check().unwrap();
    /// ```
    pub fn may_finish(&mut self) -> &mut Self {
        self.may_finish = true;
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn settings(&self) -> (TaskPolicy, bool) {
        (self.policy, self.may_finish)
    }

    /// Makes the arguments and runs the task once.
    pub(super) fn run(&self, context: CallContext) -> BoxFuture<Result<(), Error>> {
        self.start.start(context)
    }

    /// The task as the checks at start-up see it. The name is `background task NAME`.
    pub(crate) fn consumer<'a>(&'a self, name: &'a str) -> ServiceConsumer<'a> {
        ServiceConsumer { name, location: self.location, needs: &self.needs }
    }
}

impl fmt::Debug for BackgroundTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundTask")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("may_finish", &self.may_finish)
            .finish_non_exhaustive()
    }
}

/// A function and the type of its arguments.
struct TypedTask<F, Args>(F, PhantomData<fn() -> Args>);

/// A task whose type is erased.
trait StartTask: Send + Sync {
    fn start(&self, context: CallContext) -> BoxFuture<Result<(), Error>>;
}

impl<F, Args> StartTask for TypedTask<F, Args>
where
    F: TaskFunction<Args>,
    Args: AppArgs + Send + 'static,
{
    fn start(&self, context: CallContext) -> BoxFuture<Result<(), Error>> {
        let task = self.0.clone();
        Box::pin(async move { task.start(Args::make(&context).await?).await })
    }
}
