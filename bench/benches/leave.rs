//! Measures how soon a server notices that a client has left a quiet stream: the time from the
//! client's leaving to the drop of the handler's stream.
//!
//! This is a program of its own, not a loop of the harness, because each sample is one client that
//! connects, reads its first message and leaves. Client and server share the process, and the time
//! is measured between two events within it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use volga::{App, http::sse::Message, sse};

const SAMPLES: usize = 500;

type Drops = mpsc::UnboundedSender<Instant>;

/// A stream of one message and then silence. It reports when it is dropped.
struct Quiet {
    first: Option<Message>,
    drops: Drops,
}

impl Stream for Quiet {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Message>> {
        self.first.take().map_or(Poll::Pending, |message| Poll::Ready(Some(message)))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.drops.send(Instant::now());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let mut app = App::new().without_greeter();
    let drops = Arc::new(Mutex::new(drops));
    app.map_get("/events", move || {
        let drops = drops.lock().expect("no panic").clone();
        sse!(Quiet { first: Some(Message::new().data("first")), drops })
    });
    tokio::spawn(app.run_with_listener(listener));

    println!(
        "time from a client's leaving to the drop of its stream, {SAMPLES} clients one after another"
    );
    for (name, way) in [
        ("HTTP/1.1, close", Way::Close),
        ("HTTP/1.1, reset", Way::Reset),
        ("HTTP/2, RST_STREAM", Way::Stream),
    ] {
        let mut times = Vec::with_capacity(SAMPLES);
        let client = http2(address).await;
        for _ in 0..SAMPLES {
            let left = match way {
                Way::Close | Way::Reset => leave1(address, way).await,
                Way::Stream => leave2(&client).await,
            };
            times.push(dropped.recv().await.expect("the server runs").duration_since(left));
        }
        times.sort_unstable();
        println!(
            "  {name:20} median {:>9.1?}   p99 {:>9.1?}   longest {:>9.1?}",
            times[SAMPLES / 2],
            times[SAMPLES * 99 / 100],
            times.last().copied().unwrap_or(Duration::ZERO)
        );
    }
}

#[derive(Clone, Copy)]
enum Way {
    Close,
    Reset,
    Stream,
}

async fn leave1(address: SocketAddr, way: Way) -> Instant {
    let mut client = TcpStream::connect(address).await.expect("a connection");
    client.write_all(b"GET /events HTTP/1.1\r\nhost: bench\r\n\r\n").await.expect("a request");
    let mut read = Vec::new();
    while !read.windows(5).any(|bytes| bytes == b"first") {
        client.read_buf(&mut read).await.expect("a message");
    }
    if let Way::Reset = way {
        client.set_zero_linger().expect("an option");
    }
    let left = Instant::now();
    drop(client);
    left
}

async fn http2(address: SocketAddr) -> h2::client::SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

async fn leave2(client: &h2::client::SendRequest<bytes::Bytes>) -> Instant {
    let mut client = client.clone().ready().await.expect("a free stream");
    let request = http::Request::get("http://bench/events").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("a stream");
    let mut body = response.await.expect("a response").into_body();
    body.data().await.expect("a message").expect("a message");
    let left = Instant::now();
    drop(body);
    left
}
