//! `RequestParts`: a request without its body. `Endpoint`: what it is sent to.
//!
//! The types refer to each other, so they are in one file: a request holds the endpoints that it
//! has not passed yet, and an endpoint takes a request.

use std::{
    borrow::Cow,
    fmt,
    mem::take,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use http::{HeaderMap, request};
#[cfg(test)]
use http_body::Body;

use crate::extract::error::ExtractError;
use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::body_budget::CollectedBytes;
use crate::request::body_limit::BodyLimit;
use crate::request::context::RequestContext;
use crate::request::decoded_path;
use crate::request::path_args::{PathArgs, RouteRef, decode};
use crate::response::cross_origin::{CrossOriginPolicy, PolicyApplied};
use crate::response::error::Error;
use crate::response::error_format::ErrorFormat;
use crate::response::into_response::HttpResponse;
use crate::response::responder::Responder;
use crate::response::spare_headers;
use crate::routing::tree::RouteInfo;

/// A request as an application sees it.
pub type HttpRequest = http::Request<HttpBody>;

/// Everything in a request except its body: the head, the path arguments, and the state that Volga
/// keeps for the request. It dereferences to [`http::request::Parts`].
///
/// It is one pointer, because it moves through every stage of the pipeline, from one future into
/// the next.
pub struct RequestParts(Box<PartsAndState>);

struct PartsAndState {
    head: request::Parts,
    state: RequestState,
}

/// The state of a request beside its head and its body. While the request is an [`HttpRequest`], in
/// a tower layer, the state is in its extensions.
#[derive(Clone, Default)]
pub(crate) struct RequestState {
    pub(crate) path_args: PathArgs,
    pub(crate) has_body: bool,
    /// The stages that the request has not passed yet.
    pub(crate) pipeline: Pipeline,
    /// The context of the app, the responder, the scope and the token.
    pub(crate) context: RequestContext,
    /// The maximum size of the body.
    pub(crate) body_limit: BodyLimit,
    /// The rest of the pipeline for the next [`NextCall`](crate::NextCall).
    pub(crate) next: Option<Next>,
}

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

/// The stages that a request passes, one after another. A stage is the middleware of one level (the
/// app, a group), wrapped around [`Continue`]. The last stage is the endpoint, wrapped in the
/// middleware of its route.
///
/// Because of the stages the middleware of the app exists once, however many routes the app has. A
/// limit or a counter in it is shared by all routes.
#[derive(Clone, Default)]
pub(crate) struct Pipeline {
    stages: Option<Arc<[Arc<dyn Endpoint>]>>,
    next: usize,
}

impl Pipeline {
    /// The pipeline of a request that enters the first of the stages. With one stage only, nothing
    /// follows it, and the pipeline does not hold the stages.
    pub(crate) fn after_first(stages: &Arc<[Arc<dyn Endpoint>]>) -> Self {
        Self { stages: (stages.len() > 1).then(|| Arc::clone(stages)), next: 1 }
    }

    pub(crate) fn next_stage(&mut self) -> Option<Arc<dyn Endpoint>> {
        let stage = self.stages.as_ref()?.get(self.next)?;
        self.next += 1;
        Some(Arc::clone(stage))
    }
}

/// The rest of the pipeline: the inner middleware and the endpoint.
#[derive(Clone)]
pub struct Next(Arc<dyn Endpoint>);

impl Next {
    pub(crate) fn new(inner: Arc<dyn Endpoint>) -> Self {
        Self(inner)
    }

    pub(crate) fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        self.0.call(parts, body)
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

impl RequestParts {
    #[cfg(test)]
    pub(crate) fn new(head: request::Parts, path_args: PathArgs, body: &HttpBody) -> Self {
        let has_body = !body.is_end_stream();
        Self::with_state(head, RequestState { path_args, has_body, ..RequestState::default() })
    }

    /// Creates the parts from a head and the state of the request.
    pub(crate) fn with_state(head: request::Parts, state: RequestState) -> Self {
        Self(Box::new(PartsAndState { head, state }))
    }

    /// Turns the parts and a body into a request whose extensions hold the state.
    pub(crate) fn into_request(self, body: HttpBody) -> HttpRequest {
        let PartsAndState { head, state } = *self.0;
        let mut request = HttpRequest::from_parts(head, body);
        request.extensions_mut().insert(state);
        request
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.0.state.context
    }

    pub(crate) fn state_mut(&mut self) -> &mut RequestState {
        &mut self.0.state
    }

    pub(crate) fn split_mut(&mut self) -> (&mut request::Parts, &mut RequestState) {
        let PartsAndState { head, state } = &mut *self.0;
        (head, state)
    }

    /// Lets a policy add its headers to the response, unless one further inside has done it.
    pub(crate) fn apply_policy(&self, policy: &dyn CrossOriginPolicy) {
        let Some(responder) = self.context().responder() else { return };
        let change = policy.response_headers(&self.0.head);
        responder.add_hook(Box::new(move |response| {
            if response.extensions().get::<PolicyApplied>().is_none() {
                change(response.headers_mut());
                response.extensions_mut().insert(PolicyApplied);
            }
        }));
    }

    /// Returns the responder, which turns results of this request into responses.
    pub(crate) fn responder(&self) -> Arc<Responder> {
        self.context().responder().cloned().unwrap_or_else(|| {
            Arc::new(Responder::new(&self.0.head.headers, None, ErrorFormat::default(), None))
        })
    }

    /// Returns a copy of a request that has lost its body, and has other path arguments.
    pub(crate) fn copy_without_body(&self, path_args: PathArgs) -> Self {
        let PartsAndState { head, state } = &*self.0;
        let state = RequestState { path_args, has_body: false, ..state.clone() };
        Self::with_state(head.clone(), state)
    }

    pub(crate) fn set_responder(&mut self, responder: Responder) {
        self.0.state.context.set_responder(Arc::new(responder));
    }

    /// Whether the state was lost: a tower layer has passed on a new request instead of the one
    /// that it got.
    pub(crate) fn is_state_lost(&self) -> bool {
        self.context().responder().is_none()
    }

    pub(crate) fn set_next(&mut self, next: Next) {
        self.0.state.next = Some(next);
    }

    pub(crate) fn take_next(&mut self) -> Option<Next> {
        self.0.state.next.take()
    }

    /// Adds a function that changes the headers of the response to this request. It runs after the
    /// handler and all middleware, whatever they respond with: also for an error, a panic and an
    /// event stream. So an argument can add headers by itself, as that of cookies does.
    ///
    /// Functions run in the order in which they were added.
    ///
    /// # Errors
    ///
    /// Returns a server error, and drops the function, if the headers of the response are finished
    /// or if a tower layer has passed on a new request instead of the one that it got.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use volga_core::{Description, Error, FromRequestParts, RequestParts};
    ///
    /// /// Lets no cache store the response.
    /// struct Confidential;
    ///
    /// impl FromRequestParts for Confidential {
    ///     fn describe(_: &mut Description) {}
    ///
    ///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
    ///         parts.on_response_head(|headers| {
    ///             headers.insert("cache-control", HeaderValue::from_static("no-store"));
    ///         })?;
    ///         Ok(Self)
    ///     }
    /// }
    /// # use volga_core::{HandlerEndpoint, HttpBody, Router};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut router = Router::new();
    /// # let handler = |_: Confidential| Err::<(), _>(Error::client_error("no"));
    /// # router.map(http::Method::GET, "/", HandlerEndpoint::new(handler));
    /// # let request = http::Request::get("/").body(HttpBody::empty()).unwrap();
    /// # let response = router.into_service().unwrap().respond(request).await;
    /// # assert_eq!(response.headers()["cache-control"], "no-store");
    /// # }
    /// ```
    pub fn on_response_head(
        &self,
        change: impl FnOnce(&mut HeaderMap) + Send + 'static,
    ) -> Result<(), Error> {
        let Some(responder) = self.context().responder() else {
            return Err(Error::server_error(
                "the headers of the response cannot be changed: a tower layer has passed on a new \
                 request; let it pass on the request that it got, with its extensions",
            ));
        };
        match responder.add_hook(Box::new(|response| change(response.headers_mut()))) {
            true => Ok(()),
            false => Err(Error::server_error(
                "the headers of the response cannot be changed any more, because they are \
                 finished; change them before the handler returns",
            )),
        }
    }

    /// Whether the client asked over HTTPS, as the [check](crate::AppContext::with_https_check) of
    /// the app says by the extensions of the request. Without a check the answer is no.
    ///
    /// An extractor that calls this describes that it [reads
    /// extensions](Description::reads_extensions).
    #[must_use]
    pub fn is_https(&self) -> bool {
        let check = self.0.state.context.app().and_then(|app| app.https_check());
        check.is_some_and(|is_https| is_https(&self.0.head.extensions))
    }

    /// The pattern of the route, such as `/users/{id}`, or `None` if no route was found.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        let has_route = !self.0.state.path_args.has_no_route;
        self.route_info().filter(|_| has_route).map(|route| &*route.pattern)
    }

    /// The route, or the prefix of the scope that responds.
    fn route_info(&self) -> Option<&RouteInfo> {
        match &self.0.state.path_args.route {
            RouteRef::Unknown => None,
            RouteRef::Number(number) => self.context().app()?.route(*number),
            RouteRef::Info(info) => Some(info),
        }
    }

    /// The path as the router compares it: each segment percent-decoded once, and without one
    /// trailing slash. Use it, and not `uri.path()`, to decide something by the path. A client may
    /// write `/admin` as `/%61dmin`, and gets the same route.
    ///
    /// Three things stay encoded, in capitals, so that two paths are the same text only if they are
    /// the same for the router: a slash within a segment (`%2F`), a percent sign (`%25`), and bytes
    /// that are not UTF-8. `.` and `..` are ordinary segments, as they are for the router. A path
    /// with malformed percent-encoding, to which the router responds with status 400, is returned
    /// as it is.
    ///
    /// ```
    /// use http::Method;
    /// use volga_core::{HandlerEndpoint, HttpBody, HttpContext, Next, Router};
    /// use volga_core::{ScopeId, SettingsLevel, WrapMiddleware};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new();
    /// router.add_middleware(
    ///     SettingsLevel::Scope(ScopeId::ROOT),
    ///     WrapMiddleware::new(|ctx: HttpContext, _: Next| async move {
    ///         ctx.decoded_path().into_owned()
    ///     }),
    /// );
    /// router.map(Method::GET, "/admin", HandlerEndpoint::new(|| ""));
    /// # use http_body_util::BodyExt;
    /// let service = router.into_service().unwrap();
    /// for path in ["/admin", "/%61dmin", "/admin/"] {
    ///     let request = http::Request::get(path).body(HttpBody::empty()).unwrap();
    ///     let body = service.respond(request).await.into_body();
    ///     assert_eq!(body.collect().await.unwrap().to_bytes(), "/admin");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn decoded_path(&self) -> Cow<'_, str> {
        decoded_path::decoded(self.0.head.uri.path())
    }

    /// The path arguments of the route, from left to right: the names, and the texts as they are in
    /// the path. For a request without a route, those of the prefix of the scope that responds.
    pub fn raw_path_args(&self) -> impl Iterator<Item = (&str, &str)> {
        let args = self.route_info().map_or(0, |route| route.names.len());
        (0..args).filter_map(|index| self.raw(index))
    }

    /// The path argument with this name, percent-decoded. It may contain a `/` or be `..`, because
    /// both can be encoded.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::PathArg`] if the decoded bytes are not UTF-8.
    pub fn path_arg(&self, name: &str) -> Option<Result<Cow<'_, str>, ExtractError>> {
        self.raw_path_args().find(|(other, _)| *other == name).map(decode).map(|arg| {
            let (_, text) = arg?;
            Ok(text)
        })
    }

    /// Whether the request has a body. A body that was announced and turns out to be empty counts.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.0.state.has_body
    }

    /// The maximum size of the body. The body that belongs to these parts enforces it by itself.
    #[must_use]
    pub fn body_limit(&self) -> BodyLimit {
        self.0.state.body_limit
    }

    /// Counts the bytes of the body that an extractor collects in memory, from zero. See
    /// [`CollectedBytes`].
    #[must_use]
    pub fn collected_bytes(&self) -> CollectedBytes {
        self.context().collected_bytes()
    }

    /// All path arguments with their names, percent-decoded.
    pub(crate) fn path_args(
        &self,
    ) -> impl Iterator<Item = Result<(&str, Cow<'_, str>), ExtractError>> {
        self.raw_path_args().map(decode)
    }

    /// The next path argument that no extractor has taken yet, percent-decoded, with its name.
    pub(crate) fn next_path_arg(&mut self) -> Option<Result<(&str, Cow<'_, str>), ExtractError>> {
        let index = self.0.state.path_args.taken;
        self.0.state.path_args.taken += 1;
        self.raw(index).map(decode)
    }

    /// Lets the next extractor take the path argument after the next one.
    pub(crate) fn skip_path_arg(&mut self) {
        self.0.state.path_args.taken += 1;
    }

    /// Lets the next extractor take the first path argument again. Every function counts the
    /// arguments from the first one.
    pub(crate) fn rewind_path_args(&mut self) {
        self.0.state.path_args.taken = 0;
    }

    pub(crate) fn into_head(self) -> request::Parts {
        self.0.head
    }

    /// Drops the parts, and keeps the capacity of their header map for the next response.
    pub(crate) fn recycle(mut self) {
        spare_headers::keep(take(&mut self.0.head.headers));
    }

    fn raw(&self, index: usize) -> Option<(&str, &str)> {
        let name = &**self.route_info()?.names.get(index)?;
        // `None` if an extractor has made the path shorter.
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
