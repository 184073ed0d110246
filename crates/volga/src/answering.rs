//! What answers the requests of one connection.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;
use volga_core::{HttpResponse, ResponseFuture, RouterService};
use volga_http::{ConnectionInfo, RequestBody};

/// The app, and what is known of a connection. It goes into the extensions of the requests for
/// which something may look there. For the others, which are most, that place would cost a tenth of
/// all that is done for a small request.
#[derive(Clone, Debug)]
pub(crate) struct Answering {
    router: RouterService,
    info: ConnectionInfo,
}

impl Answering {
    pub(crate) fn new(router: RouterService, info: ConnectionInfo) -> Self {
        Self { router, info }
    }
}

impl Service<Request<RequestBody>> for Answering {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> ResponseFuture {
        self.router.call_extended(request, |extensions| {
            extensions.insert(self.info.clone());
        })
    }
}
