//! `CrossOriginPolicy`: what pages of other origins may do.

use http::{HeaderMap, Method, request};

use crate::response::into_response::HttpResponse;

/// A policy that tells browsers what pages of other origins may do (CORS).
/// [`set_cross_origin_policy`] adds it to a router.
///
/// The policy applies around all middleware: middleware that refuses a request does not refuse the
/// preflight before it, and every response has the headers, whatever made it.
///
/// [`set_cross_origin_policy`]: crate::Router::set_cross_origin_policy
pub trait CrossOriginPolicy: Send + Sync + 'static {
    /// Checks the policy at start-up.
    ///
    /// # Errors
    ///
    /// Returns what is wrong, and what to write instead.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Responds to a preflight: a request with OPTIONS, `Origin` and
    /// `Access-Control-Request-Method`, with which a browser asks whether it may send another one.
    /// The methods are those that the path is mapped for. The handler is not called.
    fn preflight(&self, request: &request::Parts, methods: &[Method]) -> HttpResponse;

    /// Returns a function that adds the headers of the policy to the response to this request.
    fn response_headers(&self, request: &request::Parts) -> Box<dyn FnOnce(&mut HeaderMap) + Send>;
}

/// Marks a response to which a policy was applied, so that a policy further outside does not apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyApplied;
