//! Clients that break the rules of HTTP/3, or use them to the full. They write their own frames.

use http::{Request, Response};
use http_body_util::BodyExt;
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use volga_http::RequestBody;

use super::support::{Running, TestBody, connect_quic, pair, serve, within};

/// The head of `GET https://localhost/`, or of a POST: static entries, and the authority.
fn head(method: u8) -> Vec<u8> {
    let section = [&[0, 0, 0xc0 | method, 0xc0 | 23, 0xc0 | 1, 0x50, 9][..], b"localhost"].concat();
    frame(0x01, &section)
}

const GET: u8 = 17;
const POST: u8 = 20;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame") | 0x4000;
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

/// A server that responds with the length of the request's body.
fn server() -> Running {
    serve(async |request: Request<RequestBody>| {
        let body = request.into_body().collect().await;
        let text = body.map_or("failed".to_owned(), |body| body.to_bytes().len().to_string());
        Response::new(TestBody::full(text))
    })
}

/// Connects, and opens the control stream with an empty SETTINGS frame.
async fn connect(server: &Running) -> (Connection, SendStream) {
    let connection = connect_quic(server.address, pair()).await;
    let control = open(&connection, &[0x00, 0x04, 0x00]).await;
    (connection, control)
}

/// Opens a unidirectional stream with these bytes.
async fn open(connection: &Connection, bytes: &[u8]) -> SendStream {
    let mut stream = within(connection.open_uni()).await.expect("a stream");
    within(stream.write_all(bytes)).await.expect("it is sent");
    stream
}

/// Sends a request of these bytes, and ends it.
async fn request(connection: &Connection, bytes: &[u8]) -> RecvStream {
    let (mut send, recv) = within(connection.open_bi()).await.expect("a stream");
    // The server may have stopped the stream already.
    let _ = within(send.write_all(bytes)).await;
    let _ = send.finish();
    recv
}

/// The bytes of a response.
async fn response(mut stream: RecvStream) -> Result<Vec<u8>, quinn::ReadToEndError> {
    within(stream.read_to_end(10_000)).await
}

