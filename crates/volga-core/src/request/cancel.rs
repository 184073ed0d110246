//! `CancellationToken`: signals that nobody waits for the response any more.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// Signals the end of a request, or that the app shuts down. As an argument of a handler it is the
/// token of the handler's own request. As an argument of a background task it fires when the drain
/// begins.
///
/// The token of a request fires once, at the first of these events:
///
/// - The client left, or reset this stream of its HTTP/2 connection, before the handler returned a
///   response.
/// - The body of the response was dropped, after its end or because the client left.
///
/// A handler is dropped at its next `.await` when its client leaves, so the code after that never
/// runs. The token is for work that goes on: a task that the handler spawned, a
/// [`detached`](crate::detached) handler, a stream, or blocking work. Clones are the same token.
///
/// ```
/// use volga_core::{CancellationToken, HandlerEndpoint};
///
/// async fn report(token: CancellationToken) -> &'static str {
///     tokio::spawn(async move {
///         tokio::select! {
///             () = token.cancelled() => {} // nobody needs the report any more
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
    /// Creates a token and a guard, which fires the token when it is dropped. Use it to test code
    /// that takes a token.
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

    /// Whether the token has fired.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.has_fired.load(Ordering::Acquire)
    }

    /// Waits until the token fires. Returns at once if it has fired already.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it may be a `select!` branch.
    pub async fn cancelled(&self) {
        // Created before the flag is checked, so a token that fires in between is not missed.
        let fired = self.0.waiters.notified();
        if !self.is_cancelled() {
            fired.await;
        }
    }

    /// Runs a function when the token fires, or at once if it has fired already. Functions run in
    /// the order in which they were added.
    ///
    /// The function runs in the server's task, so it must be short: spawn a task for anything that
    /// waits. A panic in one function does not affect the others.
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

/// Fires its [`CancellationToken`] when it is dropped.
#[must_use = "dropping it fires the token"]
pub struct CancelGuard(Arc<Signal>);

impl CancelGuard {
    /// Whether a token or a hook is left that could notice the signal.
    pub(crate) fn is_observed(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || !self.0.hooks().is_empty()
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let hooks = {
            let mut hooks = self.0.hooks();
            // Set under the lock, so that no hook is added after the hooks are taken.
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

type CancelHook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Signal {
    has_fired: AtomicBool,
    waiters: Notify,
    hooks: Mutex<Vec<CancelHook>>,
}

impl Signal {
    fn hooks(&self) -> MutexGuard<'_, Vec<CancelHook>> {
        // No hook runs under the lock, so a panic cannot leave the list in a half-changed state.
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(hook: CancelHook) {
    // The hook runs in a destructor, perhaps while a handler panics. A second panic would abort the
    // process there. The process's panic hook has already reported this one.
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
    async fn every_waiter_is_woken_and_a_late_one_returns_at_once() {
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
    fn a_waiter_that_is_not_polled_in_between_notices_the_signal() {
        let (token, guard) = CancellationToken::with_guard();
        let mut waiting = pin!(token.cancelled());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        // Dropping one waiter does not affect the others.
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
    fn a_hook_may_use_the_token_and_a_panic_affects_no_other_hook() {
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
