//! `NoRoute`: why a request has no route, and the response to it.

pub(in crate::routing) mod fallback;
pub(in crate::routing) mod missing_value;

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header, request};

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};
use crate::response::missing_value::UNKNOWN_PATH;
use crate::response::response_check::ResponseOrigin;
use crate::routing::query_method::AcceptQuery;
use crate::routing::tree::Lookup;

/// Why a request has no route. The handler of a fallback can take it as an argument:
/// `Extension(reason): Extension<NoRoute>`.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoRoute {
    /// No route matches the path: status 404.
    UnknownPath,
    /// The path is mapped for these methods only: status 405. Volga adds `Allow` to the response.
    OtherMethods(Vec<Method>),
}

/// Why a request has no route, in full.
#[derive(Clone, Debug)]
pub(super) enum NoRouteReason {
    UnknownPath,
    OtherMethods(Vec<Method>),
    Options(Vec<Method>),
    Malformed,
}

impl NoRouteReason {
    pub(super) fn new<T>(found: Lookup<'_, T>, head: &request::Parts) -> Self {
        let is_options = head.method == Method::OPTIONS;
        match found {
            Lookup::OtherMethods(methods) if is_options => Self::Options(methods),
            Lookup::OtherMethods(methods) => Self::OtherMethods(methods),
            Lookup::Malformed => Self::Malformed,
            _ if is_options && head.uri.path() == "*" => Self::Options(Vec::new()),
            _ => Self::UnknownPath,
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Malformed => Error::client_error("path: malformed percent-encoding"),
            Self::OtherMethods(_) | Self::Options(_) => {
                Error::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not support this method")
            }
            Self::UnknownPath => Error::new(StatusCode::NOT_FOUND, UNKNOWN_PATH),
        }
    }

    /// The value of `Allow`: the methods that the path is mapped for.
    fn allow(&self) -> Option<HeaderValue> {
        let (Self::OtherMethods(methods) | Self::Options(methods)) = self else { return None };
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        // Methods are tokens, so the value is valid.
        HeaderValue::from_str(&names.join(", ")).ok().filter(|_| !names.is_empty())
    }
}

/// Responds to requests without a route: by the fallback, or else by an error.
pub(crate) struct NoRouteEndpoint {
    pub(crate) fallback: Option<Arc<dyn Endpoint>>,
}

impl Endpoint for NoRouteEndpoint {
    fn describe(&self, description: &mut Description) {
        // The extensions hold the reason.
        description.reads_extensions().responds_error();
        if let Some(fallback) = &self.fallback {
            fallback.describe(description);
        }
    }

    fn catches_panics(&self) -> bool {
        self.fallback.as_ref().is_none_or(|fallback| fallback.catches_panics())
    }

    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let reason = parts.extensions.remove().unwrap_or(NoRouteReason::UnknownPath);
        let accept_query = parts.extensions.remove::<AcceptQuery>();
        let responder = parts.responder();
        let no_route = match &reason {
            NoRouteReason::UnknownPath => Some(NoRoute::UnknownPath),
            NoRouteReason::OtherMethods(methods) => Some(NoRoute::OtherMethods(methods.clone())),
            NoRouteReason::Options(_) | NoRouteReason::Malformed => None,
        };
        let fallback = no_route.zip(self.fallback.as_ref()).map(|(no_route, endpoint)| {
            parts.extensions.insert(no_route);
            endpoint.call(parts, body)
        });
        Box::pin(async move {
            let mut response = match (fallback, &reason) {
                (Some(response), _) => response.await,
                (None, NoRouteReason::Options(_)) => {
                    let result = StatusCode::NO_CONTENT.into_response();
                    responder.respond(result, ResponseOrigin::Handler).await
                }
                (None, reason) => responder.respond_to(reason.error()).await,
            };
            if let Some(accept_query) = accept_query {
                accept_query.add_to(&mut response);
            }
            if let Some(allow) = reason.allow() {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        })
    }
}
