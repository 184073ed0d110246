//! The server from outside: bytes over real sockets, and the `h2` client.

mod admission;
mod bind;
mod drain;
mod http2;
mod keep_alive;
mod leaving;
mod limits;
mod linger;
mod long_lived;
mod protocols;
mod requests;
mod same_bytes;
#[cfg(unix)]
mod signal;
mod streams_of_any_kind;
mod strict;
mod support;
mod timeouts;
mod tunnels;
#[cfg(unix)]
mod unix_socket;
