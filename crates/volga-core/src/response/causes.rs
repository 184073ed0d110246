//! The chain of causes of an error (pure).

use std::{error::Error, io, iter};

use tokio::time::error::Elapsed;

/// Returns the error, its cause, the cause of that, and so on.
///
/// An [`io::Error`] that was made of another error names that error's cause as its own, and would
/// hide the error itself.
pub(crate) fn causes<'a>(
    first: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> + Clone {
    iter::successors(Some(first), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// Whether the error, or one of its causes, is that something took too long: an I/O error of this
/// kind, or the error of tokio's `timeout`.
pub(crate) fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) || cause.is::<Elapsed>()
    })
}
