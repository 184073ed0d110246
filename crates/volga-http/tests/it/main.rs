//! Tests the server from outside: with bytes over real sockets, and with the `h2` client.

mod admission;
mod bind;
mod disconnects;
mod drain;
mod drain_of_quiet_clients;
mod half_close;
mod http2;
mod keep_alive;
mod limits;
mod linger;
mod long_lived;
mod malformed_requests;
mod panics;
mod protocols;
mod requests;
mod same_bytes;
#[cfg(unix)]
mod signal;
mod streams_of_any_kind;
mod support;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_relay;
mod transport;
mod tunnels;
#[cfg(unix)]
mod unix_socket;
#[cfg(target_os = "linux")]
mod unread_streams;
