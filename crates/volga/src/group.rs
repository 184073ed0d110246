//! `Group`: routes with a common prefix; and `Route`: one of them, to change its settings.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use crate::streams::Streams;
use http::Method;
use volga_core::{
    Description, Handler, HandlerArgs, HandlerEndpoint, HandlerOutput, IntoResponse, RouteFaults,
    RouteId, RouteMethod, Router, RouterService, ScopeId,
};

/// Routes with a common prefix. An [`App`](crate::App) is the group of all its routes.
///
/// ```
/// use volga::{App, Group, ok};
///
/// fn orders(group: &mut Group) {
///     group.map_get("/{number}", async |user: String, number: u32| ok!("{number} of {user}"));
/// }
///
/// let mut app = App::new();
/// app.group("/users/{user}", |users| {
///     users.map_get("/", async |user: String| ok!("{user}"));
///     users.group("/orders", orders);
/// });
/// assert!(app.check().is_ok());
/// ```
///
/// # Patterns
///
/// A pattern is a path whose segments may be arguments:
///
/// | Segment | Matches | A handler takes |
/// |---|---|---|
/// | `users` | itself, percent-decoded and case-sensitive | |
/// | `{id:int}` | one segment that satisfies the constraint | any type that the text can be parsed as |
/// | `{id}` | one segment that is not empty | any type that the text can be parsed as |
/// | `{*path}`, as the last segment | one or more segments, of which the first is not empty | all of these segments, with the slashes |
///
/// At each segment of a path, the kinds of segments are tried in this order. If the rest of the
/// path does not match, the next kind is tried. So `/users/me` comes before `/users/{id}`,
/// independent of the order in which you map them. The constraints are tried in this order: `uuid`,
/// `bool`, `uint` (fits `u64`), `int` (fits `i64`), `hex` (hexadecimal digits) and `alpha` (ASCII
/// letters). A path that satisfies none of the constraints has status 404. A text that the type of
/// the argument refuses has status 400.
///
/// One trailing slash is ignored in the pattern and in the path: `/users` and `/users/` are the
/// same, `/users//` is not. Each segment is percent-decoded once, after the path was split, so
/// `%2F` does not split a segment. A path with malformed percent-encoding has status 400.
///
/// # Methods
///
/// You may map a path for any number of methods. A GET route also responds to HEAD, unless you map
/// HEAD yourself. The app responds to OPTIONS for every mapped path, with status 204 and `Allow`,
/// unless you map OPTIONS yourself. Any other method has status 405 with `Allow`.
///
/// # Faults
///
/// These are faults, and each is recorded with its place in the source:
///
/// - a pattern that is malformed, or that no request can match as it is meant, such as `/a%20b`,
/// - two routes for the same requests,
/// - a handler that takes some path arguments by position, but not as many as its pattern has with
///   the prefixes around it; [`SkipPathArg`](crate::http::SkipPathArg) leaves one out,
/// - a handler with a [`Path`](crate::Path) whose type does not fit the pattern.
///
/// [`App::check`](crate::App::check) and [`App::run`](crate::App::run) return all faults together.
pub struct Group {
    router: Router,
    /// The scope in which routes are mapped now.
    scope: ScopeId,
    streams: Arc<Streams>,
}

macro_rules! map_methods {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => { $(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<H, Args, Via, Kind, Out>(&mut self, pattern: &str, handler: H) -> Route<'_>
        where
            H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
            // The compiler shows the next line, with its comment, for a capture that does not fit.
            H: Clone + Send + Sync + 'static, // what it captures: `Arc::new(value)`, if it is not `Clone`
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
            Out: 'static,
        {
            self.map(Method::$method, pattern, handler)
        }
    )* };
}

impl Group {
    pub(crate) fn new(streams: Streams) -> Self {
        let streams = Arc::new(streams);
        Self { router: Router::new(), scope: ScopeId::ROOT, streams }
    }

    map_methods! {
        /// Maps a handler for GET, which also responds to HEAD.
        map_get GET;
        /// Maps a handler for POST.
        map_post POST;
        /// Maps a handler for PUT.
        map_put PUT;
        /// Maps a handler for PATCH.
        map_patch PATCH;
        /// Maps a handler for DELETE.
        map_delete DELETE;
        /// Maps a handler for HEAD, instead of the handler for GET.
        map_head HEAD;
        /// Maps a handler for OPTIONS, instead of the response that every mapped path has.
        map_options OPTIONS;
        /// Maps a handler for TRACE.
        map_trace TRACE;
        /// Maps a handler for CONNECT. An HTTP/1.1 request without a path gets the route of `/`.
        map_connect CONNECT;
    }

