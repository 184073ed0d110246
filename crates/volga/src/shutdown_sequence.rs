//! The shutdown of an app: the hooks before it, the drain, and the wait for tasks.

use std::{
    future::Future,
    io::{self, Write},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use volga_core::BoxFuture;
use volga_http::{DrainOutcome, shutdown_signal};

use crate::exit::ShutdownError;
use crate::shutdown::ShutdownHandle;
use crate::tasks::Tasks;

/// The default time limit for the hooks before the shutdown: 10 seconds.
pub const DEFAULT_BEFORE_SHUTDOWN: Duration = Duration::from_secs(10);

/// A function that runs before the shutdown.
pub(crate) type ShutdownHook = Box<dyn FnOnce() -> BoxFuture<()> + Send>;

/// The hooks before the shutdown, and their time limit.
pub(crate) struct ShutdownHooks {
    pub(crate) hooks: Vec<ShutdownHook>,
    pub(crate) time: Duration,
    /// How long the app serves at least after the request, while it says that it is not ready.
    pub(crate) delay: Duration,
}

impl Default for ShutdownHooks {
    fn default() -> Self {
        Self { hooks: Vec::new(), time: DEFAULT_BEFORE_SHUTDOWN, delay: Duration::ZERO }
    }
}

/// Everything that the shutdown of an app needs.
pub(crate) struct ShutdownSequence {
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) shutdown_hooks: ShutdownHooks,
    pub(crate) deadline: Duration,
    pub(crate) tasks: Tasks,
}

impl ShutdownSequence {
    /// Serves until the shutdown is requested, and then shuts down in order. A second signal ends
    /// it at once.
    pub(crate) async fn run(
        self,
        serving: impl Future<Output = io::Result<DrainOutcome>>,
    ) -> io::Result<()> {
        let shutdown = self.shutdown.clone();
        if !self.shutdown_hooks.hooks.is_empty() || !self.shutdown_hooks.delay.is_zero() {
            shutdown.delay_drain();
        }
        tokio::select! {
            // The signal handlers are installed before a client can see that the app serves.
            biased;
            signalled = second_signal(&shutdown) => {
                signalled?;
                Err(ShutdownError::SecondSignal.into())
            }
            ended = self.serve_and_drain(serving) => ended,
        }
    }

    /// Serves, runs the hooks, drains the server, and waits for the tasks.
    async fn serve_and_drain(
        self,
        serving: impl Future<Output = io::Result<DrainOutcome>>,
    ) -> io::Result<()> {
        let Self { shutdown, shutdown_hooks, deadline, tasks } = self;
        let begin = async {
            shutdown.requested().await;
            let delay = shutdown_hooks.delay;
            tokio::join!(shutdown_hooks.run(), async {
                if !delay.is_zero() {
                    sleep(delay).await;
                }
            });
            shutdown.begin();
            Ok(Instant::now())
        };
        // The server continues while the hooks run: it accepts connections until the drain begins.
        let (drained, start) = tokio::try_join!(serving, begin)?;
        let left = deadline.saturating_sub(start.elapsed());
        let all_ended = timeout(left, tasks.ended()).await.is_ok();
        let (tasks, background) =
            if all_ended { (0, Vec::new()) } else { (tasks.running(), tasks.background()) };
        let connections = match drained {
            DrainOutcome::Complete => 0,
            DrainOutcome::Incomplete { connections } => connections,
        };
        let exceeded = ShutdownError::DeadlineExceeded { connections, tasks, background, deadline };
        let is_exceeded = connections > 0 || tasks > 0;
        match shutdown.stopped_by() {
            Some(name) => {
                // Only one error can be returned, and the other must not be lost.
                if is_exceeded {
                    warn(&exceeded.to_string());
                }
                Err(ShutdownError::TaskEnded { name }.into())
            }
            None if is_exceeded => Err(exceeded.into()),
            None => Ok(()),
        }
    }
}

/// Requests the shutdown at the first signal, and returns at the second.
async fn second_signal(shutdown: &ShutdownHandle) -> io::Result<()> {
    shutdown_signal().await?;
    // The handler for the second signal is installed before anyone can see the effect of the first.
    let (second, ()) = tokio::join!(biased; shutdown_signal(), async { shutdown.shutdown() });
    second
}

