//! `CancellationToken`: tells that nobody waits for the answer any more.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use crate::extract::FromRequestParts;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// Tells when a request is over. As an argument of a handler it is the token of its own request.
///
/// It fires once, at the first of these:
///
/// - The client left, or reset this stream of its HTTP/2 connection, before the handler gave its
///   response.
/// - The response's body was dropped: it was sent to its end, or the client left before that.
///
/// A handler whose client left is dropped at its next `.await`, so code after that sees no token.
/// The token is for what lives on: a task that the handler spawned, a [`detached`](crate::detached)
/// handler, a stream, blocking work. Clones are the same token.
///
/// ```
/// use volga_core::{CancellationToken, HandlerEndpoint};
///
/// async fn report(token: CancellationToken) -> &'static str {
///     tokio::spawn(async move {
///         tokio::select! {
///             () = token.cancelled() => {} // nobody wants it any more
///             () = std::future::pending() => {} // the work
///         }
///     });
///     "started"
/// }
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::GET, "/", HandlerEndpoint::new(report));
/// ```
#[derive(Clone)]
pub struct CancellationToken(Arc<Signal>);

impl CancellationToken {
    /// A token of one's own, and the guard that fires it when it is dropped: to test what takes a
    /// token.
    ///
    /// ```
    /// use volga_core::CancellationToken;
    ///
    /// let (token, guard) = CancellationToken::with_guard();
    /// assert!(!token.is_cancelled());
    /// drop(guard);
    /// assert!(token.is_cancelled());
    /// ```
    pub fn with_guard() -> (Self, CancelGuard) {
        let signal = Arc::new(Signal::default());
        (Self(Arc::clone(&signal)), CancelGuard(signal))
    }

    /// Whether it has fired.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.has_fired.load(Ordering::Acquire)
    }

    /// Waits until it fires; at once when it has.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it may be a `select!` branch.
    pub async fn cancelled(&self) {
        // Made before the look at the flag: it hears of whatever fires from here on.
        let fired = self.0.waiters.notified();
        if !self.is_cancelled() {
            fired.await;
        }
    }

    /// Has this done when it fires; at once when it has. What was given first is done first.
    ///
    /// It runs where the request ends, between other work of the server: let it be short, and spawn
    /// what waits. A panic in it ends it alone.
    ///
    /// ```
    /// use volga_core::CancellationToken;
    ///
    /// # let (token, _guard) = CancellationToken::with_guard();
    /// token.on_cancel(|| println!("the viewer is gone"));
    /// ```
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.0.hooks();
        if self.is_cancelled() {
            drop(hooks);
            run(Box::new(hook));
        } else {
            hooks.push(Box::new(hook));
        }
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl FromRequestParts for CancellationToken {
    fn describe(description: &mut Description) {
        description.uses_cancellation();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        parts.context().token().cloned().ok_or_else(|| {
            Error::server_error(
                "`CancellationToken` was not declared by the extractor that uses it",
            )
        })
    }
}

/// Fires its [`CancellationToken`] when it is dropped.
#[must_use = "dropping it fires the token"]
pub struct CancelGuard(Arc<Signal>);

impl CancelGuard {
    /// Whether anyone can still tell that the token fires.
    pub(crate) fn is_observed(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || !self.0.hooks().is_empty()
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let hooks = {
            let mut hooks = self.0.hooks();
            // Under the lock, so that no hook is added after they are taken.
            self.0.has_fired.store(true, Ordering::Release);
            mem::take(&mut *hooks)
        };
        self.0.waiters.notify_waiters();
        hooks.into_iter().for_each(run);
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Signal {
    has_fired: AtomicBool,
    waiters: Notify,
    hooks: Mutex<Vec<Hook>>,
}

impl Signal {
    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        // No code of others runs under the lock, so there is nothing half-done to see.
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(hook: Hook) {
    // It runs in a destructor, perhaps of a panicking handler, where a second panic would end the
    // process. The panic hook has told of it.
    let _ = catch_unwind(AssertUnwindSafe(hook));
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        sync::mpsc,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_is_told_and_who_comes_late_need_not_wait() {
        let (token, guard) = CancellationToken::with_guard();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let token = token.clone();
                tokio::spawn(async move { token.cancelled().await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        drop(guard);
        for task in waiting {
            task.await.unwrap();
        }
        token.cancelled().await;
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_wait_that_began_and_was_not_polled_hears_of_it() {
        let (token, guard) = CancellationToken::with_guard();
        let mut waiting = pin!(token.cancelled());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        // A wait that was dropped leaves the others as they are.
        drop(Box::pin(token.cancelled()));
        drop(guard);
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn hooks_run_once_in_order_and_late_ones_at_once() {
        let (token, guard) = CancellationToken::with_guard();
        let (send, receive) = mpsc::channel();
        for number in 0..3 {
            let send = send.clone();
            token.on_cancel(move || send.send(number).unwrap());
        }
        assert!(receive.try_recv().is_err());
        drop(guard);
        token.on_cancel(move || send.send(3).unwrap());
        drop(token);
        assert_eq!(receive.iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_hook_may_use_the_token_and_one_that_panics_ends_itself_alone() {
        let (token, guard) = CancellationToken::with_guard();
        let (send, receive) = mpsc::channel();
        token.on_cancel(|| panic!("in a hook"));
        let inner = token.clone();
        token.on_cancel(move || inner.on_cancel(move || send.send(()).unwrap()));
        drop(guard);
        receive.recv().unwrap();
    }

    #[test]
    fn a_guard_knows_whether_anyone_listens() {
        let (token, guard) = CancellationToken::with_guard();
        assert!(guard.is_observed());
        drop(token);
        assert!(!guard.is_observed());
        let (token, guard) = CancellationToken::with_guard();
        token.on_cancel(|| ());
        drop(token);
        assert!(guard.is_observed());
    }
}
