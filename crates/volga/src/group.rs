//! `Group`: routes that have a prefix in common.

use std::{fmt, sync::Arc};

use crate::{
    Route,
    endpoint::{BindStreams, Streams},
};
use http::Method;
use volga_core::{
    Handler, HandlerArgs, HandlerEndpoint, HandlerOutput, IntoResponse, RouteFaults, Router,
    RouterService, ScopeId,
};

/// Routes that have a prefix in common; an [`App`](crate::App) is the group of all its routes.
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
/// | `{id:int}` | one segment that keeps the constraint | what the text parses as |
/// | `{id}` | one segment that is not empty | what the text parses as |
/// | `{*path}`, the last one | one or more segments, of which the first is not empty | all of them, slashes included |
///
/// They are tried in this order at each segment, and a path that leads nowhere one way is tried the next: so `/users/me` goes before `/users/{id}`, in
/// whatever order they were mapped. The constraints, again in the order in which they are tried, are `uuid`, `bool`, `uint` (fits `u64`), `int` (fits `i64`),
/// `hex` (hexadecimal digits) and `alpha` (ASCII letters). A path that keeps none of them is 404; a text that the handler's type refuses is 400.
///
/// One trailing slash is ignored, in the pattern and in the path: `/users` and `/users/` are the same, `/users//` is not. Path arguments are
/// percent-decoded once, each segment for itself, so `%2F` splits nothing; a path with a `%` that encodes nothing is 400.
///
/// # Methods
///
/// A path may be mapped for any number of methods. GET answers HEAD too, unless HEAD is mapped itself. OPTIONS is answered for every path that is mapped,
/// with 204 and `Allow`, unless it is mapped itself. Any other method is 405 with `Allow`.
///
/// # Faults
///
/// A malformed pattern, two routes for the same requests, a handler with more path arguments than its pattern: each is recorded with its place in the source, and
/// told by [`App::check`](crate::App::check) and [`App::run`](crate::App::run), all at once.
pub struct Group {
    router: Router,
    /// Where routes are mapped at the moment.
    scope: ScopeId,
    streams: Arc<Streams>,
}

macro_rules! map_methods {
    ($($(#[$doc:meta])* $name:ident $method:ident;)*) => { $(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<H, Args, Via, Kind>(&mut self, pattern: &str, handler: H) -> Route<'_>
        where
            H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
            H: Clone + Send + Sync + 'static,
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
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
        /// Maps a handler for GET, which answers HEAD too.
        map_get GET;
        /// Maps a handler for POST.
        map_post POST;
        /// Maps a handler for PUT.
        map_put PUT;
        /// Maps a handler for PATCH.
        map_patch PATCH;
        /// Maps a handler for DELETE.
        map_delete DELETE;
        /// Maps a handler for HEAD, in place of the one for GET.
        map_head HEAD;
        /// Maps a handler for OPTIONS, in place of the answer that every known path has.
        map_options OPTIONS;
        /// Maps a handler for TRACE.
        map_trace TRACE;
        /// Maps a handler for CONNECT. A request of HTTP/1.1 that names no path is one for `/`.
        map_connect CONNECT;
    }

    /// Maps a handler for any method.
    ///
    /// The next route may follow at once: `group.map_get(..).map_post(..)`.
    #[track_caller]
    pub fn map<H, Args, Via, Kind>(
        &mut self,
        method: Method,
        pattern: &str,
        handler: H,
    ) -> Route<'_>
    where
        H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
        H: Clone + Send + Sync + 'static,
        Args: HandlerArgs<Via> + Send + 'static,
        Via: 'static,
        Kind: 'static,
    {
        let endpoint = HandlerEndpoint::new(handler).with_finish(BindStreams(self.streams()));
        let id = self.router.map_in(self.scope, method, pattern, endpoint);
        Route::new(self, id)
    }

    /// Maps routes with a prefix, which is a pattern and may have arguments; handlers take them before their own. Within the group, the patterns `/` and `""` are the
    /// prefix itself. An empty prefix groups routes without changing their paths.
    #[track_caller]
    pub fn group(&mut self, prefix: &str, map: impl FnOnce(&mut Self)) -> &mut Self {
        let inner = self.router.scope(self.scope, prefix);
        let outer = std::mem::replace(&mut self.scope, inner);
        map(self);
        self.scope = outer;
        self
    }

    /// What comes before the pattern of each route of the group.
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