    /// Maps a handler for QUERY (RFC 10008): a safe request like GET, whose body says what to look
    /// for.
    ///
    /// A request without `content-type` gets status 400. The responses have `Accept-Query` with the
    /// media types that the handler takes as its body, such as `application/json` for
    /// [`Json`](crate::Json). So have the responses to GET, HEAD and OPTIONS of the same pattern,
    /// and responses with status 405. A handler may set another `Accept-Query` itself.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use volga::{App, Json, ok};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Search { words: Vec<String> }
    ///
    /// let mut app = App::new();
    /// app.map_query("/books", async |Json(search): Json<Search>| ok!(search));
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_query<H, Args, Via, Kind>(&mut self, pattern: &str, handler: H) -> Route<'_>
    where
        H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
        H: Clone + Send + Sync + 'static,
        Args: HandlerArgs<Via> + Send + 'static,
        Via: 'static,
        Kind: 'static,
    {
        let endpoint = HandlerEndpoint::new(handler).with_last_step();
        let id = self.router.map_query_in(self.scope, pattern, endpoint);
        Route::new(self, id)
    }

    /// Maps a handler for any method.
    ///
    /// You can chain routes: `group.map_get(..).map_post(..)`.
    #[track_caller]
    pub fn map<H, Args, Via, Kind, Out>(
        &mut self,
        method: Method,
        pattern: &str,
        handler: H,
    ) -> Route<'_>
    where
        H: Handler<
                Args,
                Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
            >,
        H: Clone + Send + Sync + 'static,
        Args: HandlerArgs<Via> + Send + 'static,
        Via: 'static,
        Kind: 'static,
        Out: 'static,
    {
        let endpoint = HandlerEndpoint::new(handler).with_last_step();
        let id = self.router.map_in(self.scope, method, pattern, endpoint);
        Route::new(self, id)
    }

    /// Maps routes with a common prefix. The prefix is a pattern and may have arguments, which
    /// handlers take before the arguments of their own patterns. Within the group, the patterns `/`
    /// and `""` stand for the prefix itself. An empty prefix groups routes without changing their
    /// paths.
    ///
    /// The settings of the group apply to its routes, and to requests with other methods at the
    /// paths of these routes. If the prefix is not empty, they also apply to unknown paths below
    /// it. If several groups have the same prefix, unknown paths get the settings of the only group
    /// with a [fallback](Self::map_fallback), or else of the innermost group around all of them.
    #[track_caller]
    pub fn group(&mut self, prefix: &str, map: impl FnOnce(&mut Self)) -> &mut Self {
        let inner = self.router.scope(self.scope, prefix);
        let outer = std::mem::replace(&mut self.scope, inner);
        map(self);
        self.scope = outer;
        self
    }

    /// The prefix of the patterns of this group.
    ///
    /// ```
    /// use volga::App;
    ///
    /// App::new().group("/api", |api| {
    ///     api.group("/v2", |v2| assert_eq!(v2.prefix(), "/api/v2"));
    /// });
    /// ```
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.router.prefix(self.scope)
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn router_mut(&mut self) -> &mut Router {
        &mut self.router
    }

    pub(crate) fn scope(&self) -> ScopeId {
        self.scope
    }

    pub(crate) fn streams(&self) -> Arc<Streams> {
        Arc::clone(&self.streams)
    }

    pub(crate) fn into_service(self) -> Result<RouterService, RouteFaults> {
        self.router.into_service()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("prefix", &self.prefix())
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}

/// A route that was just mapped. It dereferences to its [`Group`], so that you can map the next
/// route.
///
/// ```
/// use volga::{App, ok};
///
/// let mut app = App::new();
/// let route = app.map_get("/users/{id}", async |id: u32| ok!("{id}"));
/// assert_eq!(route.pattern(), "/users/{id}");
/// ```
pub struct Route<'a> {
    group: &'a mut Group,
    id: RouteId,
}

impl<'a> Route<'a> {
    pub(crate) fn new(group: &'a mut Group, id: RouteId) -> Self {
        Self { group, id }
    }

    pub(crate) fn id(&self) -> RouteId {
        self.id
    }

    /// The method of the route, or any.
    #[must_use]
    pub fn method(&self) -> &RouteMethod {
        self.group.router().route(self.id).0
    }

    /// The pattern of the route, with the prefixes of its groups.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.group.router().route(self.id).1
    }

    /// The description of the route: what its handler reads, which responses it may give, and the
    /// same for the middleware around it at this time.
    ///
    /// ```
    /// use volga::{App, Json, Query, http::StatusCode};
    ///
    /// let mut app = App::new();
    /// let route = app.map_get("/{n}", async |n: u32, _: Query<Vec<(String, u8)>>| Json(n / 2));
    /// let description = route.description();
    /// assert!(description.is_query_read() && description.body().is_none());
    /// assert_eq!(description.path_args(), 1);
    /// let ok = description.responses().iter().find(|each| each.status == Some(StatusCode::OK));
    /// assert_eq!(ok.unwrap().media_types, ["application/json"]);
    /// ```
    #[must_use]
    pub fn description(&self) -> Description {
        self.group.router().description(self.id)
    }
}

impl Deref for Route<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for Route<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl fmt::Debug for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("method", self.method())
            .field("pattern", &self.pattern())
            .finish_non_exhaustive()
    }
}
