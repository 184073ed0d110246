//! `ResponseWatch`: what an app does with responses after all layers.

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

/// What an app does with responses after all layers. See
/// [`AppContext::with_response_watch`](crate::AppContext::with_response_watch).
#[derive(Clone, Copy, Debug)]
pub struct ResponseWatch {
    /// Checks a response and corrects it, if middleware may have changed it.
    pub check: Option<fn(&mut HttpResponse, &BodyErrorReporterBuilder<'_>)>,
    /// Returns the observer of a response with these extensions. An error is then passed to the
    /// observer, and not to the error hook of the app.
    pub observer: fn(&Extensions) -> Option<BodyCutObserver>,
    /// Whether the client has caused this error, which is then not reported. It is also called for
    /// each cause of the error.
    pub is_client_fault: fn(&(dyn StdError + 'static)) -> bool,
}
