//! A program on bare hyper with a WebSocket of `volga-ws`.
//!
//! ```sh
//! cargo run -p hyper-ws
//! ```
//!
//! Open <http://127.0.0.1:3002> in a browser.

use std::{convert::Infallible, future::pending};

use hyper::{
    Request, Response, StatusCode, body::Incoming, header, http::HeaderValue, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use volga_ws::{Handshake, WebSocket, WebSocketSettings, serve};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3002".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("hyper-ws listens on http://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        // For hyper it is an error if a client leaves, which says nothing to an operator.
        tokio::spawn(async { serve_connection(connection).await.ok() });
    }
}

/// Serves the requests of one connection.
async fn serve_connection(connection: TcpStream) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), service_fn(respond))
        // Without this, hyper closes the connection after the response of a handshake.
        .with_upgrades()
        .await
}

async fn respond(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(match request.uri().path() {
        "/" => page(),
        "/echo" => open(request),
        _ => {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn page() -> Response<String> {
    let mut response = Response::new(include_str!("page.html").to_owned());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

// [guide]
/// Responds to a handshake, and serves the socket in a task of its own.
fn open(request: Request<Incoming>) -> Response<String> {
    let settings = WebSocketSettings::new();
    let (head, body) = request.into_parts();
    // HTTP/1.1 has no extended CONNECT, so there is no `:protocol`.
    let handshake = match Handshake::check(&head, None, &settings) {
        Ok(handshake) => handshake,
        Err(error) => return error.response(),
    };
    let upgrade = hyper::upgrade::on(Request::from_parts(head, body));
    tokio::spawn(async move {
        // The client may leave before it has read the response.
        let Ok(connection) = upgrade.await else { return };
        serve(TokioIo::new(connection), &settings, pending(), echo).await;
    });
    handshake.response().map(|()| String::new())
}

async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
// [guide]

#[cfg(test)]
mod tests;
