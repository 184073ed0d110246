//! The end of an app, in one handle: the server's drain and the farewell of every event stream.

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
    pub(crate) drain: Drain,
    pub(crate) streams: CloseGroup,
}

impl ShutdownHandle {
    /// Starts the end. Connections are no longer accepted; every subscription is closed with its farewell; what else runs may finish
    /// within the [deadline](crate::App::with_shutdown_timeout). Only the first call counts.
    pub fn shutdown(&self) {
        // In this order, a client that returns at once finds no listener rather than a server that closes its stream again.
        self.drain.start();
        self.streams.close();
    }

    /// True once the end has started.
    #[must_use]
    pub fn is_shutdown_requested(&self) -> bool {
        self.drain.is_started()
    }

    /// Waits until the end starts.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn requested(&self) {
        self.drain.started().await;
    }
}
