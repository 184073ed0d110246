//! An axum program with a WebSocket of `volga-ws`, over HTTP/1.1 and HTTP/2.
//!
//! ```sh
//! cargo run -p axum-ws
//! ```
//!
//! Open <http://localhost:3000> in a browser.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, signal::ctrl_c, sync::watch};
use volga_ws::{Handshake, WebSocket, WebSocketSettings, serve_protocol};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("axum-ws listens on http://{}", listener.local_addr()?);
    let (shut_down, shutdown) = watch::channel(false);
    axum::serve(listener, app(shutdown))
        .with_graceful_shutdown(async move {
            // If Ctrl-C cannot be caught, it kills the process, which ends the sockets as well.
            let _ = ctrl_c().await;
            shut_down.send_replace(true);
        })
        .await
}

/// The routes. A handshake is a GET on HTTP/1.1, and a CONNECT on HTTP/2.
fn app(shutdown: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/echo", any(open))
        .with_state(shutdown)
}

/// Responds to a handshake, and serves the socket in a task of its own.
async fn open(State(mut shutdown): State<watch::Receiver<bool>>, request: Request) -> Response {
    let (mut head, _) = request.into_parts();
    let settings = WebSocketSettings::new().protocols(["echo"]);
    let protocol = head.extensions.remove::<Protocol>();
    let protocol = protocol.as_ref().map(Protocol::as_str);
    let handshake = match Handshake::check(&head, protocol, &settings) {
        Ok(handshake) => handshake,
        Err(error) => return error.response().into_response(),
    };
    let response = handshake.response().map(|()| Body::empty());
    let upgrade = hyper::upgrade::on(Request::from_parts(head, Body::empty()));
    tokio::spawn(async move {
        // The client may leave before it has read the response.
        let Ok(connection) = upgrade.await else { return };
        let shutdown = async move {
            // An error means that the program has ended.
            let _ = shutdown.wait_for(|is_requested| *is_requested).await;
        };
        let protocol = handshake.protocol().map(ToOwned::to_owned);
        let connection = TokioIo::new(connection);
        serve_protocol(connection, &settings, protocol, shutdown, echo).await;
    });
    response
}

async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
