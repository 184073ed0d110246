//! The HTTP server of Volga: a [`Server`] for any tower service, over TCP and Unix-domain sockets.
//!
//! It speaks HTTP/1.1, and HTTP/2 with prior knowledge, on the same port. It limits the resources
//! that a client may use ([`limits`]), and it shuts down gracefully ([`Drain`]). It knows nothing
//! of routes or events.
//!
//! ```
//! use std::convert::Infallible;
//! use std::future::{Ready, ready};
//! use std::task::{Context, Poll};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use volga_http::{ConnectionInfo, Drain, DrainOutcome, RequestBody, Server, bind};
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
//!     fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
//!         let peer = request.extensions().get().and_then(ConnectionInfo::peer);
//!         ready(Ok(Response::new(format!("hello, {peer:?}").into())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let drain = Drain::new();
//! let server = Server::new().drain(drain.clone()).serve(bind("localhost:0").await?, Hello);
//!
//! // A real program starts the drain after `volga_http::shutdown_signal().await`.
//! drain.start();
//! assert_eq!(server.await?, DrainOutcome::Complete);
//! # Ok(())
//! # }
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `server` | the server: its settings, its accept loop and its shutdown |
//! | `listen` | where connections come from |
//! | `io` | transports, which carry the bytes of a connection |
//! | `connection` | the life of a connection, in either protocol |
//! | `exchange` | one request and its response, in either protocol |
//! | `http1` | the HTTP/1 driver: requests one after another, and long-lived responses |
//! | `http2` | the HTTP/2 driver around the `h2` library |
//! | `tls` | HTTPS; needs the feature `tls` |
//! | `pool` | memory that a thread keeps for its next connection |
//! | `drain` | the graceful shutdown of a server |
//! | [`limits`] | every limit, in one place |
//! | [`protocol`] | parts for a protocol that has a server of its own, such as HTTP/3 |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connection;
mod drain;
mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http1;
mod http2;
mod io;
pub mod limits;
mod listen;
mod pool;
pub mod protocol;
mod server;
#[cfg(feature = "tls")]
mod tls;

pub use connection::info::{ConnectionInfo, TlsInfo};
pub use drain::handle::Drain;
pub use drain::progress::DrainOutcome;
pub use drain::signal::shutdown_signal;
pub use exchange::cut_at_end::CutAtEnd;
pub use exchange::half_close::HalfCloseCallback;
pub use exchange::long_lived_response::LongLivedResponse;
pub use exchange::request_body::RequestBody;
pub use exchange::request_body_error::RequestBodyError;
pub use exchange::service::HttpService;
pub use exchange::tunnel::{Tunnel, TunnelOffer, TunnelStream};
pub use io::byte_stream::ByteStream;
pub use listen::accept_streams::AcceptStreams;
pub use listen::bind::{bind, bind_all};
pub use listen::bind_target::BindTarget;
pub use listen::counts::ConnectionCounts;
pub use listen::error::BindError;
pub use listen::listener::Listener;
pub use server::Server;
#[cfg(feature = "tls")]
pub use tls::{
    acceptor::TlsAcceptor,
    certificates::CertificateSource,
    client_auth::ClientRoots,
    error::{PemOrigin, TlsError},
    loaded_certificates::TlsHandle,
    settings::Tls,
};
