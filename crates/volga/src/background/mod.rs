//! Work that no request asks for: tasks that live with the app.
//!
//! `args.rs` makes the arguments of functions that the app calls outside of requests; the readiness
//! checks in `health/` use it, too. `registration.rs` is what an app knows of a task before it
//! starts, and `supervisor.rs` runs one. To add an argument, implement `AppArg` in `args.rs`. Tests
//! of whole apps are in `tests/it/background_tasks.rs`.

pub(crate) mod args;
pub(crate) mod policy;
pub(crate) mod registration;
pub(crate) mod running;
pub(crate) mod supervisor;

use std::panic::Location;

use crate::app::App;
use crate::app_faults::SettingFault;
use crate::background::args::AppArgs;
use crate::background::registration::{BackgroundTask, TaskFunction};

impl App {
    /// Adds a task that lives with the app. It starts when the app listens, and is told by its
    /// [`CancellationToken`](crate::CancellationToken) when the drain begins. The app waits for it
    /// until the [shutdown timeout](Self::with_shutdown_timeout), and then drops it.
    ///
    /// The task is an async function of up to five arguments: [`Dc<T>`](crate::di::Dc) and
    /// `CancellationToken`. It returns `()`, or a `Result` whose error is reported to
    /// [`on_error`](Self::on_error), as a panic is. A task should run until the drain, so an
    /// earlier end is reported, too. After an end its [policy](BackgroundTask::policy) applies: by
    /// default the task starts again, a second later and then less and less often.
    ///
    /// Scoped services live as long as one run of the task.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::{App, CancellationToken, di::Dc, http::sse::{Hub, Message}};
    ///
    /// async fn tick(shutdown: CancellationToken, hub: Dc<Hub>) -> Result<(), volga::error::Error> {
    ///     loop {
    ///         tokio::select! {
    ///             () = shutdown.cancelled() => return Ok(()),
    ///             () = tokio::time::sleep(Duration::from_secs(1)) => {}
    ///         }
    ///         hub.publish("ticks", Message::new().data("tick"))?;
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_singleton(Hub::new());
    /// app.add_background_task("ticks", tick);
    /// # app.check().unwrap();
    /// ```
    ///
    /// Two tasks of one name are an error of [`check`](Self::check), and so is a service that is
    /// not registered.
    #[track_caller]
    pub fn add_background_task<F, Args>(
        &mut self,
        name: &'static str,
        task: F,
    ) -> &mut BackgroundTask
    where
        F: TaskFunction<Args>,
        Args: AppArgs + Send + 'static,
    {
        if self.background.iter().any(|other| other.name() == name) {
            let reason = format!("`{name}` names two tasks; give each its own name");
            self.setting_faults.push(SettingFault::method("add_background_task", reason));
        }
        self.background.push(BackgroundTask::new(name, task, Location::caller()));
        let last = self.background.len() - 1;
        &mut self.background[last]
    }
}
