//! How the tests reach a server: over HTTP/3, through a gateway.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;
use volga_h3::Http3Server;
use volga_http::{ConnectionInfo, DrainOutcome, HttpService, RequestBody, Server, Tls};

use crate::gateway;

/// Prepares a server for this service. Returns the address for clients, and the future that serves.
pub(crate) async fn serving<S: HttpService>(
    server: Server,
    service: S,
) -> (SocketAddr, impl Future<Output = io::Result<DrainOutcome>> + Send) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a valid name");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = Tls::pem(&certificate, key).load().expect("a pair");
    let listeners = volga_h3::bind([([127, 0, 0, 1], 0).into()], &tls).expect("a free port");
    let gateway = gateway::start(listeners[0].address(), &certificate).await;
    let make = move |info| WithInfo { service: service.clone(), info };
    let address = gateway.address;
    let serving = async move {
        let _gateway = gateway;
        Http3Server::new(server.settings()).serve_each(listeners, make).await
    };
    (address, serving)
}

/// Inserts the addresses of the connection into each request, as `Server::serve` does.
#[derive(Clone)]
struct WithInfo<S> {
    service: S,
    info: ConnectionInfo,
}

impl<S: HttpService> Service<Request<RequestBody>> for WithInfo<S> {
    type Response = Response<S::ResponseBody>;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        request.extensions_mut().insert(self.info.clone());
        self.service.call(request)
    }
}
