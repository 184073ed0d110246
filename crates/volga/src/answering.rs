//! What answers the requests of one connection.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;
use volga_core::{HttpResponse, ResponseFuture, RouterService};
use volga_http::{Ends, RequestBody};

/// The app, and the ends of a connection: their addresses go to the requests on whose way something may look for them. For the others, which are most, they are
/// not worth their place in the extensions: to make and to drop it costs as much as a tenth of all that is done for a small request.
#[derive(Clone, Debug)]
pub(crate) struct Answering {
    router: RouterService,
    ends: Ends,
}

impl Answering {
    pub(crate) fn new(router: RouterService, ends: Ends) -> Self {
        Self { router, ends }
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
        self.router.call_extended(request, |extensions| self.ends.extend(extensions))
    }
}
