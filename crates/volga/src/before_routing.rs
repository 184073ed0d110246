//! Middleware before routing.

use std::{fmt, future::Future, sync::atomic::Ordering};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use volga_core::{
    BoxError, EndpointService, Filter, FilterVerdict, Handler, HandlerArgs, HandlerOutput,
    HttpContext, HttpRequest, IntoResponse, Middleware, Next, PartsArgs, RequestParts, Router,
    TapRequest, TowerLayer, WithMiddleware, WrapMiddleware,
};

use crate::app::App;

impl App {
    /// Adds middleware before routing. It gets every request before the app looks for a route.
    ///
    /// It may change the method, the URI and the extensions. The app then looks for the route of
    /// the changed request. It may also respond itself. Several run in the order in which they were
    /// added, around the middleware of the app. The automatic responses to HEAD, OPTIONS and
    /// requests without a route come after it, and depend on the changed request.
    ///
    /// Redirect a path with a trailing slash to the path without it:
    ///
    /// ```
    /// use volga::{App, middleware::HttpContext, ok, permanent_redirect};
    ///
    /// let mut app = App::new();
    /// app.before_routing(|before| {
    ///     before.wrap(|ctx: HttpContext, next| async move {
    ///         let query = ctx.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    ///         match ctx.uri.path().strip_suffix('/') {
    ///             // `//host` would be another server.
    ///             Some(path) if path.starts_with('/') && !path.starts_with("//") => {
    ///                 permanent_redirect!(format!("{path}{query}"))
    ///             }
    ///             _ => Ok(next.run(ctx).await),
    ///         }
    ///     });
    /// });
    /// app.map_get("/tea", || ok!("tea"));
    /// # let service = app.into_service().unwrap();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # for (path, status) in [("/tea", 200), ("/tea/", 308), ("//tea/", 404), ("/", 404)] {
    /// #     let request = http::Request::get(path).body(volga::HttpBody::empty()).unwrap();
    /// #     assert_eq!(service.respond(request).await.status(), status, "{path}");
    /// # }
    /// # });
    /// ```
    ///
    /// Give a host its own routes:
    ///
    /// ```
    /// use volga::{App, http::{Uri, header::HOST}, ok};
    ///
    /// let mut app = App::new();
    /// app.before_routing(|before| {
    ///     before.tap_req(|parts| {
    ///         // The client may also name it in the URI, as on HTTP/2.
    ///         let header = parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    ///         let host = header.and_then(|header| header.split(':').next());
    ///         if parts.uri.host().or(host) == Some("api.example.com") {
    ///             let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    ///             if let Ok(uri) = Uri::try_from(format!("/api{path}")) {
    ///                 parts.uri = uri;
    ///             }
    ///         }
    ///     });
    /// });
    /// app.map_get("/", || ok!("the page"));
    /// app.group("/api", |api| {
    ///     api.map_get("/", || ok!("the interface"));
    /// });
    /// # let service = app.into_service().unwrap();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use http_body_util::BodyExt;
    /// # let hosts = [("api.example.com:7878", "the interface"), ("example.com", "the page")];
    /// # for (host, text) in hosts {
    /// #     let request = http::Request::get("/").header(HOST, host);
    /// #     let response = service.respond(request.body(volga::HttpBody::empty()).unwrap()).await;
    /// #     assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
    /// # }
    /// # });
    /// ```
    pub fn before_routing(&mut self, add: impl FnOnce(&mut BeforeRouting<'_>)) -> &mut Self {
        self.streams().has_middleware.store(true, Ordering::Relaxed);
        add(&mut BeforeRouting(self.router_mut()));
        self
    }
}

/// Adds middleware before routing. [`App::before_routing`] passes it to a function.
///
/// The request has no route yet: [`route`](RequestParts::route) is `None`, there are no path
/// arguments, and the body has no limit. Errors and panics become responses by the app's
/// [`map_err`](crate::Group::map_err). The extensions hold the URI that the client sent as
/// [`OriginalUri`](crate::http::OriginalUri).
///
/// ```
/// use volga::{App, http::HeaderMap, middleware::{HttpContext, Next}, ok};
///
/// let mut app = App::new();
/// app.before_routing(|before| {
///     before.filter(|headers: HeaderMap| !headers.contains_key("x-robot"));
///     before.tap_req(|parts| println!("{} {}", parts.method, parts.uri));
///     before.wrap(async |ctx: HttpContext, next: Next| next.run(ctx).await);
///     before.layer(tower_http::normalize_path::NormalizePathLayer::trim_trailing_slash());
/// });
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
pub struct BeforeRouting<'a>(&'a mut Router);

impl BeforeRouting<'_> {
    /// Adds a function of the request and the rest of the pipeline, `async |ctx, next| …`.
    #[track_caller]
    pub fn wrap<F, Fut, Out>(&mut self, function: F) -> &mut Self
    where
        F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output: IntoResponse<Out>> + Send + 'static,
        Out: 'static,
    {
        self.attach(WrapMiddleware::new(function))
    }

    /// Adds a function of extractors and the rest of the pipeline,
    /// `async |user: User, next: NextCall| next.await`.
    #[track_caller]
    pub fn with<F, Args, Via, Kind, Out>(&mut self, function: F) -> &mut Self
    where
        F: Handler<
                Args,
                Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
            >,
        F: Clone + Send + Sync + 'static,
        Args: HandlerArgs<Via> + Send + 'static,
        Via: 'static,
        Kind: 'static,
        Out: 'static,
    {
        self.attach(WithMiddleware::new(function))
    }

    /// Adds a filter: a function of extractors that accepts or refuses the request by a `bool` or a
    /// `Result`.
    #[track_caller]
    pub fn filter<F, Args, Kind, Out>(&mut self, function: F) -> &mut Self
    where
        F: Handler<
                Args,
                Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict<Out>>,
            >,
        F: Clone + Send + Sync + 'static,
        Args: PartsArgs + Send + 'static,
        Kind: 'static,
        Out: 'static,
    {
        self.attach(Filter::new(function))
    }

    /// Adds a function that sees the head of each request, and may change it.
    #[track_caller]
    pub fn tap_req<F>(&mut self, function: F) -> &mut Self
    where
        F: Fn(&mut RequestParts) + Clone + Send + Sync + 'static,
    {
        self.attach(TapRequest::new(function))
    }

    /// Adds a tower layer, such as `NormalizePathLayer` of tower-http.
    #[track_caller]
    pub fn layer<L, S, B>(&mut self, layer: L) -> &mut Self
    where
        L: Layer<EndpointService, Service = S> + Send + Sync + 'static,
        S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.attach(TowerLayer::new(layer))
    }

    /// Adds middleware of any kind.
    #[track_caller]
    pub fn attach(&mut self, middleware: impl Middleware) -> &mut Self {
        self.0.add_before_routing(middleware);
        self
    }
}

impl fmt::Debug for BeforeRouting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BeforeRouting").field(&self.0).finish()
    }
}
