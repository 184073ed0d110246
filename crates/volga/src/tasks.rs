//! The tasks that an app runs beside its requests.

use tokio::sync::watch;
use volga_core::{BoxFuture, Spawner};

/// Runs tasks and counts them. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(watch::Sender<usize>);

impl Tasks {
    /// The spawner of [`detached`](crate::detached) handlers.
    pub(crate) fn spawner(&self) -> Spawner {
        let tasks = self.clone();
        Spawner::new(move |task| tasks.spawn(task))
    }

    pub(crate) fn spawn(&self, task: BoxFuture<()>) {
        let running = self.count_one();
        let task = async move {
            let _running = running;
            task.await;
        };
        // The task may outlive its request, and still logs in the span of the request.
        #[cfg(feature = "tracing")]
        let task = tracing::Instrument::in_current_span(task);
        drop(tokio::spawn(task));
    }

    pub(crate) fn count_one(&self) -> TaskGuard {
        self.0.send_modify(|running| *running += 1);
        TaskGuard(self.0.clone())
    }

    pub(crate) fn running(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until no task runs.
    pub(crate) async fn ended(&self) {
        // An error means that no sender is left, but `self` has one.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Counts one task. A task holds it until it ends, panics or is dropped.
#[derive(Debug)]
pub(crate) struct TaskGuard(watch::Sender<usize>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_task_counts_until_it_has_ended_or_panicked() {
        let tasks = Tasks::default();
        tasks.ended().await;
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn(Box::pin(async { drop(ended.await) }));
        tasks.spawn(Box::pin(async { panic!("on purpose") }));
        assert_eq!(tasks.running(), 2);
        tokio::select! {
            biased;
            () = tasks.ended() => panic!("one runs"),
            () = tokio::task::yield_now() => {}
        }
        drop(end);
        tasks.ended().await;
        tasks.spawn(Box::pin(pending()));
        assert_eq!(tasks.running(), 1);
    }
}
