//! The settings of apps, groups and routes, by the same methods on each: middleware, limits, error
//! mappers and fallbacks.

use std::future::Future;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use volga_core::{
    BodyLimit, BoxError, EndpointService, Error, ErrorMapper, Filter, FilterVerdict, Handler,
    HandlerArgs, HandlerEndpoint, HandlerOutput, HttpContext, HttpRequest, HttpResponse,
    IntoResponse, MapOk, Middleware, Next, PartsArgs, RequestParts, SettingsLevel, TapRequest,
    TowerLayer, WithMiddleware, WrapMiddleware,
};

use crate::group::{Group, Route};

macro_rules! settings {
    ($self:ident: $level:expr) => {
        /// Adds middleware: a function of the request and the rest of the pipeline,
        /// `async |ctx, next| …`.
        ///
        /// The function may change the request, pass it on by `next.run(ctx)` or respond itself,
        /// and change the response. It never gets an error: an error of a handler has become a
        /// response before, whose extensions hold the error.
        ///
        /// The middleware that was added first is the outermost. The middleware of an app wraps the
        /// middleware of its groups, and that wraps the middleware of the routes. Middleware
        /// applies to everything that is mapped at its level, before or after. The middleware of an
        /// app or a group also gets requests without a route.
        ///
        /// ```
        /// use volga::{App, http::HeaderValue, ok};
        ///
        /// let mut app = App::new();
        /// app.wrap(|ctx, next| async move {
        ///     let mut response = next.run(ctx).await;
        ///     response.headers_mut().insert("server", HeaderValue::from_static("volga"));
        ///     response
        /// });
        /// app.map_get("/", || ok!("Hello!"));
        /// ```
        pub fn wrap<F, Fut, Out>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse<Out>> + Send + 'static,
            Out: 'static,
        {
            $self.attach(WrapMiddleware::new(function))
        }

        /// Adds middleware: a function of extractors and the rest of the pipeline,
        /// `async |user: User, next: NextCall| next.await`.
        pub fn with<F, Args, Via, Kind, Out>(&mut $self, function: F) -> &mut Self
        where
            F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
            F: Clone + Send + Sync + 'static,
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
            Out: 'static,
        {
            $self.attach(WithMiddleware::new(function))
        }

        /// Adds a filter: a function of extractors that accepts or refuses the request by a `bool`
        /// or a `Result`. `false` refuses with status 403. An error becomes the response.
        pub fn filter<F, Args, Kind, Out>(&mut $self, function: F) -> &mut Self
        where
            F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict<Out>>>,
            F: Clone + Send + Sync + 'static,
            Args: PartsArgs + Send + 'static,
            Kind: 'static,
            Out: 'static,
        {
            $self.attach(Filter::new(function))
        }

        /// Adds a function that sees the head of each request, and may change it.
        pub fn tap_req<F>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(&mut RequestParts) + Clone + Send + Sync + 'static,
        {
            $self.attach(TapRequest::new(function))
        }

        /// Adds a function, async or not, that turns each response into another. It does not get
        /// responses that were created from an error.
        pub fn map_ok<F, R, Kind, Out>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(HttpResponse) -> R + Clone + Send + Sync + 'static,
            R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
            Kind: 'static,
            Out: 'static,
        {
            $self.attach(MapOk::new(function))
        }

        /// Adds a tower layer, such as a layer of `tower-http`. It is applied once for this app,
        /// group or route. For a route with a [fallback](Self::map_fallback) it is applied twice,
        /// once for the fallback.
        pub fn layer<L, S, B>(&mut $self, layer: L) -> &mut Self
        where
            L: Layer<EndpointService, Service = S> + Send + Sync + 'static,
            S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
            S::Error: Into<BoxError>,
            S::Future: Send + 'static,
            B: Body<Data = Bytes> + Send + 'static,
            B::Error: Into<BoxError>,
        {
            $self.attach(TowerLayer::new(layer))
        }

        /// Adds middleware of any kind.
        pub fn attach(&mut $self, middleware: impl Middleware) -> &mut Self {
            let level = $level;
            $self.streams().has_middleware.store(true, Ordering::Relaxed);
            $self.router_mut().add_middleware(level, middleware);
            $self
        }

        /// Sets what browsers let the pages of other origins do. The nearest policy applies: of the
        /// route, of its group, of the groups around that, of the app.
        ///
        /// The policy applies around all middleware. It answers preflights by itself, and adds its
        /// headers to every response, also to errors and to responses of middleware. Set it on the
        /// app or a group to cover requests without a route.
        ///
        /// ```
        /// use volga::{App, middleware::Cors, ok};
        ///
        /// let mut app = App::new();
        /// app.cors(Cors::new().origins(["https://app.example"]).credentials());
        /// app.map_put("/tea/{id}", async |id: u32| ok!("tea {id}"));
        /// # app.check().unwrap();
        /// ```
        #[cfg(feature = "cors")]
        #[track_caller]
        pub fn cors(&mut $self, policy: volga_web::Cors) -> &mut Self {
            let level = $level;
            $self.router_mut().set_cross_origin_policy(level, policy);
            $self
        }

        /// Refuses requests that the page of another site has made in the name of a user, with
        /// status 403. [`CrossSiteProtection`](crate::middleware::CrossSiteProtection) says which
        /// requests pass. It is [middleware](Self::attach) in the order in which you add it.
        ///
        /// ```
        /// use volga::{App, middleware::CrossSiteProtection, ok};
        ///
        /// let mut app = App::new();
        /// app.refuse_cross_site(CrossSiteProtection::new().exempt(["/webhooks/*"]));
        /// app.map_post("/order", || ok!("ordered"));
        /// # app.check().unwrap();
        /// ```
        #[cfg(feature = "csrf")]
        #[track_caller]
        pub fn refuse_cross_site(
            &mut $self,
            protection: volga_web::CrossSiteProtection,
        ) -> &mut Self {
            if let Err(reason) = protection.check() {
                $self.router_mut().refuse_setting("refuse_cross_site", reason);
            }
            $self.attach(protection)
        }

        /// Limits the size of request bodies to a number of bytes or to [`BodyLimit::UNLIMITED`],
        /// [`DEFAULT_MAX_BODY`](crate::limits::DEFAULT_MAX_BODY) by default. The nearest limit
        /// applies: of the route, of its group, of the groups around that, of the app.
        ///
        /// The limit applies to bodies that extractors read into memory and to bodies that are read
        /// piece by piece. A larger body has status 413. If `Content-Length` exceeds the limit and
        /// the handler takes the body, the handler is not called. Otherwise the error comes instead
        /// of the first piece that exceeds the limit. If a layer decompresses the body, the limit
        /// applies before and after that.
        ///
        /// ```
        /// use volga::{App, http::{BodyLimit, Bytes}, ok};
        ///
        /// let mut app = App::new();
        /// app.body_limit(64 * 1024);
        /// app.map_post("/upload", async |body: Bytes| ok!("{}", body.len()))
        ///     .body_limit(BodyLimit::UNLIMITED);
        /// ```
        pub fn body_limit(&mut $self, limit: impl Into<BodyLimit>) -> &mut Self {
            let level = $level;
            $self.router_mut().set_body_limit(level, limit.into());
            $self
        }

        /// Sets the error mapper: a function `|error| …`, async or not, that turns errors into
        /// responses. The nearest mapper applies: of the route, of its group, of the groups around
        /// that, of the app. If the mapper returns an error, that error becomes a response as it
        /// would without a mapper.
        pub fn map_err<F, R, Kind, Out>(&mut $self, function: F) -> &mut Self
        where
            F: FnOnce(Error) -> R + Clone + Send + Sync + 'static,
            R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
            Kind: 'static,
            Out: 'static,
        {
            let level = $level;
            $self.router_mut().set_error_mapper(level, ErrorMapper::new(function));
            $self
        }

        /// Sets the format of the responses that are made of errors:
        /// [`ErrorFormat::ByAccept`](crate::error::ErrorFormat) by default. The nearest format
        /// applies: of the route, of its group, of the groups around that, of the app. It also
        /// applies to requests that no route of the group takes, and not to what
        /// [`map_err`](Self::map_err) responds.
        ///
        /// ```
        /// use volga::{App, error::ErrorFormat, ok};
        ///
        /// let mut app = App::new();
        /// app.group("/api", |api| {
        ///     // Programs use this group, so its errors are problem details for every client.
        ///     api.error_format(ErrorFormat::Problem);
        ///     api.map_get("/square/{n}", async |n: u8| ok!("{}", u32::from(n).pow(2)));
        /// });
        /// # app.check().unwrap();
        /// ```
        pub fn error_format(&mut $self, format: volga_core::ErrorFormat) -> &mut Self {
            let level = $level;
            $self.router_mut().set_error_format(level, format);
            $self
        }

        /// Sets the handler of requests without a route.
        ///
        /// On an app or a group, the handler gets requests for unknown paths, and requests for
        /// known paths with a method that is not mapped. For the latter, `Allow` is added to the
        /// response. [`NoRoute`](crate::http::NoRoute) tells the handler which of the two it is. On
        /// a route, the handler gets requests for the path of the route with a method that is not
        /// mapped there, and their path arguments.
        ///
        /// The nearest fallback applies. For a known path, that is the fallback of a route at this
        /// path, or else of the group of these routes or a group around it. For an unknown path,
        /// it is the fallback of the group with the longest prefix that the path starts with, or of
        /// a group around it. The fallback of a group may take the arguments of the group's prefix.
        #[track_caller]
        pub fn map_fallback<H, Args, Via, Kind, Out>(&mut $self, handler: H) -> &mut Self
        where
            H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
            H: Clone + Send + Sync + 'static,
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
            Out: 'static,
        {
            let endpoint = HandlerEndpoint::new(handler).with_last_step();
            let level = $level;
            $self.router_mut().set_fallback(level, endpoint);
            $self
        }

        /// Sets a tower service for requests without a route, as
        /// [`map_fallback`](Self::map_fallback) sets a handler. The service gets the whole path,
        /// with the prefixes of groups.
        ///
        /// ```
        /// use volga::App;
        ///
        /// let mut app = App::new();
        /// app.fallback_service(tower_http::services::ServeDir::new("public"));
        /// # app.check().unwrap();
        /// ```
        #[track_caller]
        pub fn fallback_service<S, B>(&mut $self, service: S) -> &mut Self
        where
            S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
            S::Error: Into<BoxError>,
            S::Future: Send + 'static,
            B: Body<Data = Bytes> + Send + 'static,
            B::Error: Into<BoxError>,
        {
            let endpoint = $self.service_endpoint(service);
            let level = $level;
            $self.router_mut().set_fallback(level, endpoint);
            $self
        }
    };
}

impl Group {
    settings!(self: SettingsLevel::Scope(self.scope()));
}

impl Route<'_> {
    settings!(self: SettingsLevel::Route(self.id()));
}
