//! `Endpoint`: what responds to the requests of a route.

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::into_response::HttpResponse;

/// The target of a route: it responds to every request.
///
/// A handler becomes an endpoint by [`HandlerEndpoint`](crate::HandlerEndpoint), and a tower
/// service by [`ServiceEndpoint`](crate::ServiceEndpoint). Middleware wraps an endpoint in another
/// one.
pub trait Endpoint: Send + Sync + 'static {
    /// Responds to a request.
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse>;

    /// Describes what the endpoint reads, which services it uses and which responses it may give.
    /// The router calls this when it becomes a service, and when it checks its routes. The default
    /// says that the endpoint may do anything.
    ///
    /// An endpoint that takes path arguments by position takes all arguments of its pattern. A
    /// route with another number of arguments cannot be mapped.
    fn describe(&self, description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Whether every panic of this endpoint becomes a response by itself. If not, the router does
    /// it, at the cost of a second boxed future for each request.
    #[doc(hidden)]
    fn catches_panics(&self) -> bool {
        false
    }
}
