//! What stands around endpoints: functions that see the request on its way in and the response on
//! its way out.
//!
//! Everything is an [`Endpoint`]: middleware makes a new one of the one that it wraps. It sees
//! responses only; an error has become one by then, and rides along in the response's extensions.

pub(crate) mod filter;
pub(crate) mod pipeline;
pub(crate) mod tap;
pub(crate) mod tower;
pub(crate) mod with;
pub(crate) mod wrap;

use std::{fmt, sync::Arc};

use crate::extract::FromRequestParts;
use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;

/// What makes a new endpoint of the one that it wraps. Every request goes through it, those without
/// a route included.
pub trait Middleware: Send + Sync + 'static {
    /// Says what it reads, which services it uses and what it may respond by itself. Middleware
    /// that does not say it may do anything.
    fn describe(&self, description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Wraps an endpoint. Called when the router becomes a service, once for each place where the
    /// middleware stands.
    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint>;
}

/// A request on its way to its endpoint. Dereferences to [`RequestParts`].
#[derive(Debug)]
pub struct HttpContext {
    parts: RequestParts,
    body: HttpBody,
}

impl HttpContext {
    /// Puts a request together.
    #[must_use]
    pub fn new(parts: RequestParts, body: HttpBody) -> Self {
        Self { parts, body }
    }

    /// Makes what a handler would take as an argument.
    ///
    /// # Errors
    ///
    /// Those of the extractor.
    pub async fn extract<T: FromRequestParts>(&mut self) -> Result<T, Error> {
        self.parts.rewind_path_args();
        T::from_request_parts(&mut self.parts).await
    }

    /// The body, to be replaced or wrapped.
    pub fn body_mut(&mut self) -> &mut HttpBody {
        &mut self.body
    }

    /// Takes the request apart.
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

/// The rest of the way: further middleware, and the endpoint. Clones lead the same way.
#[derive(Clone)]
pub struct Next(Arc<dyn Endpoint>);

impl Next {
    pub(crate) fn new(inner: Arc<dyn Endpoint>) -> Self {
        Self(inner)
    }

    /// Goes on with the request.
    pub fn run(&self, ctx: HttpContext) -> BoxFuture<HttpResponse> {
        self.0.call(ctx.parts, ctx.body)
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}
