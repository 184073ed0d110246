//! `ResponseHooks`: functions that change the head of the response to one request.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::response::into_response::HttpResponse;

/// A function that changes the head of a response.
pub(crate) type ResponseHook = Box<dyn FnOnce(&mut HttpResponse) + Send>;

/// The functions that change the head of the response to one request, in the order in which they
/// were added. A request without any allocates nothing for them.
pub(crate) struct ResponseHooks {
    /// `None` once the head is finished.
    hooks: Mutex<Option<Vec<ResponseHook>>>,
    /// Whether a function was added.
    has_any: AtomicBool,
}

impl ResponseHooks {
    /// Adds a function. Returns false, and drops the function, if the head is finished.
    pub(crate) fn add(&self, hook: ResponseHook) -> bool {
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_any.store(true, Ordering::Release);
        hooks.as_mut().map(|hooks| hooks.push(hook)).is_some()
    }

    /// Whether there is no function, and none can be added. Most requests have none, and then no
    /// lock is taken.
    ///
    /// `is_alone` says that nobody else refers to these functions.
    #[inline]
    pub(crate) fn is_unused(&self, is_alone: bool) -> bool {
        is_alone && !self.has_any.load(Ordering::Acquire)
    }

    /// Returns the functions, in the order in which they were added. None can be added afterwards.
    pub(crate) fn finish(&self) -> Vec<ResponseHook> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

impl Default for ResponseHooks {
    fn default() -> Self {
        Self { hooks: Mutex::new(Some(Vec::new())), has_any: AtomicBool::new(false) }
    }
}

/// A clone is for another response, so it has no functions.
impl Clone for ResponseHooks {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for ResponseHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHooks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::parts::{RequestParts, RequestState};

    #[test]
    fn functions_run_in_their_order_and_none_is_added_afterwards() {
        let hooks = ResponseHooks::default();
        for value in ["1", "2"] {
            let value = http::HeaderValue::from_static(value);
            assert!(hooks.add(Box::new(move |response| {
                response.headers_mut().append("x-order", value);
            })));
        }
        let mut response = HttpResponse::default();
        hooks.finish().into_iter().for_each(|hook| hook(&mut response));
        let headers = response.headers();
        assert_eq!(headers.get_all("x-order").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert!(!hooks.add(Box::new(|_| {})));
        assert!(hooks.finish().is_empty());
    }

    #[test]
    fn a_request_that_lost_its_state_is_an_error() {
        let (head, ()) = http::Request::new(()).into_parts();
        let parts = RequestParts::with_state(head, RequestState::default());
        let error = parts.on_response_head(|_| {}).unwrap_err();
        assert!(error.to_string().contains("has passed on a new request"), "{error}");
    }

    #[test]
    fn a_finished_head_without_functions_takes_none() {
        let hooks = ResponseHooks::default();
        assert!(hooks.finish().is_empty());
        assert!(!hooks.add(Box::new(|_| {})));
    }

    #[test]
    fn only_functions_to_which_nobody_else_refers_are_unused() {
        let hooks = ResponseHooks::default();
        assert!(hooks.is_unused(true) && !hooks.is_unused(false));
        assert!(hooks.add(Box::new(|_| {})));
        assert!(!hooks.is_unused(true) && !hooks.is_unused(false));
    }
}
