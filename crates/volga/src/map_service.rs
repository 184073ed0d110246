//! Maps endpoints and tower services, beside handlers.

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tower_service::Service;
use volga_core::{BoxError, Endpoint, FinishEndpoint, HttpRequest, RouteMethod, ServiceEndpoint};

use crate::group::{Group, Route};

impl Group {
    /// Maps an [`Endpoint`] of your own, for one method or for
    /// [any method](RouteMethod::Any) that no other route of the pattern has.
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
        let endpoint = FinishEndpoint::new(endpoint);
        let scope = self.scope();
        let id = self.router_mut().map_in(scope, method, pattern, endpoint);
        Route::new(self, id)
    }

    /// Mounts a tower service. It gets requests for the prefix and for everything below it, with
    /// any method, including HEAD and OPTIONS. axum's `Router`, tonic's `Routes` and tower-http's
    /// `ServeDir` are such services.
    ///
    /// ```
    /// use volga::{App, ok};
    ///
    /// let mut app = App::new();
    /// let shop = axum::Router::new().route("/tea", axum::routing::get(|| async { "tea" }));
    /// app.map_service("/shop", shop);
    /// // This route comes before the service.
    /// app.map_get("/shop/hours", || ok!("9 to 5"));
    /// # app.check().unwrap();
    /// ```
    ///
    /// # The request that the service gets
    ///
    /// The path comes without the prefix of the mount and of the group. A service at `/shop` gets
    /// `/tea?x=1` for `/shop/tea?x=1`, and `/` for `/shop`. The query, the percent-encoding, the
    /// headers and the extensions stay as they are. The extensions also hold the
    /// [`OriginalUri`](crate::http::OriginalUri).
    ///
    /// The prefix may have arguments: `/tenants/{id}/files`. They are removed with the rest of the
    /// prefix. Middleware around the service can take them as a handler would.
    ///
    /// # The responses of the service
    ///
    /// Bodies are passed on as they arrive, with their trailers, so event streams and gRPC work. If
    /// the `Location` of a redirect or of a 201 is a path, the prefix is added again: `/tea/`
    /// becomes `/shop/tea/`. The same happens to a URI with the scheme and the authority of the
    /// request. Other URIs and a relative `Location` stay as they are. To redirect to a page
    /// outside of its prefix, a service uses a relative `Location`, or a URI with another
    /// authority.
    ///
    /// An error of the service becomes a response as if a handler had returned it: the status is
    /// 503 for tower's `LoadShed`, 504 for its `Timeout`, and 500 for most other errors. A panic
    /// becomes a response with status 500. Both are [reported](crate::App::on_error).
    ///
    /// # Routes that come before the service
    ///
    /// - A route that is mapped for the path and the method of the request.
    /// - A service that is mounted at a longer prefix.
    /// - A group below the prefix: it gets everything below its own prefix.
    ///
    /// The middleware and filters of the app, of its groups and of the returned [`Route`] run
    /// around the service. Do not use a group below the prefix to protect a part of the service.
    /// The service may treat two different paths as one, as `ServeDir` does with `/a/./b` and
    /// `/a/b`. Add the filter to the service itself.
    ///
    /// Request bodies are [limited](Self::body_limit) as they are for handlers.
    ///
    /// For a service with another body type, use `ServiceExt::map_request` of tower.
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

    /// Turns a service into an endpoint whose event streams the app closes at shutdown.
    pub(crate) fn service_endpoint<S, B>(&self, service: S) -> impl Endpoint + use<S, B>
    where
        S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        FinishEndpoint::new(ServiceEndpoint::new(service))
    }
}
