//! Requests, responses, routing, extractors and errors: the part of Volga that knows no socket and no server.
//!
//! A [`Router`] takes a request to an [`Endpoint`]; a [`Handler`] is an ordinary function whose arguments are
//! [extracted](FromRequestParts) from the request and whose result [becomes a response](IntoResponse). [`RouterService`] is a
//! [`tower_service::Service`], so that any server, or a test, can call it.
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
//! Modules: `body`, `request` and `response` are the values; `route` finds the endpoint (pure); `extract` makes arguments of requests;
//! `handler` calls functions; `service` ties them together.

mod body;
mod error;
mod extract;
mod handler;
mod request;
mod response;
mod route;
mod service;

pub use body::{BoxError, HttpBody};
pub use error::Error;
pub use extract::{FromRequest, FromRequestParts, ViaParts, ViaRequest};
pub use handler::{Async, BoxFuture, Endpoint, Handler, HandlerEndpoint, Immediate};
pub use request::{HttpRequest, PathArgs, RequestParts};
pub use response::{HttpResponse, HttpResult, IntoResponse, set_header};
pub use route::{MAX_PATH_ARGS, RouteError, RouteFault, RouteFaults};
pub use service::{Router, RouterService};
