//! The background tasks of an app, before and after their start.

use tokio::{runtime::Handle, task::JoinSet};
use volga_core::{AppContext, CancellationToken};

use crate::background::registration::BackgroundTask;
use crate::background::supervisor::{TaskContext, supervise};
use crate::shutdown::ShutdownHandle;
use crate::tasks::Tasks;

/// Background tasks that can start.
pub(crate) struct ReadyTasks {
    pub(crate) list: Vec<BackgroundTask>,
    pub(crate) app: AppContext,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) tasks: Tasks,
}

/// Background tasks that run. Dropping it aborts them.
#[derive(Debug, Default)]
pub(crate) struct RunningTasks(JoinSet<()>);

/// Says where an app with background tasks can start.
pub(crate) const NEEDS_RUNTIME: &str =
    "needs a tokio runtime to start the task in; call `into_service` inside of one";

impl ReadyTasks {
    pub(crate) fn can_start(list: &[BackgroundTask]) -> bool {
        list.is_empty() || Handle::try_current().is_ok()
    }

    /// Starts the tasks in the current runtime.
    pub(crate) fn start(self) -> RunningTasks {
        let mut running = JoinSet::new();
        if self.list.is_empty() {
            return RunningTasks(running);
        }
        let (token, guard) = CancellationToken::with_guard();
        let drain = self.shutdown.drain.clone();
        running.spawn(async move {
            drain.started().await;
            drop(guard);
        });
        let context = TaskContext { app: self.app, shutdown: self.shutdown, token };
        for task in self.list {
            let context = context.clone();
            let counted = self.tasks.count_background(task.name());
            running.spawn(async move {
                let _counted = counted;
                supervise(task, context).await;
            });
        }
        RunningTasks(running)
    }
}

impl RunningTasks {
    /// Lets the tasks run on without this handle.
    pub(crate) fn detach(mut self) {
        self.0.detach_all();
    }
}
