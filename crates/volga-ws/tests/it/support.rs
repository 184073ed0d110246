//! A client that speaks bytes, and a served socket.

use std::future::{Future, pending};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use volga_ws::{CloseReason, SocketEnd, WebSocket, WebSocketSettings, serve};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(3600), future)
        .await
        .expect("the awaited event does not happen in time")
}

/// The client's end of a WebSocket after the handshake.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    pub(crate) server: JoinHandle<SocketEnd>,
}

/// Serves a socket with this function, over a connection that holds `space` bytes.
pub(crate) fn start<H, Fut>(settings: WebSocketSettings, space: usize, handler: H) -> Client
where
    H: FnOnce(WebSocket) -> Fut + Send + 'static,
    Fut: Future<Output: Into<CloseReason>> + Send + 'static,
{
    let (stream, io) = duplex(space);
    let server = tokio::spawn(async move { serve(io, &settings, pending(), handler).await });
    Client { stream, server }
}

/// Serves an echo.
pub(crate) fn start_echo(settings: WebSocketSettings) -> Client {
    start(settings, 64 * 1024, |mut socket| async move {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

/// A frame of a client: masked, with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 77, 177, 217];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..=125 => frame.push(0x80 | length as u8),
        length @ ..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A whole message or control frame.
pub(crate) fn whole(kind: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | kind, payload)
}

/// The payload of a close frame.
pub(crate) fn reason(code: u16, text: &str) -> Vec<u8> {
    [&code.to_be_bytes(), text.as_bytes()].concat()
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("an open connection");
    }

    /// Reads a frame: its kind and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        within(async {
            let first = self.stream.read_u8().await.expect("a frame");
            assert_eq!(first & 0xf0, 0x80, "a last frame without reserved bits");
            let length = match self.stream.read_u8().await.expect("a length") {
                126 => self.stream.read_u16().await.expect("a length").into(),
                127 => self.stream.read_u64().await.expect("a length"),
                short => u64::from(short),
            };
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.expect("a payload");
            (first & 0xf, payload)
        })
        .await
    }

    pub(crate) async fn expect(&mut self, kind: u8, payload: &[u8]) {
        let found = self.frame().await;
        assert!(found == (kind, payload.to_vec()), "found {found:?}");
    }

    /// Reads a close frame, and returns its code.
    pub(crate) async fn closed(&mut self) -> u16 {
        let (kind, payload) = self.frame().await;
        assert_eq!(kind, CLOSE);
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Expects that the server closes the connection, closes it, too, and returns how the server
    /// sees the end.
    pub(crate) async fn end(mut self) -> SocketEnd {
        let mut rest = Vec::new();
        within(self.stream.read_to_end(&mut rest)).await.expect("a proper end");
        assert_eq!(rest, b"", "nothing follows the close");
        drop(self.stream);
        within(self.server).await.expect("no panic")
    }
}
