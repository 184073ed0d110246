//! `ResponseWatch`: the code of an app that changes and checks responses.

use std::error::Error as StdError;

use http::Extensions;

use crate::response::body_error_report::BodyErrorReporterBuilder;
use crate::response::box_error::BoxError;
use crate::response::into_response::HttpResponse;

/// How a response body ended that a layer or a handler has made.
#[derive(Debug)]
pub enum BodyCut {
    /// The body failed with this error.
    Failed(BoxError),
    /// The body panicked. The error is a [`PanicError`](crate::PanicError).
    Panicked(BoxError),
    /// The body ended without an error. A stream inside of it may not have ended.
    Ended,
}

/// A function that is called once when a response body has ended.
pub type BodyCutObserver = Box<dyn FnOnce(BodyCut) + Send>;

/// Changes the responses of an app's endpoints before any middleware sees them, and checks the
/// responses that clients get. Set it with
/// [`AppContext::with_response_watch`](crate::AppContext::with_response_watch).
pub trait ResponseWatch: Send + Sync + 'static {
    /// Changes the response of an endpoint, before middleware sees it. It is called for endpoints
    /// with a [last step](crate::HandlerEndpoint::with_last_step).
    fn finish(&self, response: &mut HttpResponse, reporter: &BodyErrorReporterBuilder<'_>);

    /// Checks a response after all layers, and corrects it.
    fn check(&self, response: &mut HttpResponse, reporter: &BodyErrorReporterBuilder<'_>);

    /// Returns the observer of a response with these extensions. An error is then passed to the
    /// observer, and not to the error hook of the app.
    fn observer(&self, extensions: &Extensions) -> Option<BodyCutObserver>;

    /// Whether the client has caused this error, which is then not reported. It is also called for
    /// each cause of the error.
    fn is_client_fault(&self, error: &(dyn StdError + 'static)) -> bool;
}
