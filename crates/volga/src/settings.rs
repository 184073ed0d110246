//! What is set on an app, a group or a route, with the same words on each: middleware, and what
//! becomes of errors.

use std::future::Future;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use volga_core::{
    BodyLimit, BoxError, EndpointService, Error, ErrorMapper, Filter, FilterVerdict, Handler,
    HandlerArgs, HandlerEndpoint, HandlerOutput, HttpContext, HttpRequest, HttpResponse,
    IntoResponse, MapOk, Middleware, Next, PartsArgs, SettingsLevel, RequestParts, TapRequest, TowerLayer,
    WithMiddleware, WrapMiddleware,
};

use crate::{Group, Route, endpoint::BindStreams};

macro_rules! settings {
    ($self:ident: $place:expr) => {
        /// Adds middleware: a function of the request and the rest of the way, `async |ctx, next|
        /// …`.
        ///
        /// It may look at the request and change it, go on by `next.run(ctx)` or answer by itself,
        /// and look at the response and change it. It sees responses only: an error has become one
        /// by then, and is among its extensions. What is added first stands outermost; that of the
        /// app stands around that of its groups, and that around the routes'. It holds for
        /// everything that is mapped there, before or after. That of an app or a group is there for
        /// requests without a route, too.
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
        pub fn wrap<F, Fut>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(HttpContext, Next) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse> + Send + 'static,
        {
            $self.attach(WrapMiddleware::new(function))
        }

        /// Adds middleware: a function of extractors and the rest of the way, `async |user: User,
        /// next: NextCall| next.await`.
        pub fn with<F, Args, Via, Kind>(&mut $self, function: F) -> &mut Self
        where
            F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
            F: Clone + Send + Sync + 'static,
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
        {
            $self.attach(WithMiddleware::new(function))
        }

        /// Adds a filter: a function of extractors that says whether the request may pass, by a
        /// `bool` or a `Result`. `false` is 400; an error is what it says.
        pub fn filter<F, Args, Kind>(&mut $self, function: F) -> &mut Self
        where
            F: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict>>,
            F: Clone + Send + Sync + 'static,
            Args: PartsArgs + Send + 'static,
            Kind: 'static,
        {
            $self.attach(Filter::new(function))
        }

        /// Adds a look at the head of each request, which may change it.
        pub fn tap_req<F>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(&mut RequestParts) + Clone + Send + Sync + 'static,
        {
            $self.attach(TapRequest::new(function))
        }

        /// Adds a function, async or not, that gets each response which no error has become, and
        /// makes another of it.
        pub fn map_ok<F, R, Kind>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(HttpResponse) -> R + Clone + Send + Sync + 'static,
            R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>,
            Kind: 'static,
        {
            $self.attach(MapOk::new(function))
        }

        /// Adds a tower layer, such as those of `tower-http`. It is applied once for this place; on
        /// a route with a [fallback](Self::map_fallback), once for each of the two.
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
            let place = $place;
            $self.router_mut().add_middleware(place, middleware);
            $self
        }

        /// Sets how many bytes request bodies may have,
        /// [`DEFAULT_MAX_BODY`](crate::limits::DEFAULT_MAX_BODY) by default: a number, or
        /// [`BodyLimit::UNLIMITED`]. The nearest one counts: that of the route, of its group, of
        /// the groups around that, of the app.
        ///
        /// It holds for what extractors read into memory and for what is read piece by piece. A
        /// larger body is status 413: before the handler runs where `Content-Length` says so and
        /// the handler takes the body, else when the piece comes that goes beyond. Where a layer
        /// decompresses the body, it holds for both forms.
        ///
        /// ```
        /// use volga::{App, http::{BodyLimit, Bytes}, ok};
        ///
        /// let mut app = App::new();
        /// app.with_body_limit(64 * 1024);
        /// app.map_post("/upload", async |body: Bytes| ok!("{}", body.len())).with_body_limit(BodyLimit::UNLIMITED);
        /// ```
        pub fn with_body_limit(&mut $self, limit: impl Into<BodyLimit>) -> &mut Self {
            let place = $place;
            $self.router_mut().set_body_limit(place, limit.into());
            $self
        }

        /// Sets what makes responses of errors: a function `|error| …`, async or not. The nearest
        /// one counts: that of the route, of its group, of the groups around that, of the app. An
        /// error that it gives itself becomes a response as if there were none.
        pub fn map_err<F, R, Kind>(&mut $self, function: F) -> &mut Self
        where
            F: Fn(Error) -> R + Send + Sync + 'static,
            R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>,
            Kind: 'static,
        {
            let place = $place;
            $self.router_mut().set_error_mapper(place, ErrorMapper::new(function));
            $self
        }

        /// Sets the handler of requests without a route. On an app or a group, those for an unknown
        /// path, and those for a known one that is not mapped for their method, whose response gets
        /// `Allow`; [`NoRoute`](crate::http::NoRoute) tells the handler which it is. On a route,
        /// those for its path with a method that nothing is mapped for there, with its path
        /// arguments. The nearest one counts: that of the route, then by the prefixes of the
        /// groups.
        #[track_caller]
        pub fn map_fallback<H, Args, Via, Kind>(&mut $self, handler: H) -> &mut Self
        where
            H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
            H: Clone + Send + Sync + 'static,
            Args: HandlerArgs<Via> + Send + 'static,
            Via: 'static,
            Kind: 'static,
        {
            let endpoint = HandlerEndpoint::new(handler).with_finish(BindStreams($self.streams()));
            let place = $place;
            $self.router_mut().set_fallback(place, endpoint);
            $self
        }

        /// Sets a tower service as what answers requests without a route, as
        /// [`map_fallback`](Self::map_fallback) sets a handler. It sees the whole path, with the
        /// prefixes of groups.
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
            let place = $place;
            $self.router_mut().set_fallback(place, endpoint);
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
