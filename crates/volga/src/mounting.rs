//! What is mapped besides handlers: endpoints, and tower services.

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_service::Service;
use volga_core::{BoxError, Endpoint, FinishEndpoint, HttpRequest, RouteMethod, ServiceEndpoint};

use crate::{Group, Route, endpoint::BindStreams};

impl Group {
    /// Maps an [`Endpoint`] that was written by hand, for a method or for
    /// [any](RouteMethod::Any) that no other route of the pattern has.
    ///
    /// ```
    /// use volga::{
    ///     App, HttpBody, HttpResponse,
    ///     http::{RequestParts, RouteMethod},
    ///     middleware::{BoxFuture, Endpoint},
    /// };
    ///
    /// struct Echo;
    ///
    /// impl Endpoint for Echo {
    ///     fn call(&self, _: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
    ///         Box::pin(async { HttpResponse::new(body) })
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.map_endpoint(RouteMethod::Any, "/echo", Echo);
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_endpoint(
        &mut self,
        method: impl Into<RouteMethod>,
        pattern: &str,
        endpoint: impl Endpoint,
    ) -> Route<'_> {
        let endpoint = FinishEndpoint::new(endpoint, BindStreams(self.streams()));
        let scope = self.scope();
        let id = self.router_mut().map_in(scope, method, pattern, endpoint);
        Route::new(self, id)
    }

    /// Mounts a tower service: it answers requests for the prefix and for everything below it, with
    /// any method, HEAD and OPTIONS included. axum's `Router`, tonic's `Routes` and tower-http's
    /// `ServeDir` are such services.
    ///
    /// ```
    /// use volga::{App, ok};
    ///
    /// let mut app = App::new();
    /// let shop = axum::Router::new().route("/tea", axum::routing::get(|| async { "tea" }));
    /// app.map_service("/shop", shop);
    /// // Goes before the service.
    /// app.map_get("/shop/hours", || ok!("9 to 5"));
    /// # app.check().unwrap();
    /// ```
    ///
    /// # What the service sees
    ///
    /// The path without the prefix, and without that of the group: mounted at `/shop`, it sees
    /// `/tea?x=1` of `/shop/tea?x=1`, and `/` of `/shop`. Query and percent-encoding stay as they
    /// are, and so do headers and extensions. The extensions have the
    /// [`OriginalUri`](crate::http::OriginalUri), too.
    ///
    /// The prefix may have arguments: `/tenants/{id}/files`. They are removed as the rest of the
    /// prefix is, and middleware around the service takes them as a handler would.
    ///
    /// # What becomes of its responses
    ///
    /// Bodies go on as they come, with their trailers, so event streams and gRPC work. A redirect,
    /// or a 201, whose `Location` is a path gets the prefix back: `/tea/` becomes `/shop/tea/`. So
    /// does a URI with the scheme and authority of the request. Another URI, and a relative
    /// `Location`, stay as they are. A service that redirects to a page outside of its prefix gives
    /// a URI with an authority that is not the request's, or a relative one.
    ///
    /// An error of the service, or a panic, is a 500 that is
    /// [reported](crate::App::on_error).
    ///
    /// # What goes before the service
    ///
    /// - Routes that are mapped for the path and the method of the request.
    /// - A service that is mounted at a longer prefix.
    /// - Groups below the prefix: what lies below their own prefix is theirs.
    ///
    /// Middleware and filters of the app, of its groups and of the [`Route`] that this gives run
    /// around the service. Do not protect a part of a service by a group below its prefix: a
    /// service may take two different paths for one, as `ServeDir` does with `/a/./b` and `/a/b`.
    /// Filter at the service itself.
    ///
    /// Request bodies are [limited](Self::with_body_limit) as those of handlers are.
    ///
    /// A service for requests of another body type is mounted with tower's
    /// `ServiceExt::map_request`.
    #[track_caller]
    pub fn map_service<S, B>(&mut self, prefix: &str, service: S) -> Route<'_>
    where
        S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let endpoint = self.service_endpoint(service);
        let scope = self.scope();
        let id = self.router_mut().mount_in(scope, prefix, endpoint);
        Route::new(self, id)
    }

    /// A service as an endpoint whose event streams the app knows.
    pub(crate) fn service_endpoint<S, B>(&self, service: S) -> impl Endpoint + use<S, B>
    where
        S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        FinishEndpoint::new(ServiceEndpoint::new(service), BindStreams(self.streams()))
    }
}
