//! Runs calls that wait for a disk on tokio's blocking threads, so that no runtime thread waits.

use std::io;

/// Runs `work` on a blocking thread and waits for its result.
///
/// # Errors
///
/// Returns the error of the work, or an error if the runtime shuts down.
///
/// # Panics
///
/// Panics if the work panics.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(|| Guarded(Some(work()))).await {
        Ok(mut result) => result.0.take().unwrap_or_else(|| Err(io::ErrorKind::Other.into())),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

/// A result that nobody has taken yet. It may be a file whose drop waits for the disk. If the
/// client leaves, this is dropped on a thread of the runtime.
struct Guarded<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Drop for Guarded<T> {
    fn drop(&mut self) {
        if let Some(result) = self.0.take() {
            drop_later(result);
        }
    }
}

/// Drops a value whose drop waits for the disk, on a blocking thread if there is a runtime.
pub(crate) fn drop_later<T: Send + 'static>(value: T) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(value))),
        Err(_) => drop(value),
    }
}
