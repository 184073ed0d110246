//! How many records the server sends. Each record costs 22 bytes or more, and a system call if it
//! is sent by itself.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use volga_http::{RequestBody, Server};

use super::support::{Client, TlsServer, pair};
use crate::support::{
    GET, Step, TestBody, connect, connect_h2_on, get, long_lived, read_until, send, within,
};

/// A socket that notes everything that it reads.
struct Recorded {
    socket: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

/// The application data in the records that were read: the length of each.
fn lengths(wire: &[u8]) -> Vec<usize> {
    const APPLICATION_DATA: u8 = 23;
    let mut lengths = Vec::new();
    let mut rest = wire;
    while let [kind, _, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == APPLICATION_DATA {
            lengths.push(length);
        }
        rest = after.get(length..).expect("whole records");
    }
    lengths
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.read.lock().expect("no panic").extend_from_slice(&buf.filled()[before..]);
        read
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// A server with one stream, and the sender that says what the stream sends.
async fn streaming(tls: volga_http::Tls) -> (TlsServer, UnboundedSender<Step>) {
    let (tell, body) = TestBody::told();
    let body = Arc::new(Mutex::new(Some(body)));
    let handler = move |_: Request<RequestBody>| {
        let body = body.lock().expect("no panic").take().expect("one request");
        async move { long_lived(body) as Response<TestBody> }
    };
    (TlsServer::start(Server::new(), tls, handler).await, tell)
}

async fn recorded(server: &TlsServer) -> (Recorded, Arc<Mutex<Vec<u8>>>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    (Recorded { socket: connect(server.address).await, read: Arc::clone(&read) }, read)
}

/// An event of this size, with its number.
fn event(number: usize, size: usize) -> Step {
    Step::Data(format!("{number:0size$}").into())
}

#[tokio::test]
async fn on_http1_a_single_event_is_one_record_and_a_burst_as_few_as_its_size_allows() {
    let pair = pair(&["localhost"]);
    let (server, tell) = streaming(pair.tls()).await;
    let (socket, wire) = recorded(&server).await;
    let client = Client::trusting(&[&pair]).alpn(&["http/1.1"]);
    let mut stream = client.connect_to("localhost", socket).await.expect("TLS");
    send(&mut stream, GET).await;
    tell.send(event(0, 10)).expect("the stream is open");
    read_until(&mut stream, "0000000000\r\n").await;
    wire.lock().expect("no panic").clear();

    for number in 1..=5 {
        tell.send(event(number, 10)).expect("the stream is open");
        read_until(&mut stream, &format!("{number:010}\r\n")).await;
    }
    assert_eq!(lengths(&wire.lock().expect("no panic")).len(), 5, "one for each event");
    wire.lock().expect("no panic").clear();

    // The runtime has one thread, so all of them are ready when the stream is polled.
    for (count, size, most) in [(50, 100, 1), (1, 8_000, 1), (60, 250, 1), (3, 16_000, 4)] {
        for number in 1..=count {
            tell.send(event(number, size)).expect("the stream is open");
        }
        read_until(&mut stream, &format!("{count:0size$}\r\n")).await;
        let lengths = lengths(&std::mem::take(&mut *wire.lock().expect("no panic")));
        assert!(lengths.len() <= most, "{count} events of {size} bytes: {lengths:?}");
    }
}

#[tokio::test]
async fn on_http2_a_single_event_is_one_record_and_a_burst_few() {
    let pair = pair(&["localhost"]);
    let (server, tell) = streaming(pair.tls()).await;
    let (socket, wire) = recorded(&server).await;
    let client = Client::trusting(&[&pair]).alpn(&["h2"]);
    let stream = client.connect_to("localhost", socket).await.expect("TLS");
    let (mut http2, _driver) = connect_h2_on(stream).await;
    let (response, _) = http2.send_request(get(), true).expect("it is open");
    tell.send(event(0, 10)).expect("the stream is open");
    let mut body = within(response).await.expect("a response").into_body();
    let mut read = async |expect: usize| {
        let mut count = 0;
        while count < expect {
            let data = within(body.data()).await.expect("an open stream").expect("data");
            count += data.len();
            body.flow_control().release_capacity(data.len()).expect("it was received");
        }
    };
    read(10).await;
    wire.lock().expect("no panic").clear();
    for number in 1..=5 {
        tell.send(event(number, 10)).expect("the stream is open");
        read(10).await;
    }
    assert_eq!(lengths(&wire.lock().expect("no panic")).len(), 5, "one for each event");
    wire.lock().expect("no panic").clear();
    for number in 1..=50 {
        tell.send(event(number, 100)).expect("the stream is open");
    }
    read(50 * 100).await;
    let lengths = lengths(&wire.lock().expect("no panic"));
    assert!(lengths.len() <= 2, "{lengths:?}");
}
