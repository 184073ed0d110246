//! HTTP/3 for Volga: a server for any tower service, over QUIC.
//!
//! It has the settings, the limits and the drain of a [`volga_http::Server`], and the certificates
//! of its [`TlsAcceptor`](volga_http::TlsAcceptor). So one program serves the same service over TCP
//! and UDP, and shuts both down together. quinn is the QUIC below it. The frames and heads of
//! HTTP/3 are read and written here, without the dynamic table of QPACK.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::future::{Ready, ready};
//! use std::task::{Context, Poll};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use volga_h3::Http3Server;
//! use volga_http::{Drain, RequestBody, Server, Tls};
//!
//! #[derive(Clone)]
//! struct Hello;
//!
//! impl tower_service::Service<Request<RequestBody>> for Hello {
//!     type Response = Response<Full<Bytes>>;
//!     type Error = Infallible;
//!     type Future = Ready<Result<Self::Response, Infallible>>;
//!
//!     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
//!         ready(Ok(Response::new("hello".into())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let drain = Drain::new();
//! let tls = Tls::pem_files("cert.pem", "key.pem").load()?;
//! let listeners = volga_h3::bind(["0.0.0.0:443".parse()?], &tls)?;
//! let settings = Server::new().drain(drain).settings();
//! Http3Server::new(settings).serve_each(listeners, |_connection| Hello).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Http3Server::webtransport`] accepts WebTransport sessions beside requests; see
//! [`WebTransportOffer`].
//!
//! A service accepts an extended CONNECT, such as that of a WebSocket (RFC 9220), by the
//! [`TunnelOffer`](volga_http::TunnelOffer) among the extensions of the request, as it does over
//! HTTP/2.
//!
//! Not supported: server push, and requests in the first flight (0-RTT).
//!
//! | module | idea |
//! |---|---|
//! | `server` | the server: its accept loop and its shutdown |
//! | `listener` | UDP sockets, and the configuration of QUIC |
//! | `connection` | the life of one connection |
//! | `shared_connection` | the state that the tasks of one connection share |
//! | `client_stream` | the control stream of a client, and its streams of QPACK |
//! | `request` | one request: its handler and its response |
//! | `request_stream`, `request_body` | the receiving half of a request |
//! | `response_stream` | the sending half |
//! | `tunnel` | a request as a byte stream, after an extended CONNECT |
//! | `guarded` | the halves of a stream, which end with a code when they are dropped |
//! | `webtransport` | sessions, their streams and datagrams |
//! | `head` | the head of a request, from its fields (pure) |
//! | `qpack` | the compression of heads (pure) |
//! | `frame`, `settings`, `streams`, `varint`, `code` | what is on the wire (pure) |
//! | [`limits`] | every limit, in one place |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod client_stream;
mod code;
mod connection;
mod frame;
mod guarded;
mod head;
pub mod limits;
mod listener;
mod qpack;
mod request;
mod request_body;
mod request_stream;
mod response_stream;
mod server;
mod settings;
mod shared_connection;
mod streams;
mod tunnel;
mod varint;
mod webtransport;

pub use listener::{Http3Listener, bind};
pub use server::Http3Server;
pub use webtransport::close_info::{WebTransportCloseInfo, WebTransportEnd};
pub use webtransport::handshake::{WebTransportOffer, WebTransportRefusal};
pub use webtransport::session::{WebTransport, WebTransportDatagramError, WebTransportEndedError};
pub use webtransport::settings::WebTransportSettings;
pub use webtransport::streams::{
    WebTransportReceiveStream, WebTransportSendStream, WebTransportStreamError,
};
