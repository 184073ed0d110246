//! The signals that ask a process to end.

use std::io;

/// Waits until the process is asked to end: Ctrl-C everywhere, and SIGTERM on Unix.
///
/// From the first poll on, and for as long as the process lives, these signals no longer kill the
/// process. A program that calls this must end by itself, usually by starting its
/// [`Drain`](crate::Drain).
///
/// # Errors
///
/// Returns an error if the operating system refuses the signal handler.
///
/// # Panics
///
/// Panics outside a tokio runtime with its I/O driver.
///
/// # Cancel safety
///
/// Cancel safe, with one exception: a signal that arrives while no such future waits is lost.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let drain = volga_http::Drain::new();
/// volga_http::shutdown_signal().await?;
/// drain.start();
/// # Ok(())
/// # }
/// ```
pub async fn shutdown_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        // Both are installed before either is awaited, so that one poll is enough for both.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
