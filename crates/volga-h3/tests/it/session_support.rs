//! A server of WebTransport sessions, and a client that writes its own frames.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;
use volga_h3::{WebTransport, WebTransportOffer, WebTransportSettings};
use volga_http::{RequestBody, Server};

use super::support::{Running, TestBody, connect_quic, pair, serve_full, tls, within};

/// The sessions that a server has accepted. The tests use them from outside of their functions.
pub(crate) type Sessions = mpsc::UnboundedReceiver<Opened>;

/// A session, and a receiver that is closed when its function is dropped or has returned.
pub(crate) struct Opened {
    pub(crate) session: WebTransport,
    pub(crate) dropped: mpsc::UnboundedReceiver<()>,
}

/// A server that accepts sessions and responds to other requests. The function of a session waits
/// for its end.
pub(crate) fn serve_sessions(
    server: Server,
    settings: WebTransportSettings,
) -> (Running, Sessions) {
    let (opened, sessions) = mpsc::unbounded_channel();
    let handler = move |request: Request<RequestBody>| {
        let response = accept(request, &settings, opened.clone());
        async { response }
    };
    (serve_full(server, &tls(pair()), true, handler), sessions)
}

fn accept(
    request: Request<RequestBody>,
    settings: &WebTransportSettings,
    opened: mpsc::UnboundedSender<Opened>,
) -> Response<TestBody> {
    let (head, _) = request.into_parts();
    let Some(offer) = head.extensions.get::<WebTransportOffer>() else {
        return Response::new(TestBody::full("hello"));
    };
    if let Err(refusal) = offer.check(&head, settings) {
        let mut response = Response::new(TestBody::full(refusal.to_string()));
        *response.status_mut() = refusal.status();
        return response;
    }
    if head.uri.path() != "/" {
        let mut response = Response::new(TestBody::full("not here"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let response = offer.accept(settings, |session| async move {
        let (_alive, dropped) = mpsc::unbounded_channel();
        // The test may have ended.
        let _ = opened.send(Opened { session: session.clone(), dropped });
        session.closed().await;
    });
    response.map(|()| TestBody::full(""))
}

pub(crate) async fn opened(sessions: &mut Sessions) -> Opened {
    within(sessions.recv()).await.expect("the function was called")
}

/// A client with one connection, whose control stream is open.
pub(crate) struct RawClient {
    pub(crate) quic: Connection,
    _control: SendStream,
}

impl RawClient {
    pub(crate) async fn connect(server: &Running) -> Self {
        let quic = connect_quic(server.address, pair()).await;
        let mut control = within(quic.open_uni()).await.expect("a stream");
        within(control.write_all(&[0x00, 0x04, 0x00])).await.expect("it is sent");
        Self { quic, _control: control }
    }

    pub(crate) async fn open(&self) -> (SendStream, RecvStream) {
        within(self.quic.open_bi()).await.expect("a stream")
    }

    /// Opens a bidirectional stream of a session.
    pub(crate) async fn open_bi(&self, session: u64) -> (SendStream, RecvStream) {
        let (mut send, recv) = self.open().await;
        write(&mut send, &bidirectional(session)).await;
        (send, recv)
    }

    /// Opens a unidirectional stream of a session.
    pub(crate) async fn open_uni(&self, session: u64) -> SendStream {
        let mut send = within(self.quic.open_uni()).await.expect("a stream");
        write(&mut send, &unidirectional(session)).await;
        send
    }

    /// Asks for a session at `/`.
    pub(crate) async fn ask(&self) -> RawSession {
        self.ask_for("webtransport", "/").await
    }

    /// Sends an extended CONNECT.
    pub(crate) async fn ask_for(&self, protocol: &str, path: &str) -> RawSession {
        let (mut send, recv) = self.open().await;
        write(&mut send, &extended_connect(protocol, path)).await;
        RawSession { id: send.id().into(), send, recv }
    }

    /// Opens a session at `/`.
    pub(crate) async fn session(&self) -> RawSession {
        let mut session = self.ask().await;
        assert_eq!(session.status().await, "200");
        session
    }

    pub(crate) fn send_datagram(&self, session: u64, payload: &[u8]) {
        let datagram = [&varint(session / 4)[..], payload].concat();
        self.quic.send_datagram(datagram.into()).expect("the server takes datagrams");
    }

    /// The code with which the server closes the connection.
    pub(crate) async fn close_code(&self) -> u64 {
        match within(self.quic.closed()).await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into(),
            other => panic!("{other}"),
        }
    }
}

/// The stream that opens a session.
pub(crate) struct RawSession {
    pub(crate) id: u64,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
}

impl RawSession {
    /// Reads the head of the response, and returns its status.
    pub(crate) async fn status(&mut self) -> String {
        let (kind, section) = read_frame(&mut self.recv).await;
        assert_eq!(kind, 0x01, "HEADERS");
        // Entries of the static table, after the two bytes of the prefix.
        match &section[2..] {
            [0xd9, ..] => "200".to_owned(),
            // A status without an entry of its own: a name by reference, and three digits.
            [_, 0x09, 0x03, digits @ ..] => String::from_utf8(digits[..3].to_vec()).expect("text"),
            [_, 0x03, digits @ ..] => String::from_utf8(digits[..3].to_vec()).expect("text"),
            other => format!("{other:x?}"),
        }
    }

    /// Reads the next capsule of the server: its type, and its payload.
    pub(crate) async fn capsule(&mut self) -> (u64, Vec<u8>) {
        let (kind, payload) = read_frame(&mut self.recv).await;
        assert_eq!(kind, 0x00, "DATA");
        let (kind, first) = read_varint(&payload);
        let (length, second) = read_varint(&payload[first..]);
        let payload = payload[first + second..].to_vec();
        assert_eq!(payload.len() as u64, length);
        (kind, payload)
    }

    /// Reads the close of the server: its code, and its text.
    pub(crate) async fn close(&mut self) -> (u32, String) {
        let (kind, payload) = self.capsule().await;
        assert_eq!(kind, CLOSE);
        assert_eq!(within(self.recv.read_chunk(1, true)).await.expect("a proper end"), None);
        let (code, text) = payload.split_first_chunk().expect("a code");
        (u32::from_be_bytes(*code), String::from_utf8(text.to_vec()).expect("text"))
    }
}

pub(crate) const CLOSE: u64 = 0x2843;
pub(crate) const DRAIN: u64 = 0x78ae;

pub(crate) async fn write(stream: &mut SendStream, bytes: &[u8]) {
    within(stream.write_all(bytes)).await.expect("it is sent");
}

pub(crate) async fn read_frame(stream: &mut RecvStream) -> (u64, Vec<u8>) {
    let kind = read_number(stream).await;
    let length = usize::try_from(read_number(stream).await).expect("a short frame");
    let mut payload = vec![0; length];
    within(stream.read_exact(&mut payload)).await.expect("a frame");
    (kind, payload)
}

/// Reads a number of a stream.
pub(crate) async fn read_number(stream: &mut RecvStream) -> u64 {
    let mut bytes = vec![0];
    within(stream.read_exact(&mut bytes)).await.expect("a number");
    let length = 1 << (bytes[0] >> 6);
    bytes.resize(length, 0);
    within(stream.read_exact(&mut bytes[1..])).await.expect("a number");
    read_varint(&bytes).0
}

pub(crate) fn read_varint(bytes: &[u8]) -> (u64, usize) {
    let length = 1 << (bytes[0] >> 6);
    let first = u64::from(bytes[0] & 0x3f);
    let value = bytes[1..length].iter().fold(first, |value, &byte| value << 8 | u64::from(byte));
    (value, length)
}

pub(crate) fn varint(value: u64) -> Vec<u8> {
    VarInt::from_u64(value).expect("62 bits");
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
        _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [&varint(kind)[..], &varint(payload.len() as u64), payload].concat()
}

pub(crate) fn bidirectional(session: u64) -> Vec<u8> {
    [varint(0x41), varint(session)].concat()
}

pub(crate) fn unidirectional(session: u64) -> Vec<u8> {
    [varint(0x54), varint(session)].concat()
}

pub(crate) fn close_capsule(code: u32, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// The request for a session at `https://localhost{path}`.
pub(crate) fn connect(path: &str) -> Vec<u8> {
    extended_connect("webtransport", path)
}

/// An extended CONNECT for this protocol at `https://localhost{path}`.
pub(crate) fn extended_connect(protocol: &str, path: &str) -> Vec<u8> {
    let mut section = vec![0, 0, 0xc0 | 15, 0xc0 | 23, 0x50, 9];
    section.extend_from_slice(b"localhost\x51");
    section.push(path.len() as u8);
    section.extend_from_slice(path.as_bytes());
    // A name without the table: its length is 7 and 2 more.
    section.extend_from_slice(b"\x27\x02:protocol");
    section.push(protocol.len() as u8);
    section.extend_from_slice(protocol.as_bytes());
    frame(0x01, &section)
}

/// All bytes of a stream of the server.
pub(crate) async fn read_all(stream: &mut RecvStream) -> Bytes {
    within(stream.read_to_end(1 << 20)).await.expect("a proper end").into()
}
