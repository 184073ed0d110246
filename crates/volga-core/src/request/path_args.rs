//! The path arguments of a request.

use std::borrow::Cow;
use std::sync::Arc;

use crate::extract::error::ExtractError;
use crate::request::percent;
use crate::routing::tree::{RouteInfo, Spans};

/// The route of a request, and the positions of its arguments in the path.
#[derive(Clone, Default)]
pub(crate) struct PathArgs {
    pub(crate) route: RouteRef,
    pub(crate) spans: Spans,
    /// The number of arguments that extractors have taken by position.
    pub(crate) taken: usize,
    /// The request has no route: the arguments are those of a scope's prefix.
    pub(crate) has_no_route: bool,
}

/// Refers to the pattern and the argument names of a route.
#[derive(Clone, Default)]
pub(crate) enum RouteRef {
    #[default]
    Unknown,
    /// The route with this number. The context of the request has it, so the requests of a route do
    /// not share a reference count.
    Number(u32),
    /// The prefix of a scope, or the route of a fallback.
    Info(Arc<RouteInfo>),
}

impl PathArgs {
    pub(crate) fn new(route: RouteRef, spans: Spans) -> Self {
        Self { route, spans, taken: 0, has_no_route: false }
    }

    /// The arguments of a scope's prefix, for a request without a route.
    pub(crate) fn without_route(prefix: &Arc<RouteInfo>, spans: Spans) -> Self {
        Self { has_no_route: true, ..Self::new(RouteRef::Info(Arc::clone(prefix)), spans) }
    }
}

/// Percent-decodes the text of a path argument.
pub(crate) fn decode<'a>(
    (name, raw): (&'a str, &'a str),
) -> Result<(&'a str, Cow<'a, str>), ExtractError> {
    match percent::decode(raw) {
        Some(text) => Ok((name, text)),
        None => Err(ExtractError::PathArg {
            name: name.to_owned(),
            reason: "malformed percent-encoding".to_owned(),
        }),
    }
}
