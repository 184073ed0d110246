//! A client of WebSockets that speaks bytes, over HTTP/1.1, HTTP/2 and HTTP/3.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::ext::Protocol;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;

use crate::support::{http2, soon};

/// The fields of a good handshake on HTTP/1.1, after the request line and `host`.
pub(super) const HANDSHAKE: &str = "connection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;

/// The bytes of a WebSocket, whatever carries them.
pub(crate) struct Client {
    pub(super) stream: DuplexStream,
    /// Ends the connection when it is aborted.
    pub(super) driver: tokio::task::AbortHandle,
}

/// Sends a handshake with these further fields on HTTP/1.1. Returns the head of the response, and
/// the client if it is open.
pub(super) async fn http1(address: SocketAddr, path: &str, fields: &str) -> (String, Client) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{fields}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the head", socket.read_u8()).await.unwrap());
    }
    let (stream, mut other) = duplex(1 << 20);
    let driver = tokio::spawn(async move {
        let _ = tokio::io::copy_bidirectional(&mut socket, &mut other).await;
    });
    (String::from_utf8(head).unwrap(), Client { stream, driver: driver.abort_handle() })
}

/// Sends an extended CONNECT. Returns the status, and the client if it is open.
pub(super) async fn connect(
    address: SocketAddr,
    path: &str,
    fields: &[(&str, &str)],
) -> (StatusCode, Client) {
    let mut requests = http2(address).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let mut request = http::Request::connect(format!("http://test{path}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static("websocket"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (response, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    let response = soon("the response", response).await.unwrap();
    let status = response.status();
    let mut body = response.into_body();
    let (stream, other) = duplex(1 << 20);
    let (mut read, mut write) = tokio::io::split(other);
    let driver = tokio::spawn(async move {
        let _requests = requests;
        let sending = async {
            let mut space = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = read.read(&mut space).await {
                let data = Bytes::copy_from_slice(&space[..count]);
                if send.send_data(data, false).is_err() {
                    return;
                }
            }
            let _ = send.send_data(Bytes::new(), true);
        };
        let receiving = async {
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                let _ = write.write_all(&data).await;
            }
            let _ = write.shutdown().await;
        };
        tokio::join!(sending, receiving);
    });
    (status, Client { stream, driver: driver.abort_handle() })
}

/// A connection of a client of HTTP/3 that writes its own frames, because `h3` opens no WebSockets.
pub(crate) struct Http3 {
    pub(crate) quic: quinn::Connection,
    _control: quinn::SendStream,
}

impl Http3 {
    pub(crate) async fn over(quic: quinn::Connection) -> Self {
        let mut control = soon("a stream", quic.open_uni()).await.unwrap();
        // The type of the stream, and an empty SETTINGS frame.
        soon("room", control.write_all(&[0x00, 0x04, 0x00])).await.unwrap();
        Self { quic, _control: control }
    }

    /// The settings of the server, as bytes.
    pub(crate) async fn settings(&self) -> Vec<u8> {
        let mut control = soon("a stream", self.quic.accept_uni()).await.unwrap();
        assert_eq!(read_varint(&mut control).await, 0, "the control stream comes first");
        let (kind, settings) = read_frame(&mut control).await;
        assert_eq!(kind, 4, "SETTINGS come first");
        settings
    }

    /// Sends an extended CONNECT for `websocket`. Returns the status, and the client if it is open.
    pub(crate) async fn connect(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Client) {
        let version = ("sec-websocket-version", "13");
        let has_version = fields.iter().any(|(name, _)| *name == version.0);
        let pseudo = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
        ];
        let version = (!has_version).then_some(&version);
        let mut section = vec![0, 0];
        for (name, value) in pseudo.iter().chain(version).chain(fields) {
            literal(name, 0x20, 3, &mut section);
            literal(value, 0, 7, &mut section);
        }
        let (mut send, mut recv) = soon("a stream", self.quic.open_bi()).await.unwrap();
        soon("room", send.write_all(&frame(1, &section))).await.unwrap();
        let (kind, section) = read_frame(&mut recv).await;
        assert_eq!(kind, 1, "HEADERS come first");
        let (stream, other) = duplex(1 << 20);
        let (mut read, mut write) = tokio::io::split(other);
        let driver = tokio::spawn(async move {
            let sending = async {
                let mut space = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = read.read(&mut space).await {
                    if send.write_all(&frame(0, &space[..count])).await.is_err() {
                        return;
                    }
                }
                let _ = send.finish();
            };
            let receiving = async {
                while let Some(data) = next_frame(&mut recv).await {
                    let _ = write.write_all(&data).await;
                }
                let _ = write.shutdown().await;
            };
            tokio::join!(sending, receiving);
        });
        (status(&section), Client { stream, driver: driver.abort_handle() })
    }
}

