//! `SocketEndpoint`: checks a handshake, extracts the arguments, and opens the tunnel.
//!
//! It is the example of an upgrade to another protocol in an app: `respond` returns the response of
//! [`TunnelOffer::accept`] with the function that runs the protocol. `tests/it/websockets/` has the
//! tests.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};
use volga_core::{
    BoxFuture, Description, Error, Handler, HandlerArgs, HttpBody, HttpResult, IntoResponse,
    PartsArgs, RequestParts,
};
use volga_http::TunnelOffer;
use volga_ws::{Handshake, HandshakeError, WebSocketSettings, serve_protocol};

use super::function::{RunSocket, SocketFunction};
use super::handler::SocketHandler;
use crate::late_report::LateReport;
use crate::other_protocol::other_protocol;

/// A function for a WebSocket as a handler of requests.
pub(super) struct SocketEndpoint<H> {
    handler: H,
    settings: Arc<WebSocketSettings>,
}

impl<H> SocketEndpoint<H> {
    pub(super) fn new(handler: H, settings: Arc<WebSocketSettings>) -> Self {
        Self { handler, settings }
    }
}

impl<H: Clone> Clone for SocketEndpoint<H> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), settings: Arc::clone(&self.settings) }
    }
}

/// The request of a handshake. Its arguments are extracted after the handshake was checked.
pub(super) struct SocketArgs<Args>(RequestParts, PhantomData<fn() -> Args>);

impl<Args: PartsArgs> HandlerArgs<Infallible> for SocketArgs<Args> {
    fn describe(description: &mut Description) {
        Args::describe(description);
        // The offer of the client.
        description.reads_extensions();
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        drop(body);
        Ok(Self(parts, PhantomData))
    }
}

impl<H, Args> Handler<SocketArgs<Args>> for SocketEndpoint<H>
where
    H: SocketHandler<Args> + Send + 'static,
    Args: PartsArgs + Send + 'static,
{
    type Output = BoxFuture<SocketResponse>;

    fn call(self, args: SocketArgs<Args>) -> Self::Output {
        Box::pin(async move { SocketResponse(respond(self, args.0).await) })
    }
}

/// The response to a handshake.
pub(super) struct SocketResponse(HttpResult);

impl IntoResponse for SocketResponse {
    fn into_response(self) -> HttpResult {
        self.0
    }

    fn describe(description: &mut Description) {
        description
            .responds(StatusCode::SWITCHING_PROTOCOLS, &[])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::FORBIDDEN, &[])
            .responds(StatusCode::METHOD_NOT_ALLOWED, &[])
            .responds(StatusCode::UPGRADE_REQUIRED, &[])
            .responds(StatusCode::NOT_IMPLEMENTED, &[]);
    }
}

async fn respond<H, Args>(endpoint: SocketEndpoint<H>, mut parts: RequestParts) -> HttpResult
where
    H: SocketHandler<Args> + Send + 'static,
    Args: PartsArgs + Send + 'static,
{
    let SocketEndpoint { handler, settings } = endpoint;
    if ![Method::GET, Method::HEAD, Method::CONNECT].contains(&parts.method) {
        let error = Error::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path opens a WebSocket: use GET on HTTP/1.1, and CONNECT on HTTP/2 and HTTP/3",
        );
        return Err(error.with_header((ALLOW, HeaderValue::from_static("GET, CONNECT"))));
    }
    let offer = parts.extensions.get::<TunnelOffer>().cloned();
    let connect = (parts.method == Method::CONNECT)
        .then(|| offer.as_ref().and_then(|offer| offer.protocols().next()).unwrap_or_default());
    let handshake = match Handshake::check(&parts, connect, &settings) {
        Err(error @ HandshakeError::OtherProtocol) => return other_protocol(error.to_string()),
        checked => checked.map_err(refuse)?,
    };
    let args = Args::from_parts(&mut parts).await?;
    let Some(offer) = offer else {
        return Err(Error::new(
            StatusCode::NOT_IMPLEMENTED,
            "the server cannot turn this connection into a WebSocket: run the app by `App::run`",
        ));
    };
    let report = LateReport::default();
    let protocol = handshake.protocol().map(ToOwned::to_owned);
    let reporter = report.clone();
    let mut response = offer.accept("websocket", move |stream| {
        let drain = stream.drain().started();
        // A WebSocket has pings, and an idle timeout of its own.
        let stream = stream.without_idle_timeout();
        // The arguments are dropped with the function, before the tunnel's stream.
        RunSocket::new(serve_protocol(stream, &settings, protocol, drain, |socket| {
            SocketFunction::new(handler.run(socket, args), reporter)
        }))
    });
    handshake.add_fields(response.headers_mut());
    response.extensions_mut().insert(report);
    Ok(response.map(|()| HttpBody::empty()))
}

fn refuse(error: HandshakeError) -> Error {
    let fields: Vec<_> = error.fields().collect();
    let refusal = Error::new(error.status(), error);
    fields.into_iter().fold(refusal, Error::with_header)
}
