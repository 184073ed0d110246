//! WebSockets for any Rust server, over HTTP/1.1, HTTP/2 and HTTP/3.
//!
//! - **The handshake** as pure code: [`Handshake::check`] takes the head of a request, and returns
//!   the response that accepts it, or an error with the status that refuses it. It knows the
//!   upgrade of HTTP/1.1 (RFC 6455) and extended CONNECT of HTTP/2 (RFC 8441) and HTTP/3 (RFC
//!   9220).
//! - **The socket**: [`serve`] runs your function with a [`WebSocket`] on any stream of bytes. It
//!   sends pings, ends sockets whose client has disappeared, closes properly, and keeps every
//!   buffer within a limit.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
//! use volga_ws::{WebSocket, WebSocketSettings, serve};
//!
//! async fn echo(mut socket: WebSocket) {
//!     while let Some(message) = socket.recv().await {
//!         if socket.send(message).await.is_err() {
//!             break;
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! // In a server, this is the connection after the handshake.
//! let (mut client, connection) = duplex(1024);
//! let settings = WebSocketSettings::new();
//! let served = serve(connection, &settings, std::future::pending(), echo);
//! let talk = async move {
//!     // A masked text message with the text "hi".
//!     client.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
//!     let mut reply = [0; 4];
//!     client.read_exact(&mut reply).await.unwrap();
//!     assert_eq!(&reply, b"\x81\x02hi");
//! };
//! tokio::join!(served, talk);
//! # }
//! ```
//!
//! The frames are read by [tungstenite](https://docs.rs/tungstenite). Extensions are not
//! negotiated, so messages are not compressed.
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | `json` | yes | [`WebSocket::send_json`] and [`WebSocket::recv_json`] |
//! | `hub` | no | `forward`: sends the messages of a hub of `volga-sse` |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod close;
mod connection;
mod decoder;
#[cfg(feature = "hub")]
mod forward;
mod frame_edges;
mod handshake;
#[cfg(feature = "json")]
mod json;
mod message;
mod out_queue;
mod serve;
mod settings;
mod shared_state;
#[cfg(feature = "hub")]
mod shared_texts;
mod socket;
mod whole_message;

pub use close::{CloseCode, CloseReason, SocketEnd};
#[cfg(feature = "hub")]
pub use forward::{ForwardEnd, envelope, forward, read_resume};
pub use handshake::{Handshake, HandshakeError};
#[cfg(feature = "json")]
pub use json::JsonError;
pub use message::{Message, Utf8Bytes};
pub use serve::{Serve, serve, serve_protocol};
pub use settings::{
    DEFAULT_MAX_WS_FRAME, DEFAULT_MAX_WS_MESSAGE, DEFAULT_MAX_WS_UNREAD, DEFAULT_MAX_WS_UNSENT,
    DEFAULT_WS_CLOSE_TIMEOUT, DEFAULT_WS_IDLE_TIMEOUT, DEFAULT_WS_PING_INTERVAL,
    DEFAULT_WS_PONG_TIMEOUT, OriginRule, WebSocketSettings,
};
pub use socket::{ClosedError, WebSocket, WebSocketSink, WebSocketStream};