/// The code with which the server closes the connection.
async fn close_code(connection: &Connection) -> u64 {
    match within(connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => close.error_code.into(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_a_client_must_not_send_on_a_request_ends_the_connection() {
    let server = server();
    for (name, bytes, code) in [
        ("DATA before the head", frame(0x00, b"x"), 0x105),
        ("SETTINGS", frame(0x04, b""), 0x105),
        ("SETTINGS in a body", [head(POST), frame(0x04, b"")].concat(), 0x105),
        ("GOAWAY", [head(POST), frame(0x07, &[0])].concat(), 0x105),
        ("PUSH_PROMISE", [head(POST), frame(0x05, &[0])].concat(), 0x105),
        ("PING of HTTP/2", [head(POST), frame(0x06, b"")].concat(), 0x105),
        (
            "DATA after the trailers",
            [head(POST), frame(0x01, &[0, 0]), frame(0x00, b"x")].concat(),
            0x105,
        ),
        ("half a frame", [head(POST), frame(0x00, b"1234")[..4].to_vec()].concat(), 0x106),
        ("half a head", head(GET)[..9].to_vec(), 0x106),
        ("the dynamic table", frame(0x01, &[0, 0, 0x80]), 0x200),
        ("half a field section", frame(0x01, &[0, 0, 0x51, 0x0b]), 0x200),
        ("dynamic trailers", [head(POST), frame(0x01, &[1, 0])].concat(), 0x200),
    ] {
        let (connection, _control) = connect(&server).await;
        let _stream = request(&connection, &bytes).await;
        assert_eq!(close_code(&connection).await, code, "{name}");
    }
}

#[tokio::test]
async fn what_a_client_must_not_send_elsewhere_ends_the_connection() {
    let server = server();
    for (name, streams, code) in [
        ("two control streams", &[&[0x00, 0x04, 0x00][..], &[0x00, 0x04, 0x00]][..], 0x103),
        ("two encoder streams", &[&[0x02], &[0x02]], 0x103),
        ("two decoder streams", &[&[0x03], &[0x03]], 0x103),
        ("a push stream", &[&[0x01]], 0x103),
        ("no SETTINGS first", &[&[0x00, 0x07, 0x01, 0x00]], 0x10a),
        ("SETTINGS twice", &[&[0x00, 0x04, 0x00, 0x04, 0x00]], 0x105),
        ("a setting of HTTP/2", &[&[0x00, 0x04, 0x02, 0x02, 0x00]], 0x109),
        ("DATA", &[&[0x00, 0x04, 0x00, 0x00, 0x01, 0x00]], 0x105),
        ("HEADERS", &[&[0x00, 0x04, 0x00, 0x01, 0x00]], 0x105),
        ("an endless SETTINGS", &[&[0x00, 0x04, 0xbf, 0xff, 0xff, 0xff]], 0x107),
        ("a growing GOAWAY", &[&[0x00, 0x04, 0x00, 0x07, 0x01, 0x00, 0x07, 0x01, 0x04]], 0x108),
        ("CANCEL_PUSH", &[&[0x00, 0x04, 0x00, 0x03, 0x01, 0x00]], 0x108),
        ("an instruction of QPACK", &[&[0x02, 0xc0, 0x00]], 0x201),
    ] {
        let connection = connect_quic(server.address, pair()).await;
        let mut opened = Vec::new();
        for bytes in streams {
            opened.push(open(&connection, bytes).await);
        }
        assert_eq!(close_code(&connection).await, code, "{name}");
    }
    for kind in [0x00, 0x02, 0x03] {
        let connection = connect_quic(server.address, pair()).await;
        let mut stream = open(&connection, &[kind]).await;
        stream.finish().expect("it is open");
        assert_eq!(close_code(&connection).await, 0x104, "the end of stream {kind}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_ignored() {
    let server = server();
    let (connection, mut control) = connect(&server).await;
    // A frame and a setting without meaning, the allowed instruction, and streams without meaning.
    within(control.write_all(&[0x21, 0x02, 1, 2, 0x0d, 0x01, 0x03])).await.expect("it is sent");
    let _encoder = open(&connection, &[0x02, 0x20]).await;
    let _decoder = open(&connection, &[0x03, 0x41]).await;
    for _ in 0..50 {
        let stream = open(&connection, &[0x40, 0x21, 1, 2, 3]).await;
        let stopped = within(stream.stopped()).await.expect("the connection is open");
        assert_eq!(stopped, Some(VarInt::from_u32(0x103)));
        let mut empty = within(connection.open_uni()).await.expect("a stream");
        empty.finish().expect("it is open");
    }
    let bytes = [
        frame(0x21, b"no meaning"),
        head(POST),
        frame(0x00, b""),
        frame(0x00, b"12"),
        frame(0x21, b"no meaning"),
        frame(0x00, b""),
        frame(0x00, b"345"),
        frame(0x00, b""),
        frame(0x01, &[0, 0]),
        frame(0x21, b"no meaning"),
    ]
    .concat();
    let response = response(request(&connection, &bytes).await).await.expect("a response");
    assert!(response.ends_with(b"5"), "all of the body was read: {response:?}");
}

#[tokio::test]
async fn a_malformed_request_ends_alone() {
    let server = server();
    let (connection, _control) = connect(&server).await;
    let forbidden =
        [&[0, 0, 0xc0 | GET, 0xd7, 0xc1, 0x50, 1][..], b"a\x27\x03connection\x01x"].concat();
    let twice = [&[0, 0, 0xc0 | GET, 0xc0 | GET, 0xd7, 0xc1, 0x50, 1][..], b"a"].concat();
    for (name, bytes, code) in [
        ("no head", Vec::new(), 0x10d),
        ("a field of HTTP/1", frame(0x01, &forbidden), 0x10e),
        ("two methods", frame(0x01, &twice), 0x10e),
        ("nothing in the head", frame(0x01, &[0, 0]), 0x10e),
    ] {
        let mut stream = request(&connection, &bytes).await;
        let error = within(stream.read_to_end(1_000)).await.expect_err("no response");
        let reset = quinn::ReadToEndError::Read(quinn::ReadError::Reset(VarInt::from_u32(code)));
        assert_eq!(error, reset, "{name}");
    }
    let response = response(request(&connection, &head(GET)).await).await.expect("a response");
    assert!(response.ends_with(b"0"), "{response:?}");
}

#[tokio::test]
async fn requests_that_the_server_does_not_serve_get_a_status() {
    let server = server();
    let (connection, _control) = connect(&server).await;
    let other_host = [&[0, 0, 0xc0 | GET, 0xd7, 0xc1, 0x50, 1][..], b"a\x24host\x01b"].concat();
    let no_host = [0, 0, 0xc0 | GET, 0xd7, 0xc1];
    let connect = [&[0, 0, 0xc0 | 15, 0x50, 4][..], b"a:80"].concat();
    for (name, section, status) in [
        ("another host in the field", &other_host[..], 400_u16),
        ("no host", &no_host, 400),
        ("CONNECT", &connect, 501),
    ] {
        let stream = request(&connection, &frame(0x01, section)).await;
        let response = response(stream).await.expect("a response");
        // 400 is in the static table, with the index 67: the first six bits are full.
        let expect: &[u8] = if status == 400 { &[0xff, 4] } else { b"501" };
        assert!(response.windows(expect.len()).any(|part| part == expect), "{name}: {response:?}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_gets_431_and_no_memory() {
    let server = server();
    let (connection, _control) = connect(&server).await;
    let (mut send, mut recv) = within(connection.open_bi()).await.expect("a stream");
    let header = [0x01, 0xbf, 0xff, 0xff, 0xff];
    within(send.write_all(&header)).await.expect("it is sent");
    let sending = tokio::spawn(async move { while send.write_all(&[0; 1024]).await.is_ok() {} });
    let response = within(recv.read_to_end(1_000)).await.expect("a response");
    assert!(response.windows(3).any(|part| part == b"431"), "{response:?}");
    within(sending).await.expect("the client is told to stop");
}
