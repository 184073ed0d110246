//! The request, and the part of it that extractors see.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use http::request;
use http_body::Body;

use crate::extract::error::ExtractError;
use crate::middleware::Next;
use crate::middleware::pipeline::Pipeline;
use crate::request::body::HttpBody;
use crate::request::body_limit::BodyLimit;
use crate::request::context::RequestContext;
use crate::request::percent;
use crate::response::error_report::Reporter;
use crate::response::responder::{MapError, Responder};
use crate::routing::tree::{RouteInfo, Spans};

/// A request as an application sees it.
pub type HttpRequest = http::Request<HttpBody>;

/// Everything of a request but its body, with what the route found in the path. Dereferences to
/// [`http::request::Parts`].
///
/// It is one pointer, because it moves through every stage on the way to the handler, and from one
/// future into the next.
pub struct RequestParts(Box<Inner>);

struct Inner {
    head: request::Parts,
    state: RequestState,
}

/// What a request has beside its head and its body. It rides in the extensions where the request is
/// an ordinary one for a while.
#[derive(Clone, Default)]
pub(crate) struct RequestState {
    pub(crate) path_args: PathArgs,
    pub(crate) has_body: bool,
    /// Where the request goes.
    pub(crate) pipeline: Pipeline,
    /// The services of the app, the scope and the token.
    pub(crate) context: RequestContext,
    /// How long the body may be.
    pub(crate) body_limit: BodyLimit,
    /// Who makes the responses of errors, at every stage of the way.
    pub(crate) responder: Option<Arc<Responder>>,
    /// What the next [`NextCall`](crate::NextCall) goes on with.
    next: Option<Next>,
}

impl RequestParts {
    pub(crate) fn new(head: request::Parts, path_args: PathArgs, body: &HttpBody) -> Self {
        let has_body = !body.is_end_stream();
        Self::with_state(head, RequestState { path_args, has_body, ..RequestState::default() })
    }

    /// The parts of a request that was an ordinary one for a while.
    pub(crate) fn with_state(head: request::Parts, state: RequestState) -> Self {
        Self(Box::new(Inner { head, state }))
    }

    /// Makes it an ordinary request for a while.
    pub(crate) fn into_request(self, body: HttpBody) -> HttpRequest {
        let Inner { head, state } = *self.0;
        let mut request = HttpRequest::from_parts(head, body);
        request.extensions_mut().insert(state);
        request
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.0.state.context
    }

    pub(crate) fn context_mut(&mut self) -> &mut RequestContext {
        &mut self.0.state.context
    }

    pub(crate) fn state_mut(&mut self) -> &mut RequestState {
        &mut self.0.state
    }

    /// Settles how the results of this request become responses.
    pub(crate) fn set_mapper(&mut self, mapper: Option<Arc<dyn MapError>>) {
        let Inner { head, state } = &mut *self.0;
        let reporter = state.context.app().map(|app| Reporter::new(app, head));
        state.responder = Some(Arc::new(Responder::new(&head.headers, mapper, reporter)));
    }

    /// How the results of this request become responses.
    pub(crate) fn responder(&self) -> Arc<Responder> {
        let settled = self.0.state.responder.clone();
        settled.unwrap_or_else(|| Arc::new(Responder::new(&self.0.head.headers, None, None)))
    }

    pub(crate) fn set_next(&mut self, next: Next) {
        self.0.state.next = Some(next);
    }

    pub(crate) fn take_next(&mut self) -> Option<Next> {
        self.0.state.next.take()
    }

    /// The pattern of the route, such as `/users/{id}`; `None` where no route was found.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.0.state.path_args.route.as_ref().map(|route| &*route.pattern)
    }

    /// The path arguments of the route, from left to right: their names, and their text as it
    /// stands in the path.
    pub fn raw_path_args(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.0.state.path_args.len()).filter_map(|index| self.raw(index))
    }

    /// The path argument of this name, percent-decoded. It may hold a `/` or be `..`, since those
    /// can be encoded.
    ///
    /// # Errors
    ///
    /// What it encodes is no UTF-8.
    pub fn path_arg(&self, name: &str) -> Option<Result<Cow<'_, str>, ExtractError>> {
        self.raw_path_args().find(|(other, _)| *other == name).map(decode).map(|arg| {
            let (_, text) = arg?;
            Ok(text)
        })
    }

    /// Whether a body comes with the request. One that is announced and turns out to be empty
    /// counts.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.0.state.has_body
    }

    /// How long the body may be. The body that comes with these parts keeps to it by itself.
    #[must_use]
    pub fn body_limit(&self) -> BodyLimit {
        self.0.state.body_limit
    }

    /// All path arguments with their names, percent-decoded.
    pub(crate) fn path_args(
        &self,
    ) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), ExtractError>> {
        self.raw_path_args().map(decode)
    }

    /// The next path argument that no extractor took yet, percent-decoded, with its name.
    pub(crate) fn next_path_arg(&mut self) -> Option<Result<(&str, Cow<'_, str>), ExtractError>> {
        let index = self.0.state.path_args.taken;
        self.0.state.path_args.taken += 1;
        self.raw(index).map(decode)
    }

    /// Lets the next extractor take the first path argument again: every function counts for
    /// itself.
    pub(crate) fn rewind_path_args(&mut self) {
        self.0.state.path_args.taken = 0;
    }

    pub(crate) fn into_head(self) -> request::Parts {
        self.0.head
    }

    fn raw(&self, index: usize) -> Option<(&str, &str)> {
        let name = &**self.0.state.path_args.route.as_ref()?.names.get(index)?;
        // Nothing where an extractor has changed the path.
        let raw = self.0.state.path_args.spans.slice(self.0.head.uri.path(), index)?;
        Some((name, raw))
    }
}

impl Deref for RequestParts {
    type Target = request::Parts;

    fn deref(&self) -> &request::Parts {
        &self.0.head
    }
}

impl DerefMut for RequestParts {
    fn deref_mut(&mut self) -> &mut request::Parts {
        &mut self.0.head
    }
}

impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("head", &self.0.head)
            .field("route", &self.route())
            .field("has_body", &self.0.state.has_body)
            .finish_non_exhaustive()
    }
}

/// The route of a request, and where its arguments stand in the path.
#[derive(Clone, Default)]
pub(crate) struct PathArgs {
    route: Option<Arc<RouteInfo>>,
    spans: Spans,
    taken: usize,
}

impl PathArgs {
    pub(crate) fn new(route: &Arc<RouteInfo>, spans: Spans) -> Self {
        Self { route: Some(Arc::clone(route)), spans, taken: 0 }
    }

    fn len(&self) -> usize {
        self.route.as_ref().map_or(0, |route| route.names.len())
    }
}

fn decode<'a>((name, raw): (&'a str, &'a str)) -> Result<(&'a str, Cow<'a, str>), ExtractError> {
    match percent::decode(raw) {
        Some(text) => Ok((name, text)),
        None => Err(ExtractError::PathArg {
            name: name.to_owned(),
            reason: "malformed percent-encoding".to_owned(),
        }),
    }
}
