//! Runs one background task: starts it, reports how it ends, and applies its policy.

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use volga_core::{AppContext, CancellationToken, Error, PanicError};

use crate::background::args::CallContext;
use crate::background::policy::{RestartDelay, TaskPolicy};
use crate::background::registration::BackgroundTask;
use crate::shutdown::ShutdownHandle;

/// A task returned before the drain, and none expected it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the task returned before the app shut down; let it wait for its `CancellationToken`, or call `may_finish()` if its work is done"
)]
struct EarlyEnd;

/// The state that all tasks of an app share.
#[derive(Clone)]
pub(super) struct TaskContext {
    pub(super) app: AppContext,
    pub(super) shutdown: ShutdownHandle,
    /// Fires when the drain begins.
    pub(super) token: CancellationToken,
}

/// Runs a task until the drain, or until its policy says that it stays ended.
pub(super) async fn supervise(task: BackgroundTask, context: TaskContext) {
    let (policy, may_finish) = task.settings();
    let mut delays = RestartDelay::default();
    loop {
        let started = Instant::now();
        let ended = run_once(&task, &context).await;
        let is_draining = context.shutdown.drain.is_started();
        let error = match ended {
            Ok(()) if is_draining || may_finish => return,
            Ok(()) => Error::server_error(EarlyEnd),
            Err(error) => error,
        };
        context.app.report_task_error(&format!("task {}", task.name()), &error);
        if is_draining {
            return;
        }
        match policy {
            TaskPolicy::Report => return,
            TaskPolicy::StopApp => return context.shutdown.stop_for_task(task.name()),
            TaskPolicy::Restart => {}
        }
        tokio::select! {
            () = sleep(delays.after_run(started.elapsed())) => {}
            () = context.token.cancelled() => return,
        }
    }
}

/// Runs the task in a tokio task of its own, so that a panic is an error. Dropping the future
/// aborts it.
async fn run_once(task: &BackgroundTask, context: &TaskContext) -> Result<(), Error> {
    let scope = context.app.services().scope();
    let run = task.run(CallContext { scope, shutdown: context.token.clone() });
    #[cfg(feature = "tracing")]
    let run = {
        let span = tracing::info_span!(target: "volga::task", "task", name = task.name());
        tracing::Instrument::instrument(run, span)
    };
    run_in_task(run).await
}

/// Runs a future in a tokio task of its own, which is aborted if this future is dropped.
///
/// # Errors
///
/// Returns the error of the future, or of its panic.
pub(crate) async fn run_in_task(
    run: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    tasks.spawn(run);
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(error_of(error)),
        // The set has one task.
        None => Ok(()),
    }
}

fn error_of(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => Error::server_error(PanicError::new(&*panic)),
        // The runtime shuts down.
        Err(error) => Error::server_error(error),
    }
}
