//! Where connections come from.
//!
//! | module | idea |
//! |---|---|
//! | `bind_target`, `bind`, `error` | what to listen on, listening on it, and why that failed |
//! | `unix_socket`, `inherited` | sockets in the file system, and sockets that another process hands over |
//! | `listener`, `accept` | one listener of any kind, and all of a server's in turn, through shortages |
//! | `accept_streams` | what a listener of your own provides |
//! | `admission`, `counts` | who may connect, and how many are connected |
//! | `tcp_keepalive` | what the kernel does to find clients that are gone |
//! | `handover` | leaving a port to another process |

pub(crate) mod accept;
pub(crate) mod accept_streams;
pub(crate) mod admission;
pub(crate) mod bind;
pub(crate) mod bind_target;
pub(crate) mod counts;
pub(crate) mod error;
pub(crate) mod handover;
#[cfg(unix)]
pub(crate) mod inherited;
pub(crate) mod listener;
pub(crate) mod tcp_keepalive;
#[cfg(unix)]
pub(crate) mod unix_socket;
