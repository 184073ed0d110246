//! Middleware: code around endpoints that sees requests before them and responses after them.
//!
//! [`Middleware`] wraps an [`Endpoint`] in a new one. It sees only responses: an error of a handler
//! has become a response before, whose extensions hold the error.
//!
//! | module | content |
//! |---|---|
//! | `wrap`, `with`, `filter`, `tap` | functions of several forms as middleware |
//! | `tower` | tower layers as middleware, and the rest of the pipeline as a tower service |
//! | `stage` | calls the function of one middleware, and makes its errors and panics responses |
//! | `pipeline` | the endpoint that passes a request on to the next middleware |
//!
//! To add a middleware, implement [`Middleware`] for a type, as `volga/src/limit_streams.rs` does;
//! users pass it to `attach` of an app, a group or a route. To add a form of function, write a
//! module beside `wrap`, and a method in `volga/src/settings.rs` and `volga/src/before_routing.rs`.
//! `volga/tests/it/middleware/forms.rs` tests each form on each level.

pub(crate) mod filter;
pub(crate) mod pipeline;
pub(crate) mod stage;
pub(crate) mod tap;
pub(crate) mod tower;
pub(crate) mod with;
pub(crate) mod wrap;

use std::sync::Arc;

use crate::extract::FromRequestParts;
use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, Next, RequestParts};
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;

/// Wraps an endpoint in a new one. Every request passes through middleware, also a request without
/// a route.
pub trait Middleware: Send + Sync + 'static {
    /// Describes what the middleware reads, which services it uses, and which responses it gives by
    /// itself. The default says that it may do anything.
    fn describe(&self, description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Wraps an endpoint. It is called when the router becomes a service, once for each app, group
    /// or route to which the middleware was added.
    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint>;
}

/// A request in the pipeline. It dereferences to [`RequestParts`].
#[derive(Debug)]
pub struct HttpContext {
    parts: RequestParts,
    body: HttpBody,
}

impl HttpContext {
    /// Creates a request from its parts and its body.
    #[must_use]
    pub fn new(parts: RequestParts, body: HttpBody) -> Self {
        Self { parts, body }
    }

    /// Extracts an argument as a handler would take it.
    ///
    /// # Errors
    ///
    /// Returns the error of the extractor.
    pub async fn extract<T: FromRequestParts>(&mut self) -> Result<T, Error> {
        self.parts.rewind_path_args();
        T::from_request_parts(&mut self.parts).await
    }

    /// The body, which you may replace or wrap.
    pub fn body_mut(&mut self) -> &mut HttpBody {
        &mut self.body
    }

    /// Returns the parts and the body.
    #[must_use]
    pub fn into_parts(self) -> (RequestParts, HttpBody) {
        (self.parts, self.body)
    }
}

impl std::ops::Deref for HttpContext {
    type Target = RequestParts;

    fn deref(&self) -> &RequestParts {
        &self.parts
    }
}

impl std::ops::DerefMut for HttpContext {
    fn deref_mut(&mut self) -> &mut RequestParts {
        &mut self.parts
    }
}

impl Next {
    /// Passes the request to the rest of the pipeline.
    pub fn run(&self, ctx: HttpContext) -> BoxFuture<HttpResponse> {
        self.call(ctx.parts, ctx.body)
    }
}
