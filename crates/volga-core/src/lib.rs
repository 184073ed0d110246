//! Requests, responses, routing, extractors and errors: the part of Volga that knows no socket and
//! no server.
//!
//! A [`Router`] takes a request to an [`Endpoint`]; a [`Handler`] is an ordinary function whose
//! arguments are [extracted](FromRequestParts) from the request and whose result [becomes a
//! response](IntoResponse). [`RouterService`] is a [`tower_service::Service`], so that any server,
//! or a test, can call it.
//!
//! ```
//! use volga_core::{HandlerEndpoint, HttpBody, Router};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let mut router = Router::new();
//! router.map(http::Method::GET, "/users/{id}", HandlerEndpoint::new(|id: u32| format!("user {id}")));
//! let service = router.into_service().expect("no faults");
//!
//! let request = http::Request::get("/users/7").body(HttpBody::empty()).unwrap();
//! let response = service.respond(request).await;
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! Modules: `body`, `request` and `response` are the values; `route` finds the endpoint (pure);
//! `extract` makes arguments of requests, [`mod@headers`] are typed; `handler` calls functions;
//! `router` holds what is mapped, and `service` answers by it.

mod body;
mod body_limit;
mod cancel;
mod catch_panic;
mod collected;
mod description;
mod detached;
mod error;
mod extract;
mod handler;
pub mod headers;
mod late_report;
mod middleware;
mod mount;
mod percent;
mod problem;
mod report;
mod request;
mod request_context;
mod responder;
mod response;
mod response_parts;
mod route;
mod router;
mod service;
mod services;
mod way;

pub use body::{BoxError, HttpBody};
pub use body_limit::{BodyLimit, DEFAULT_MAX_BODY};
pub use cancel::{CancelGuard, CancellationToken};
pub use collected::{COLLECTED_RETRY_AFTER, DEFAULT_MAX_COLLECTED_BYTES};
pub use description::{DescribedBody, DescribedHeader, DescribedResponse, Description};
pub use detached::{Detached, DetachedArgs, detached};
pub use error::Error;
pub use extract::{
    Extension, ExtractError, FromPathArg, FromRequest, FromRequestParts, Header, Json,
    MAX_NDJSON_LINE, MayBeAbsent, NdJson, Path, Query, Text, ViaParts, ViaRequest,
};
pub use handler::{
    Async, BoxFuture, Endpoint, Finish, Handler, HandlerArgs, HandlerEndpoint, HandlerOutput,
    Immediate, PartsArgs,
};
pub use late_report::{LateReport, LateReporter};
pub use middleware::{
    EndpointService, Filter, FilterVerdict, HttpContext, MapOk, Middleware, Next, NextCall,
    TapRequest, TowerLayer, With, Wrap,
};
pub use mount::{Finished, OriginalUri, ServiceEndpoint, StripPrefix};
pub use problem::Problem;
pub use report::ErrorReport;
pub use request::{HttpRequest, RequestParts};
pub use request_context::{AppContext, Spawner};
pub use responder::{ErrorMapper, MapError};
pub use response::{HttpResponse, HttpResult, IntoResponse};
pub use response_parts::{IntoResponseParts, set_header};
pub use route::{MAX_PATH_ARGS, RouteError, RouteFault, RouteFaults, RouteMethod};
pub use router::{Place, RouteId, Router, ScopeId};
pub use service::{NoRoute, ResponseFuture, RouteMatch, RouterService};
pub use services::{
    Asker, Dc, Dependencies, Factory, Inject, Needs, Scope, ServiceError, ServiceFault,
    ServiceFaults, Services, ServicesBuilder,
};

/// What the macros of this crate expand to. Not a public interface.
#[doc(hidden)]
pub mod __private {
    pub use http::{HeaderName, HeaderValue};
}
