//! How an app ends: who asks for it, what comes before, and what is waited for.

use std::{
    future::Future,
    io::{self, Write},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use volga_core::BoxFuture;
use volga_http::{DrainOutcome, shutdown_signal};

use crate::{ShutdownHandle, exit::ShutdownError, tasks::Tasks};

/// How long what is to be done before the end may take.
pub const DEFAULT_BEFORE_SHUTDOWN: Duration = Duration::from_secs(10);

/// What is to be done before the end.
pub(crate) type Hook = Box<dyn FnOnce() -> BoxFuture<()> + Send>;

/// What is to be done before the end, within a time.
pub(crate) struct Before {
    pub(crate) hooks: Vec<Hook>,
    pub(crate) time: Duration,
}

impl Default for Before {
    fn default() -> Self {
        Self { hooks: Vec::new(), time: DEFAULT_BEFORE_SHUTDOWN }
    }
}

/// What the end of an app takes.
pub(crate) struct Ending {
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) before: Before,
    pub(crate) deadline: Duration,
    pub(crate) tasks: Tasks,
}

impl Ending {
    /// Serves until the end is asked for, and then to the end: the orderly one, or at once at a second signal.
    pub(crate) async fn conduct(
        self,
        serving: impl Future<Output = io::Result<DrainOutcome>>,
    ) -> io::Result<()> {
        let shutdown = self.shutdown.clone();
        if !self.before.hooks.is_empty() {
            shutdown.conduct();
        }
        tokio::select! {
            // Signals are listened for before anybody can see that the app serves.
            biased;
            twice = signalled_twice(&shutdown) => {
                twice?;
                Err(ShutdownError::Forced.into())
            }
            ended = self.orderly(serving) => ended,
        }
    }

    async fn orderly(
        self,
        serving: impl Future<Output = io::Result<DrainOutcome>>,
    ) -> io::Result<()> {
        let Self { shutdown, before, deadline, tasks } = self;
        let begin = async {
            shutdown.requested().await;
            before.run().await;
            shutdown.begin();
            Ok(Instant::now())
        };
        // The server goes on meanwhile: it accepts until the end begins.
        let (drained, begun) = tokio::try_join!(serving, begin)?;
        let left = deadline.saturating_sub(begun.elapsed());
        let all_ended = timeout(left, tasks.ended()).await.is_ok();
        let tasks = if all_ended { 0 } else { tasks.running() };
        let connections = match drained {
            DrainOutcome::Complete => 0,
            DrainOutcome::Incomplete { connections } => connections,
        };
        match (connections, tasks) {
            (0, 0) => Ok(()),
            _ => Err(ShutdownError::Cut { connections, tasks, deadline }.into()),
        }
    }
}

/// Asks for the end at the first signal, and returns at the second.
async fn signalled_twice(shutdown: &ShutdownHandle) -> io::Result<()> {
    shutdown_signal().await?;
    // The second is listened for before anybody can see that the first has come.
    let (second, ()) = tokio::join!(biased; shutdown_signal(), async { shutdown.shutdown() });
    second
}

impl Before {
    /// Runs all hooks side by side, each in a task of its own: so one that panics or never ends does not keep the app from ending.
    async fn run(self) {
        let mut running = JoinSet::new();
        for hook in self.hooks {
            running.spawn(async { hook().await });
        }
        let ended = timeout(self.time, async { while running.join_next().await.is_some() {} });
        if ended.await.is_err() {
            say(&format!(
                "what was to be done before the shutdown took longer than {:?}",
                self.time
            ));
        }
    }
}

/// Nobody may be reading, and that is no reason not to end.
fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn ending(hooks: Vec<Hook>) -> Ending {
        Ending {
            shutdown: ShutdownHandle::default(),
            before: Before { hooks, ..Before::default() },
            deadline: DEADLINE,
            tasks: Tasks::default(),
        }
    }

    /// A server that is drained so long after its drain started.
    fn server(
        ending: &Ending,
        takes: Duration,
    ) -> impl Future<Output = io::Result<DrainOutcome>> + use<> {
        let started = ending.shutdown.drain.started();
        async move {
            started.await;
            tokio::time::sleep(takes).await;
            Ok(DrainOutcome::Complete)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_waits_for_the_hooks_and_no_longer_than_their_time() {
        let (done, when) = oneshot::channel::<()>();
        let waits: Hook = Box::new(|| Box::pin(async { drop(when.await) }));
        let panics: Hook = Box::new(|| Box::pin(async { panic!("on purpose") }));
        let panics_at_once: Hook = Box::new(|| panic!("on purpose"));
        let ending = ending(vec![panics_at_once, waits, panics]);
        let (shutdown, server) = (ending.shutdown.clone(), server(&ending, Duration::ZERO));
        let conducted = tokio::spawn(ending.conduct(server));
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.shutdown();
        tokio::time::sleep(DEFAULT_BEFORE_SHUTDOWN - Duration::from_secs(1)).await;
        assert!(shutdown.is_shutdown_requested() && !shutdown.drain.is_started());
        drop(done);
        assert!(conducted.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_that_never_ends_is_left_behind() {
        let ending = ending(vec![Box::new(|| Box::pin(pending()))]);
        let (shutdown, server) = (ending.shutdown.clone(), server(&ending, Duration::ZERO));
        let conducted = tokio::spawn(ending.conduct(server));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = Instant::now();
        shutdown.shutdown();
        assert!(conducted.await.unwrap().is_ok());
        assert_eq!(asked.elapsed().as_secs(), DEFAULT_BEFORE_SHUTDOWN.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn detached_tasks_have_what_the_server_leaves_of_the_deadline() {
        for (takes, in_time) in [(4, true), (8, false)] {
            let ending = ending(Vec::new());
            let server = server(&ending, Duration::from_secs(3));
            let (tasks, shutdown) = (ending.tasks.clone(), ending.shutdown.clone());
            let task: BoxFuture<()> = Box::pin(tokio::time::sleep(Duration::from_secs(takes + 3)));
            tasks.spawn(task);
            shutdown.shutdown();
            let asked = Instant::now();
            let ended = ending.conduct(server).await;
            assert_eq!(ended.is_ok(), in_time);
            assert_eq!(asked.elapsed().as_secs(), (takes + 3).min(DEADLINE.as_secs()));
            if let Err(error) = ended {
                let expect = ShutdownError::Cut { connections: 0, tasks: 1, deadline: DEADLINE };
                assert_eq!(ShutdownError::of(&error), Some(&expect));
            }
        }
    }
}
