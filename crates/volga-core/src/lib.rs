//! The core of Volga: requests, responses, routing, extractors, middleware, services and errors. It
//! has no sockets and no server.
//!
//! A [`Router`] sends each request to an [`Endpoint`]. A [`Handler`] is an ordinary function: its
//! arguments are [extracted](FromRequestParts) from the request, and its result [becomes a
//! response](IntoResponse). [`RouterService`] is a [`tower_service::Service`], so any server or
//! test can call it.
//!
//! ```
//! use volga_core::{HandlerEndpoint, HttpBody, Router};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let mut router = Router::new();
//! let handler = HandlerEndpoint::new(|id: u32| format!("user {id}"));
//! router.map(http::Method::GET, "/users/{id}", handler);
//! let service = router.into_service().expect("no faults");
//!
//! let request = http::Request::get("/users/7").body(HttpBody::empty()).unwrap();
//! let response = service.respond(request).await;
//! assert_eq!(response.status(), 200);
//! # }
//! ```
//!
//! | Module | Contents |
//! |---|---|
//! | `request` | the request, its body and its limits, its context |
//! | `response` | responses, errors, and reports of errors |
//! | `routing` | patterns, the tree of routes, the router and its service |
//! | `handler` | endpoints, and functions as endpoints |
//! | `extract` | arguments of handlers |
//! | `middleware` | code around endpoints, and tower layers |
//! | `services` | dependency injection |
//! | [`mod@headers`] | typed headers |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod handler;
pub mod headers;
mod middleware;
mod request;
mod response;
mod routing;
mod services;

pub use extract::body::Text;
pub use extract::body::form::{Form, MAX_FORM_FIELDS};
pub use extract::body::json::Json;
pub use extract::body::lines::MAX_NDJSON_LINE;
pub use extract::body::ndjson::NdJson;
pub use extract::error::{COLLECTED_RETRY_AFTER, ExtractError};
pub use extract::extension::Extension;
pub use extract::fields::file_number::FileNumber;
pub use extract::fields::form_fields::FormFields;
pub use extract::fields::non_empty::NonEmptyFields;
pub use extract::header::Header;
pub use extract::optional::OptionalArg;
pub use extract::path::Path;
pub use extract::path::arg::{FromPathArg, SkipPathArg};
pub use extract::query::Query;
pub use extract::valid::field_errors::{FieldErrors, FieldNames, MAX_FIELD_ERRORS};
pub use extract::valid::{Valid, ValidArg, Validate};
pub use extract::{FromRequest, FromRequestParts, ViaParts, ViaRequest};
pub use handler::box_future::BoxFuture;
pub use handler::description::{DescribedBody, DescribedHeader, DescribedResponse, Description};
pub use handler::detached::{DetachedArgs, DetachedHandler, DetachedResponse, detached};
pub use handler::finish::FinishEndpoint;
pub use handler::function::{Handler, HandlerArgs, PartsArgs};
pub use handler::handler_endpoint::HandlerEndpoint;
pub use handler::output::{Async, HandlerOutput, Immediate};
pub use headers::media_preference::preferred_media_type;
pub use headers::quality::quality_member;
pub use middleware::filter::{Filter, FilterVerdict};
pub use middleware::tap::{MapOk, TapRequest};
pub use middleware::tower::{EndpointService, ServiceEndpoint, TowerLayer};
pub use middleware::with::{NextCall, WithMiddleware};
pub use middleware::wrap::WrapMiddleware;
pub use middleware::{HttpContext, Middleware};
pub use request::app_context::{AppContext, Spawner};
pub use request::body::HttpBody;
pub use request::body_budget::{CollectedBytes, DEFAULT_MAX_COLLECTED_BYTES};
pub use request::body_limit::{BodyLimit, DEFAULT_MAX_BODY};
pub use request::cancel::{CancelGuard, CancellationToken};
pub use request::original_uri::OriginalUri;
pub use request::parts::{Endpoint, HttpRequest, Next, RequestParts};
pub use response::body_error_report::{BodyErrorReporter, BodyErrorReporterBuilder};
pub use response::box_error::BoxError;
pub use response::cross_origin::CrossOriginPolicy;
pub use response::error::Error;
pub use response::error_format::ErrorFormat;
pub use response::error_mapper::{ErrorMapper, MapError};
pub use response::error_report::ErrorReport;
pub use response::error_response::ErrorResponse;
pub use response::into_response::{HttpResponse, HttpResult, IntoResponse, OutStatus, OutValue};
pub use response::into_response_parts::{IntoResponseParts, set_header};
pub use response::panic_error::PanicError;
pub use response::problem::Problem;
pub use response::response_watch::{BodyCut, BodyCutObserver, ResponseWatch};
pub use response::status_error::IntoStatusError;
pub use routing::fault::{RouteError, RouteFault, RouteFaults};
pub use routing::method::RouteMethod;
pub use routing::no_route::NoRoute;
pub use routing::pattern::MAX_PATH_ARGS;
pub use routing::router::Router;
pub use routing::service::response_future::ResponseFuture;
pub use routing::service::{RouteMatch, RouterService};
pub use routing::settings::{RouteId, ScopeId, SettingsLevel};
pub use routing::strip_prefix::{StripPrefix, prefix_location};
pub use services::builder::ServicesBuilder;
pub use services::check::{ServiceConsumer, ServiceFault, ServiceFaults};
pub use services::dc::Dc;
pub use services::error::ServiceError;
pub use services::factory::{Dependencies, Factory, Inject};
pub use services::needs::Needs;
pub use services::registry::{Scope, Services};

/// The paths to which the macros of this crate expand, and what other crates of the workspace use.
/// This is not a public interface.
#[doc(hidden)]
pub mod __private {
    pub use http::{HeaderName, HeaderValue};

    pub use crate::response::into_response::with_content_type;
    pub use crate::response::json_text::to_json;
}
