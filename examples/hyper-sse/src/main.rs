//! A program on bare hyper that serves an event stream of `volga-sse`.
//!
//! ```sh
//! cargo run -p hyper-sse
//! curl -N localhost:3001/events
//! curl -N localhost:3001/events/beat/clock-
//! ```

use std::{convert::Infallible, error::Error, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::{Either, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    time::interval,
};
use tokio_stream::wrappers::IntervalStream;
use volga_sse::{BoxError, Message, Sse, SseBody};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3001".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("hyper-sse listens on http://{}/events", listener.local_addr()?);
    loop {
        let (connection, peer) = listener.accept().await?;
        tokio::spawn(async move {
            // For hyper it is an error if a client leaves. This program reports only errors of
            // messages.
            if let Err(error) = serve(connection).await
                && error.is_user()
            {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                eprintln!("{peer}: {error}: {cause}");
            }
        });
    }
}

/// Serves the requests of one connection.
async fn serve(connection: TcpStream) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), service_fn(answer))
        .await
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError>>, Infallible> {
    let segments: Vec<_> = request.uri().path().split('/').skip(1).collect();
    Ok(match segments[..] {
        ["events"] => events("tick".to_owned(), String::new()).map(Either::Left),
        ["events", event, prefix] => events(decode(event), decode(prefix)).map(Either::Left),
        _ => {
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

// [guide]
#[derive(Serialize)]
struct Tick {
    seconds: usize,
}

/// Sends a tick at once and then every second.
///
/// The event name and the ID may come from a client, which is not trusted: a line break in either
/// of them would start a field that the client has written, so encoding such a message fails and
/// the stream ends.
fn events(event: String, prefix: String) -> Response<SseBody<impl Stream<Item = Message>>> {
    let ticks = IntervalStream::new(interval(Duration::from_secs(1)));
    let messages = ticks.enumerate().map(move |(seconds, _)| {
        Message::new().event(&event).id(format!("{prefix}{seconds}")).json(Tick { seconds })
    });
    Sse::new(messages).into_response()
}
// [guide]

#[cfg(test)]
mod tests;