impl ShutdownHooks {
    /// Runs all hooks concurrently, each in its own task. So a hook that panics or never ends does
    /// not keep the app from shutting down.
    async fn run(self) {
        let mut running = JoinSet::new();
        for hook in self.hooks {
            running.spawn(async { hook().await });
        }
        let ended = timeout(self.time, async { while running.join_next().await.is_some() {} });
        if ended.await.is_err() {
            warn(&format!("the shutdown hooks took longer than {:?} and were stopped", self.time));
        }
    }
}

/// Writes a line to standard error. A closed standard error must not stop the shutdown.
fn warn(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn sequence(hooks: Vec<ShutdownHook>) -> ShutdownSequence {
        ShutdownSequence {
            shutdown: ShutdownHandle::default(),
            shutdown_hooks: ShutdownHooks { hooks, ..ShutdownHooks::default() },
            deadline: DEADLINE,
            tasks: Tasks::default(),
        }
    }

    /// A server whose drain takes this long.
    fn server(
        sequence: &ShutdownSequence,
        takes: Duration,
    ) -> impl Future<Output = io::Result<DrainOutcome>> + use<> {
        let started = sequence.shutdown.drain.started();
        async move {
            started.await;
            tokio::time::sleep(takes).await;
            Ok(DrainOutcome::Complete)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_waits_for_the_hooks_and_no_longer_than_their_time() {
        let (done, when) = oneshot::channel::<()>();
        let waits: ShutdownHook = Box::new(|| Box::pin(async { drop(when.await) }));
        let panics: ShutdownHook = Box::new(|| Box::pin(async { panic!("on purpose") }));
        let panics_at_once: ShutdownHook = Box::new(|| panic!("on purpose"));
        let sequence = sequence(vec![panics_at_once, waits, panics]);
        let (shutdown, server) = (sequence.shutdown.clone(), server(&sequence, Duration::ZERO));
        let running = tokio::spawn(sequence.run(server));
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.shutdown();
        tokio::time::sleep(DEFAULT_BEFORE_SHUTDOWN - Duration::from_secs(1)).await;
        assert!(shutdown.is_shutdown_requested() && !shutdown.drain.is_started());
        drop(done);
        assert!(running.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_waits_for_the_delay_and_the_hooks_keep_their_own_limit() {
        let never: ShutdownHook = Box::new(|| Box::pin(pending()));
        for (hooks, delay, expect) in [(vec![], 30, 30), (vec![never], 5, 10)] {
            let mut sequence = sequence(hooks);
            sequence.shutdown_hooks.delay = Duration::from_secs(delay);
            let (shutdown, server) = (sequence.shutdown.clone(), server(&sequence, Duration::ZERO));
            let running = tokio::spawn(sequence.run(server));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let asked = Instant::now();
            shutdown.shutdown();
            assert!(!shutdown.drain.is_started());
            assert!(running.await.unwrap().is_ok());
            assert_eq!(asked.elapsed().as_secs(), expect);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_that_never_ends_is_stopped() {
        let sequence = sequence(vec![Box::new(|| Box::pin(pending()))]);
        let (shutdown, server) = (sequence.shutdown.clone(), server(&sequence, Duration::ZERO));
        let running = tokio::spawn(sequence.run(server));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = Instant::now();
        shutdown.shutdown();
        assert!(running.await.unwrap().is_ok());
        assert_eq!(asked.elapsed().as_secs(), DEFAULT_BEFORE_SHUTDOWN.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn detached_tasks_have_the_time_that_the_server_leaves() {
        for (takes, in_time) in [(4, true), (8, false)] {
            let sequence = sequence(Vec::new());
            let server = server(&sequence, Duration::from_secs(3));
            let (tasks, shutdown) = (sequence.tasks.clone(), sequence.shutdown.clone());
            let task: BoxFuture<()> = Box::pin(tokio::time::sleep(Duration::from_secs(takes + 3)));
            tasks.spawn(task);
            shutdown.shutdown();
            let asked = Instant::now();
            let ended = sequence.run(server).await;
            assert_eq!(ended.is_ok(), in_time);
            assert_eq!(asked.elapsed().as_secs(), (takes + 3).min(DEADLINE.as_secs()));
            if let Err(error) = ended {
                let expect = ShutdownError::DeadlineExceeded {
                    connections: 0,
                    tasks: 1,
                    background: Vec::new(),
                    deadline: DEADLINE,
                };
                assert_eq!(ShutdownError::of(&error), Some(&expect));
            }
        }
    }
}
