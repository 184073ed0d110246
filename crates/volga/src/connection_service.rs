//! `ConnectionService`: the service for the requests of one connection.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use tower_service::Service;
use volga_core::{BoxError, HttpResponse, ResponseFuture, RouterService};
use volga_http::ConnectionInfo;

/// The app with the facts about one connection.
///
/// The facts are added to the extensions of a request only if something may read them. Most
/// requests do not need them, and the allocation of the extensions would cost a tenth of all the
/// work for a small request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionService {
    router: RouterService,
    info: ConnectionInfo,
}

impl ConnectionService {
    pub(crate) fn new(router: &RouterService, info: ConnectionInfo) -> Self {
        Self { router: router.for_connection(), info }
    }
}

impl<B> Service<Request<B>> for ConnectionService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.router.call_extended(request, |extensions| {
            extensions.insert(self.info.clone());
        })
    }
}
