//! The tasks that an app runs beside its requests.

use tokio::sync::watch;
use volga_core::{BoxFuture, Spawner};

/// Runs tasks and counts them. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(watch::Sender<RunningCount>);

#[derive(Debug, Default)]
struct RunningCount {
    tasks: usize,
    /// The names of the background tasks among them.
    background: Vec<&'static str>,
}

impl Tasks {
    /// The spawner of [`detached`](crate::detached) handlers.
    pub(crate) fn spawner(&self) -> Spawner {
        let tasks = self.clone();
        Spawner::new(move |task| tasks.spawn(task))
    }

    pub(crate) fn spawn(&self, task: BoxFuture<()>) {
        let running = self.count(None);
        let task = async move {
            let _running = running;
            task.await;
        };
        // The task may outlive its request, and still logs in the span of the request.
        #[cfg(feature = "tracing")]
        let task = tracing::Instrument::in_current_span(task);
        drop(tokio::spawn(task));
    }

    /// Counts a background task.
    pub(crate) fn count_background(&self, name: &'static str) -> TaskGuard {
        self.count(Some(name))
    }

    fn count(&self, name: Option<&'static str>) -> TaskGuard {
        self.0.send_modify(|running| {
            running.tasks += 1;
            running.background.extend(name);
        });
        TaskGuard { running: self.0.clone(), name }
    }

    pub(crate) fn running(&self) -> usize {
        self.0.borrow().tasks
    }

    /// The names of the background tasks that run.
    pub(crate) fn background(&self) -> Vec<&'static str> {
        self.0.borrow().background.clone()
    }

    /// Waits until no task runs.
    pub(crate) async fn ended(&self) {
        // An error means that no sender is left, but `self` has one.
        let _ = self.0.subscribe().wait_for(|running| running.tasks == 0).await;
    }
}

/// Counts one task. A task holds it until it ends, panics or is dropped.
#[derive(Debug)]
pub(crate) struct TaskGuard {
    running: watch::Sender<RunningCount>,
    name: Option<&'static str>,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.running.send_modify(|running| {
            running.tasks -= 1;
            // No two background tasks have one name.
            running.background.retain(|name| Some(*name) != self.name);
        });
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

    #[test]
    fn background_tasks_are_counted_by_name() {
        let tasks = Tasks::default();
        let (feed, clean_up) = (tasks.count_background("feed"), tasks.count_background("clean-up"));
        assert_eq!((tasks.running(), tasks.background()), (2, vec!["feed", "clean-up"]));
        drop(feed);
        assert_eq!((tasks.running(), tasks.background()), (1, vec!["clean-up"]));
        drop(clean_up);
        assert_eq!((tasks.running(), tasks.background()), (0, vec![]));
    }
}
