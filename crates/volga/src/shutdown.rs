//! `ShutdownHandle`: shuts down an app, with its server and its event streams.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use volga_http::Drain;
use volga_sse::CloseGroup;

/// Shuts down an app from anywhere. [`App::with_shutdown`](crate::App::with_shutdown) returns it.
/// Clones control the same app.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let (app, shutdown) = volga::App::new().bind("localhost:0").with_shutdown();
/// let server = tokio::spawn(app.run());
/// shutdown.shutdown();
/// server.await.expect("no panic")
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShutdownHandle {
    /// Starts when the shutdown is requested. The drain may follow later.
    request: Drain,
    /// The app begins the drain itself, after the shutdown hooks have run.
    is_drain_delayed: Arc<AtomicBool>,
    pub(crate) drain: Drain,
    pub(crate) streams: CloseGroup,
    /// The background task that has stopped the app.
    stopped_by: Arc<OnceLock<&'static str>>,
}

impl ShutdownHandle {
    /// Starts the shutdown.
    ///
    /// The [shutdown hooks](crate::App::before_shutdown) run first. Then the app
    /// accepts no more connections and closes every subscription with its farewell. Everything else
    /// may finish within the [deadline](crate::App::with_shutdown_timeout). Further calls have no
    /// effect.
    pub fn shutdown(&self) {
        self.request.start();
        if !self.is_drain_delayed.load(Ordering::Acquire) {
            self.begin();
        }
    }

    /// Whether the shutdown was requested.
    #[must_use]
    pub fn is_shutdown_requested(&self) -> bool {
        self.request.is_started()
    }

    /// Waits until the shutdown is requested.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (_app, shutdown) = volga::App::new().with_shutdown();
    /// let watched = shutdown.clone();
    /// let task = tokio::spawn(async move { watched.requested().await });
    /// shutdown.shutdown();
    /// assert!(shutdown.is_shutdown_requested());
    /// task.await.expect("no panic");
    /// # }
    /// ```
    pub async fn requested(&self) {
        self.request.started().await;
    }

    /// Starts the shutdown because a background task has ended. The first such task is remembered.
    pub(crate) fn stop_for_task(&self, name: &'static str) {
        if !self.is_shutdown_requested() {
            let _ = self.stopped_by.set(name);
        }
        self.shutdown();
    }

    /// The background task that has stopped the app.
    pub(crate) fn stopped_by(&self) -> Option<&'static str> {
        self.stopped_by.get().copied()
    }

    /// Lets the caller begin the drain. The caller must wait for [`requested`](Self::requested)
    /// after this call, so that no request is missed.
    pub(crate) fn delay_drain(&self) {
        self.is_drain_delayed.store(true, Ordering::Release);
    }

    /// Begins the drain.
    pub(crate) fn begin(&self) {
        // The drain comes first, so a client that reconnects at once finds no listener. Otherwise
        // this server would accept it and close its stream again.
        self.drain.start();
        self.streams.close();
    }
}
