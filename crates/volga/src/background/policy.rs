//! `TaskPolicy`: what follows the end of a background task (pure).

use std::time::Duration;

/// How long a background task that ended waits before it starts again, at first: 1 second. The
/// delay doubles with each early end, up to [`MAX_TASK_RESTART_DELAY`].
pub const TASK_RESTART_DELAY: Duration = Duration::from_secs(1);

/// How long a background task waits at most before it starts again: 1 minute. A task that ran for
/// this long begins with [`TASK_RESTART_DELAY`] once more.
pub const MAX_TASK_RESTART_DELAY: Duration = Duration::from_secs(60);

/// The reaction to a [background task](crate::App::add_background_task) that ends before the drain:
/// after an error, a panic, or an early return. Each of them is reported to
/// [`on_error`](crate::App::on_error) first.
///
/// ```
/// use volga::{App, TaskPolicy};
///
/// async fn read_queue() -> std::io::Result<()> {
///     std::future::pending().await
/// }
///
/// let mut app = App::new();
/// app.add_background_task("queue", read_queue).policy(TaskPolicy::StopApp);
/// # app.check().unwrap();
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TaskPolicy {
    /// The task starts again, after a delay of 1 second that doubles up to 1 minute. This is the
    /// default.
    #[default]
    Restart,
    /// The app shuts down in order, and [`run`](crate::App::run) returns
    /// [`ShutdownError::TaskEnded`](crate::error::ShutdownError::TaskEnded). This is for an app
    /// that is of no use without the task.
    StopApp,
    /// The app serves without the task.
    Report,
}

/// The delays before restarts.
#[derive(Debug)]
pub(super) struct RestartDelay(Duration);

impl Default for RestartDelay {
    fn default() -> Self {
        Self(TASK_RESTART_DELAY)
    }
}

impl RestartDelay {
    /// The delay after a run of this length.
    pub(super) fn after_run(&mut self, lasted: Duration) -> Duration {
        if lasted >= MAX_TASK_RESTART_DELAY {
            self.0 = TASK_RESTART_DELAY;
        }
        let delay = self.0;
        self.0 = (delay * 2).min(MAX_TASK_RESTART_DELAY);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_limit_and_a_long_run_resets_it() {
        let mut delay = RestartDelay::default();
        let after = |delay: &mut RestartDelay, lasted| {
            delay.after_run(Duration::from_secs(lasted)).as_secs()
        };
        let delays: Vec<_> = (0..9).map(|run| after(&mut delay, run)).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(after(&mut delay, 59), 60);
        assert_eq!([after(&mut delay, 60), after(&mut delay, 0)], [1, 2]);
    }
}