/// Writes a text of QPACK without any table. Its length begins in the last bits of the first byte.
fn literal(text: &str, mark: u8, bits: u32, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    match text.len() {
        length if length < most => out.push(mark | length as u8),
        length => {
            assert!(length - most < 0x80, "a short text");
            out.extend([mark | most as u8, (length - most) as u8]);
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// The status of a response, whose field section begins with it: a static entry, or its digits.
fn status(section: &[u8]) -> u16 {
    match &section[2..] {
        [0xd9, ..] => 200,
        [0xdb, ..] => 404,
        [0xff, 4, ..] => 400,
        [0xff, 5, ..] => 403,
        [0x5f, 9, 3, digits @ ..] => std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap(),
        other => panic!("{other:x?}"),
    }
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | 0x8000_0000;
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

async fn read_frame(stream: &mut quinn::RecvStream) -> (u64, Vec<u8>) {
    let kind = read_varint(stream).await;
    let length = read_varint(stream).await;
    let mut payload = vec![0; length as usize];
    soon("a frame", stream.read_exact(&mut payload)).await.unwrap();
    (kind, payload)
}

async fn read_varint(stream: &mut quinn::RecvStream) -> u64 {
    soon("a number", next_varint(stream)).await.unwrap()
}

/// The payload of the next frame. `None` at the end of the stream.
async fn next_frame(stream: &mut quinn::RecvStream) -> Option<Vec<u8>> {
    let _kind = next_varint(stream).await?;
    let mut payload = vec![0; next_varint(stream).await? as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}

async fn next_varint(stream: &mut quinn::RecvStream) -> Option<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes[..1]).await.ok()?;
    let length = 1 << (bytes[0] >> 6);
    stream.read_exact(&mut bytes[1..length]).await.ok()?;
    bytes[0] &= 0x3f;
    Some(bytes[..length].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Opens a WebSocket on each protocol.
pub(crate) async fn open_both(address: SocketAddr, path: &str) -> [Client; 2] {
    let (head, first) = http1(address, path, HANDSHAKE).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    let (status, second) = connect(address, path, &[]).await;
    assert_eq!(status, 200);
    [first, second]
}

impl Client {
    pub(super) async fn frame(&mut self, kind: u8, payload: &[u8]) {
        assert!(payload.len() < 126, "a short frame");
        // The mask is zero.
        let head = [0x80 | kind, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        self.stream.write_all(&[&head, payload].concat()).await.unwrap();
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    /// Reads a frame: its kind and its payload as text.
    pub(super) async fn read(&mut self) -> (u8, String) {
        soon("a frame", async {
            let first = self.stream.read_u8().await.unwrap();
            let length = match self.stream.read_u8().await.unwrap() {
                126 => self.stream.read_u16().await.unwrap().into(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.unwrap();
            (first & 0xf, String::from_utf8_lossy(&payload).into_owned())
        })
        .await
    }

    pub(crate) async fn expect(&mut self, text: &str) {
        assert_eq!(self.read().await, (TEXT, text.to_owned()));
    }

    /// Reads a close, answers it, and returns its code and text.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        soon("the close", async {
            assert_eq!(self.stream.read_u8().await.unwrap(), 0x80 | CLOSE);
            let length = self.stream.read_u8().await.unwrap();
            let code = self.stream.read_u16().await.unwrap();
            let mut text = vec![0; usize::from(length) - 2];
            self.stream.read_exact(&mut text).await.unwrap();
            self.frame(CLOSE, &code.to_be_bytes()).await;
            (code, String::from_utf8(text).unwrap())
        })
        .await
    }
}
