//! The path arguments of a request.

use std::borrow::Cow;
use std::sync::Arc;

use crate::extract::error::ExtractError;
use crate::request::percent;
use crate::routing::tree::{RouteInfo, Spans};

/// The route of a request, and the positions of its arguments in the path.
#[derive(Clone, Default)]
pub(crate) struct PathArgs {
    pub(crate) route: Option<Arc<RouteInfo>>,
    pub(crate) spans: Spans,
    /// The number of arguments that extractors have taken by position.
    pub(crate) taken: usize,
    /// The request has no route: the arguments are those of a scope's prefix.
    pub(crate) has_no_route: bool,
}

impl PathArgs {
    pub(crate) fn new(route: &Arc<RouteInfo>, spans: Spans) -> Self {
        Self { route: Some(Arc::clone(route)), spans, taken: 0, has_no_route: false }
    }

    /// The arguments of a scope's prefix, for a request without a route.
    pub(crate) fn without_route(prefix: &Arc<RouteInfo>, spans: Spans) -> Self {
        Self { has_no_route: true, ..Self::new(prefix, spans) }
    }

    pub(crate) fn len(&self) -> usize {
        self.route.as_ref().map_or(0, |route| route.names.len())
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
