//! The end of an app, in one handle: the server's drain and the farewell of every event stream.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use volga_http::Drain;
use volga_sse::CloseGroup;

/// Ends an app from anywhere; given by [`App::with_shutdown`](crate::App::with_shutdown). Clones end the same one.
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
    /// That the end was asked for, for all who wait for that. The end itself may follow later.
    asked: Drain,
    /// Somebody begins the end once it is asked for, and not before what comes first is done.
    is_conducted: Arc<AtomicBool>,
    pub(crate) drain: Drain,
    pub(crate) streams: CloseGroup,
}

impl ShutdownHandle {
    /// Starts the end. What is to be done [before](crate::App::before_shutdown) is done first. Then connections are no longer accepted; every subscription is
    /// closed with its farewell; what else runs may finish within the [deadline](crate::App::with_shutdown_timeout). Only the first call counts.
    pub fn shutdown(&self) {
        self.asked.start();
        if !self.is_conducted.load(Ordering::Acquire) {
            self.begin();
        }
    }

    /// True once the end was asked for.
    #[must_use]
    pub fn is_shutdown_requested(&self) -> bool {
        self.asked.is_started()
    }

    /// Waits until the end is asked for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn requested(&self) {
        self.asked.started().await;
    }

    /// Leaves it to the caller to begin the end once it is asked for. He waits for that after this call, so it is never asked for in vain.
    pub(crate) fn conduct(&self) {
        self.is_conducted.store(true, Ordering::Release);
    }

    /// Begins the end itself.
    pub(crate) fn begin(&self) {
        // In this order, a client that returns at once finds no listener rather than a server that closes its stream again.
        self.drain.start();
        self.streams.close();
    }
}
