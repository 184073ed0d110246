//! The request, and the part of it that extractors see.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use http::request;
use http_body::Body;

use crate::{
    ExtractError, HttpBody, MapError, Next, percent,
    request_context::RequestContext,
    responder::Responder,
    route::{RouteInfo, Spans},
    way::Way,
};

/// A request as an application sees it.
pub type HttpRequest = http::Request<HttpBody>;

/// Everything of a request but its body, with what the route found in the path. Dereferences to [`http::request::Parts`].
pub struct RequestParts {
    head: request::Parts,
    carried: Carried,
}

/// What a request has beside its head and its body. It rides in the extensions where the request is an ordinary one for a while.
#[derive(Clone, Default)]
pub(crate) struct Carried {
    pub(crate) path_args: PathArgs,
    pub(crate) has_body: bool,
    /// Where the request goes.
    pub(crate) way: Way,
    /// The services of the app, the scope and the token.
    pub(crate) context: RequestContext,
    /// Who makes the responses of errors.
    pub(crate) mapper: Option<Arc<dyn MapError>>,
    /// What the next [`NextCall`](crate::NextCall) goes on with.
    next: Option<Next>,
}

impl RequestParts {
    pub(crate) fn new(head: request::Parts, path_args: PathArgs, body: &HttpBody) -> Self {
        let has_body = !body.is_end_stream();
        Self { head, carried: Carried { path_args, has_body, ..Carried::default() } }
    }

    /// The parts of a request that was an ordinary one for a while.
    pub(crate) fn carried(head: request::Parts, carried: Carried) -> Self {
        Self { head, carried }
    }

    /// Makes it an ordinary request for a while.
    pub(crate) fn into_request(self, body: HttpBody) -> HttpRequest {
        let mut request = HttpRequest::from_parts(self.head, body);
        request.extensions_mut().insert(self.carried);
        request
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.carried.context
    }

    pub(crate) fn context_mut(&mut self) -> &mut RequestContext {
        &mut self.carried.context
    }

    pub(crate) fn carried_mut(&mut self) -> &mut Carried {
        &mut self.carried
    }

    /// How the results of this request become responses.
    pub(crate) fn responder(&self) -> Responder {
        Responder::new(&self.head.headers, self.carried.mapper.clone())
    }

    pub(crate) fn set_next(&mut self, next: Next) {
        self.carried.next = Some(next);
    }

    pub(crate) fn take_next(&mut self) -> Option<Next> {
        self.carried.next.take()
    }

    /// The pattern of the route, such as `/users/{id}`; `None` where no route was found.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.carried.path_args.route.as_ref().map(|route| &*route.pattern)
    }

    /// The path arguments of the route, from left to right: their names, and their text as it stands in the path.
    pub fn raw_path_args(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.carried.path_args.len()).filter_map(|index| self.raw(index))
    }

    /// The path argument of this name, percent-decoded. It may hold a `/` or be `..`, since those can be encoded.
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

    /// Whether a body comes with the request. One that is announced and turns out to be empty counts.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.carried.has_body
    }

    /// All path arguments with their names, percent-decoded.
    pub(crate) fn path_args(
        &self,
    ) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), ExtractError>> {
        self.raw_path_args().map(decode)
    }

    /// The next path argument that no extractor took yet, percent-decoded, with its name.
    pub(crate) fn next_path_arg(&mut self) -> Option<Result<(&str, Cow<'_, str>), ExtractError>> {
        let index = self.carried.path_args.taken;
        self.carried.path_args.taken += 1;
        self.raw(index).map(decode)
    }

    /// Lets the next extractor take the first path argument again: every function counts for itself.
    pub(crate) fn rewind_path_args(&mut self) {
        self.carried.path_args.taken = 0;
    }

    pub(crate) fn into_head(self) -> request::Parts {
        self.head
    }

    fn raw(&self, index: usize) -> Option<(&str, &str)> {
        let name = &**self.carried.path_args.route.as_ref()?.names.get(index)?;
        // Nothing where an extractor has changed the path.
        let raw = self.carried.path_args.spans.slice(self.head.uri.path(), index)?;
        Some((name, raw))
    }
}

impl Deref for RequestParts {
    type Target = request::Parts;

    fn deref(&self) -> &request::Parts {
        &self.head
    }
}

impl DerefMut for RequestParts {
    fn deref_mut(&mut self) -> &mut request::Parts {
        &mut self.head
    }
}

impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("head", &self.head)
            .field("route", &self.route())
            .field("has_body", &self.carried.has_body)
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
