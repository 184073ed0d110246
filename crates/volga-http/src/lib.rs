//! The transport of Volga: a [`Server`] for any tower service over TCP
//! and Unix-domain sockets.
//!
//! It speaks HTTP/1.1, and HTTP/2 with prior knowledge, on the same port; it bounds what a client may take ([`limits`]); and
//! it ends in order ([`Drain`]). It knows no route and no event.
//!
//! ```
//! use std::convert::Infallible;
//! use std::future::{Ready, ready};
//! use std::task::{Context, Poll};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use volga_http::{Drain, Drained, PeerAddr, RequestBody, Server, bind};
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
//!         let peer = request.extensions().get::<PeerAddr>().copied();
//!         ready(Ok(Response::new(format!("hello, {peer:?}").into())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let drain = Drain::new();
//! let server = Server::new().drain(drain.clone()).serve(bind("localhost:0").await?, Hello);
//!
//! // A program would start it after `volga_http::shutdown_signal().await`.
//! drain.start();
//! assert_eq!(server.await?, Drained::Complete);
//! # Ok(())
//! # }
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `server` | the accept loop, and the end |
//! | `accept`, `admission` | several listeners in turn, through shortages; and who may connect |
//! | `bind_target`, `bind`, `unix_socket`, `inherited`, `error` | what to listen on, listening on it, and why not |
//! | `listener`, `socket` | what connections come from, and what they are, of each kind |
//! | `handover` | leaving a port to another process |
//! | `probes` | what the kernel does to find clients that are gone |
//! | `stages`, `tasks` | connections as tasks, which cannot outlive their server |
//! | `conn`, `preface`, `rewind` | one connection and its protocol |
//! | `http1` | requests one after another, and long-lived responses |
//! | `http2` | an HTTP/2 connection, driven by ourselves |
//! | `transport`, `stall`, `linger` | what carries a connection; clients that do not read, or still send |
//! | `service`, `body`, `addr` | a request, and the service that answers it |
//! | `body_pace`, `body_timer` | how long a client may take to send a body |
//! | `long_lived` | the mark of a response that goes on for long |
//! | `counts` | how many connections there are |
//! | `drain`, `drain_handle`, `signal` | when it is done, and who says so |
//! | [`limits`] | every bound, in one place |

mod accept;
mod addr;
mod admission;
mod bind;
mod bind_target;
mod body;
mod body_pace;
mod body_timer;
mod conn;
mod counts;
mod date;
mod drain;
mod drain_handle;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handover;
mod http1;
mod http2;
#[cfg(unix)]
mod inherited;
pub mod limits;
mod linger;
mod listener;
mod long_lived;
mod preface;
mod probes;
mod read;
mod rewind;
mod server;
mod service;
mod signal;
#[cfg(test)]
mod slow_bodies;
mod socket;
mod stages;
mod stall;
mod target;
mod tasks;
mod transport;
#[cfg(unix)]
mod unix_socket;

pub use addr::{Ends, LocalAddr, PeerAddr};
pub use bind::bind;
pub use bind_target::BindTarget;
pub use body::{RequestBody, RequestBodyError};
pub use counts::ConnectionCounts;
pub use drain::Drained;
pub use drain_handle::Drain;
pub use error::BindError;
pub use listener::Listener;
pub use long_lived::LongLived;
pub use server::Server;
pub use signal::shutdown_signal;
